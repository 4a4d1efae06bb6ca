"""The operators' API, called through its handler."""

from quality.testkit.operator_api import get

__all__ = ["get"]
