"""What a lead is, the states of its deliveries, where it is stored, and what is announced about it."""
