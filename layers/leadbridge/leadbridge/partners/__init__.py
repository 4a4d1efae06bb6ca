"""The partners that leads are carried to: one folder each, over one transport."""
