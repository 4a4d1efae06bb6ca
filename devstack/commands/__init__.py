"""The developer's commands against the local stack."""
