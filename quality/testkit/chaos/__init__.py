"""A lead's records that reconcile, and what an erasure leaves of them."""
