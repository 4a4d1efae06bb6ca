"""What is needed around the stack: who may deploy it, what it must never lose, how the table is put back."""
