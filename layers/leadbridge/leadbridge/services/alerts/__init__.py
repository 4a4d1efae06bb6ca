"""The flow that alerts operators, its texts, and the daily digest."""
