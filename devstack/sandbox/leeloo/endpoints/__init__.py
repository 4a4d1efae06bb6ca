"""The thirty endpoints, by what they are about."""
