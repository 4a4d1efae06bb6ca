"""What a lead, a delivery, a message, a fetch and a partner account are: pure code without AWS or configuration files."""
