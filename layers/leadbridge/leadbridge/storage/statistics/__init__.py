"""Statistics in the table: counters, and what of each lead is counted."""
