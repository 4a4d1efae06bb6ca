"""What a partner reports about a delivery: statuses, and the outcomes to which the configuration maps them."""
