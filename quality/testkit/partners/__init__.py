"""Partner transports that send nothing."""
