"""Containers of `sam local`."""
