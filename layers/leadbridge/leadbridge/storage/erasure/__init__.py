"""Erasing a person from the table."""
