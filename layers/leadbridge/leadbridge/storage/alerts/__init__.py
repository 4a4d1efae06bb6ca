"""The stored alerts."""
