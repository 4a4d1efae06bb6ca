"""Fixtures of the form tests."""

from quality.testkit.forms.receiver import endpoint

__all__ = ["endpoint"]
