"""The operators' command, run in this process."""
