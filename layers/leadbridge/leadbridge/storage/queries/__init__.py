"""Lists and counts that are read from the table's indexes."""
