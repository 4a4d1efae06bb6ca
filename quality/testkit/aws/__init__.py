"""AWS for tests: the stack in one process, recorded calls, permissions."""
