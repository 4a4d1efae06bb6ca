"""The OpenAPI document, made of the routes' own types: `make openapi` writes docs/openapi.json."""
