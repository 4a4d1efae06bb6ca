"""Routing of leads to partners: the rules of a source, and the next partner after an outcome."""
