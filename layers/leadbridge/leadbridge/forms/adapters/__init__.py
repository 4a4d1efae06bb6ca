"""The adapters, one module per form builder."""
