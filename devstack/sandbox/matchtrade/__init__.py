"""Match-Trade's API for lead providers, as its document describes it."""
