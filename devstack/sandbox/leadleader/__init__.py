"""Lead Leader's partner API, according to its document and its example."""
