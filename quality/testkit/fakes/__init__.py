"""In-memory repositories and partners that fail on purpose."""
