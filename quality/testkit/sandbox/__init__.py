"""HTTP clients of the partner sandbox."""
