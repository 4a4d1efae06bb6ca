"""Postbacks: the outcomes of leads for advertising trackers."""
