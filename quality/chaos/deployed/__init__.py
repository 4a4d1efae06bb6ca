"""Chaos over the deployed stack: real functions on the emulator, real partners over HTTP, real processes that die."""
