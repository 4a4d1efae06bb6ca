"""Chaos in one process: moto for AWS, a clock that jumps, workers that are killed or frozen at any of their steps."""
