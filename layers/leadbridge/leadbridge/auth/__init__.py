"""Secrets and webhook signatures."""
