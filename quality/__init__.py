"""What proves the product: benchmarks, chaos runs, and the testkit that they share with the tests."""
