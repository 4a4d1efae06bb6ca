"""Chaos in one process: AWS in memory, a clock that jumps, workers that are killed or frozen at any of their steps."""
