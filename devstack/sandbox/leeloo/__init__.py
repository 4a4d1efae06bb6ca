"""Leeloo's API v2, as its public document and public code describe it."""
