"""What a lead, a delivery, a message, a fetch and a partner account are: no AWS, no configuration files."""
