"""How a lead is accepted: built from a post, kept as incomplete, corrected by an operator."""
