"""Fakes, a stack in memory and wiring that tests, chaos and benchmarks share."""
