"""The console and the form page before a real browser."""
