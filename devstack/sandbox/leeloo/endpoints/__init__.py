"""The thirty endpoints, by subject."""
