"""The flow of postbacks to trackers."""
