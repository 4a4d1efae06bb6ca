"""The inbox of operators: read its groups, mark a group, retry a group."""
