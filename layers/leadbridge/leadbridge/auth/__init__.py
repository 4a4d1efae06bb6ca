"""Secrets, signatures, and RSA as Lead Leader requires it."""
