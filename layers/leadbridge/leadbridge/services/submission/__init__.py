"""What a submission uses: the circuit of its partner."""
