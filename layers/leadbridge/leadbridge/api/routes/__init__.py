"""The routes, one module per resource: GET /sync is in sync.py. leadbridge.api.router finds them here."""
