"""The pictures of the documentation, drawn from template.yaml and from the states' own code."""
