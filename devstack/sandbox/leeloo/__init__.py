"""Leeloo's API v2, according to its public document and code."""
