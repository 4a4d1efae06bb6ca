"""The partners' APIs as one local server: strict to their contracts, with state, and with faults on demand."""
