"""Attribute values are what boto3's own serializer makes of the same Python values, and come back as they were."""

from decimal import Decimal, DecimalException
from typing import Any

import pytest
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.storage.attributes import deserialize, serialize

exact = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**16), max_value=10**16, places=4)
scalars = st.none() | st.booleans() | st.text() | st.integers(-(10**37), 10**37) | exact
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_they_are_those_of_boto3(value: Any) -> None:
    assert serialize(value) == TypeSerializer().serialize(value)
    assert deserialize(serialize(value)) == TypeDeserializer().deserialize(TypeSerializer().serialize(value))


@given(values)
def test_what_is_kept_comes_back(value: Any) -> None:
    assert deserialize(serialize(value)) == value


def test_a_tuple_comes_back_as_a_list() -> None:
    assert deserialize(serialize(("a", 1))) == ["a", Decimal(1)]


@pytest.mark.parametrize("value", [1.5, {1, 2}, b"bytes", object(), Decimal("NaN"), Decimal("Infinity")])
def test_what_cannot_be_kept_exactly_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match=r"cannot be stored in the table$"):
        serialize(value)


@pytest.mark.parametrize("number", [Decimal("1E+130"), Decimal("1E-170"), Decimal("1." + "1" * 38)])
def test_a_number_that_would_be_rounded_is_refused(number: Decimal) -> None:
    with pytest.raises(DecimalException):
        serialize(number)


def test_a_kind_that_is_not_kept_here_is_refused() -> None:
    with pytest.raises(TypeError, match=r"^the table holds no values of the type SS$"):
        deserialize({"SS": ["a"]})
