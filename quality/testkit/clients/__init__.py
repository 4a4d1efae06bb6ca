"""Partner clients against the sandbox, and their fault matrices."""
