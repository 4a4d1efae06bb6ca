"""What a lead contributes to the statistics."""
