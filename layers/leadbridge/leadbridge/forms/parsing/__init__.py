"""Parsing of request bodies: character sets, URL-encoded and multipart fields, JSON."""
