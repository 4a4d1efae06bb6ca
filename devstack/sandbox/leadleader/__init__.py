"""Lead Leader's partner API, as its document and its worked example describe it."""
