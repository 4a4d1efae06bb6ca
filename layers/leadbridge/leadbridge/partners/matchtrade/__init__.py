"""Match-Trade, a broker's platform: tokens by password, accounts made for leads, and the list of all accounts."""
