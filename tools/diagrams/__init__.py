"""The diagrams of the documentation, generated from template.yaml and the transition tables."""
