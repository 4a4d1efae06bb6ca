"""AWS in memory, behind botocore's clients."""
