"""Everything goes wrong at once, and afterwards the snapshot are balanced: `make chaos`, docs/reliability.md."""
