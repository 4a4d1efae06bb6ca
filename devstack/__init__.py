"""The local AWS: an emulator, the partner sandbox and the deployed template."""
