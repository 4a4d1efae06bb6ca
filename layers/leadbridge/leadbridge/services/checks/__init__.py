"""The checks of deals' statuses: which are due, and how partners are asked."""
