"""The real Lambda runtime client, run on the built functions."""
