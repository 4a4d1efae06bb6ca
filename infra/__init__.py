"""Everything around the stack: deployment roles, stack policy, checks of a deployment, recovery."""
