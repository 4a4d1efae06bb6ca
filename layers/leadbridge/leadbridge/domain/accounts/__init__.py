"""A partner's accounts: what is stored of one, which lead it belongs to, and how the partner's list is scanned."""
