"""What the build and the maintainers run: configuration compiler, OpenAPI document, diagrams, audit."""
