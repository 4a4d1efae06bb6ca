"""What every function needs from Lambda and AWS: clients, batches, time budget, warm-up, logs and metrics."""
