"""Everything goes wrong at once, and afterwards the books are balanced: `make chaos`, docs/reliability.md."""
