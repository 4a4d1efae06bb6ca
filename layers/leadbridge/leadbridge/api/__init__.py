"""The operators' API: routes, parameters, schemas, problem details."""
