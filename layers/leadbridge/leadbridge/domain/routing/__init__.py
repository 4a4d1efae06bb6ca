"""Routing of leads to partners: the rules of a source, caps and hours, and the next partner after an outcome."""
