"""The inbox: what needs a person, grouped by partner or source and reason."""
