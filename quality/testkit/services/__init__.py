"""Workers in a world that a test controls."""
