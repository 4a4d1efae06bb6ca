"""Fakes, a moto stack and wiring that tests, chaos and benchmarks share."""
