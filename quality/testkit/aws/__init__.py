"""AWS for tests: moto, recorded calls, permissions."""
