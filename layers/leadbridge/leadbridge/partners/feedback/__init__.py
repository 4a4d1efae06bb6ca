"""Postbacks to trackers: kinds, macros and the client."""
