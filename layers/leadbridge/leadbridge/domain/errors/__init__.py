"""What can go wrong: with a partner, with a secret, with a field; and the codes that are stored for it."""
