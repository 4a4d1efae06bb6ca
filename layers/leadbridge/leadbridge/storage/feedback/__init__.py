"""Postbacks in the table."""
