"""Measurements, each taken as ratios within one run: `make bench`."""
