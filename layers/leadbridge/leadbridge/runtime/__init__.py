"""Lambda and AWS: clients, SQS batches, time budget, warm-up, environment, logs and metrics."""
