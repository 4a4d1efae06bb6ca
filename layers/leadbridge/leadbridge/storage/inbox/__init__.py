"""The inbox: what of the table needs a person, and the marks of its groups."""
