"""`sam local` against the local stack, in Docker."""
