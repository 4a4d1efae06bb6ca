"""The tests of the forms share one desk."""

from tests.unit.forms.desk import reception

__all__ = ["reception"]
