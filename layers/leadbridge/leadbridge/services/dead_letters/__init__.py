"""Dead letters: write, list, redrive, discard."""
