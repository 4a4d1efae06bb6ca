"""The routes of the operators' API, grouped by what they are about."""
