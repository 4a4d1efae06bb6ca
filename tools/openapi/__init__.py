"""The API's outside as an OpenAPI document, made of the code's own models: `make openapi` writes docs/openapi.json."""
