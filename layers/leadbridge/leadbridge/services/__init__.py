"""The flows, one module each. They reach AWS and partners through the ports only."""
