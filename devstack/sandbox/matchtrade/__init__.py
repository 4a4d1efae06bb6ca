"""Match-Trade's API for lead providers, according to its document."""
