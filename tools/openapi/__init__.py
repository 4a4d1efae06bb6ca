"""The OpenAPI document, generated from the routes' types: `make openapi` writes docs/openapi.json."""
