"""What the services need of the table, of partners and of messengers: every Protocol of the services."""
