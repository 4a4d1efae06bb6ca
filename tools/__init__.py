"""Tools of the build and of maintainers: configuration compiler, OpenAPI document, diagrams, audit."""
