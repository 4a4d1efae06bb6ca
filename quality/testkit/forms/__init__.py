"""Posts as form builders send them, and the receiver that takes them."""
