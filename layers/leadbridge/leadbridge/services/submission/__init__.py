"""What a submission uses: the circuit of its partner, and the recording of results."""
