"""JSON as forms may send it: exact, and nothing that a parser chokes on."""

import json
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from leadbridge.forms.base import Unreadable
from leadbridge.forms.parsing.json_body import read_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4), st.booleans())
def test_an_object_is_read_as_it_was_written(value: dict[str, Any], ascii_only: bool) -> None:
    assert read_object(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=200) | st.text(alphabet='{}[]":,0123456789eE+-.\\utrufalsn \ud800', max_size=60))
def test_rubbish_is_unreadable_and_nothing_else(body: bytes | str) -> None:
    raw = body if isinstance(body, bytes) else body.encode(errors="surrogatepass")
    with suppress(Unreadable):
        assert isinstance(read_object(raw), dict)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2))
def test_numbers_with_a_point_are_exact(number: Decimal) -> None:
    assert read_object(f'{{"n": {number:f}}}'.encode())["n"].as_tuple() == number.as_tuple()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"a": 1, "a": 1}', id="the same key twice"),
        pytest.param(b'{"a": {"b": 1, "\\u0062": 2}}', id="the same key twice, escaped, inside"),
        pytest.param(b'{"a": [{"b": 1, "b": 1}]}', id="the same key twice, in a list"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": Infinity}', id="Infinity"),
        pytest.param(b'{"a": -Infinity}', id="-Infinity"),
        pytest.param(b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", id="a bottomless list"),
        pytest.param(b'{"a": ' * 40_000 + b"1" + b"}" * 40_000, id="a bottomless object"),
        pytest.param(b"[" * 200_000, id="a bottomless list that never ends"),
        pytest.param(b'{"a": 1e99999999999999999999}', id="an exponent beyond all bounds"),
        pytest.param(b'{"a": 1e-99999999999999999999}', id="a fraction beyond all bounds"),
        pytest.param(b'{"a": "\xff"}', id="not UTF-8"),
        pytest.param(b'{"a": "\xed\xa0\x80"}', id="a surrogate in UTF-8"),
        pytest.param('{"a": 1}'.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xef\xbb\xbf\xef\xbb\xbf{}", id="two byte order marks"),
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00", id="a zero byte"),
        pytest.param(b"[]", id="a list"),
        pytest.param(b'"text"', id="a text"),
        pytest.param(b"1", id="a number"),
        pytest.param(b"null", id="null"),
        pytest.param(b"{} {}", id="two objects"),
        pytest.param(b"{'a': 1}", id="single quotes"),
        pytest.param(b'{"a": 1,}', id="a comma too many"),
        pytest.param(b'{"a": 01}', id="a leading zero"),
        pytest.param(b'{"a": "\n"}', id="a bare line break in a text"),
    ],
)
def test_what_is_no_json_object_is_unreadable(body: bytes) -> None:
    with pytest.raises(Unreadable):
        read_object(body)


def test_an_unreadable_body_is_not_quoted() -> None:
    with pytest.raises(Unreadable) as caught:
        read_object(b'{"person": {"phone": "0501234567"}, "person": 1, 0501234567}')
    assert "0501234567" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_byte_order_mark_does_no_harm() -> None:
    assert read_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


@pytest.mark.parametrize("digits", [10_000, 200_000])
def test_endless_integers_are_kept_exactly(digits: int) -> None:
    number = read_object(b'{"a": ' + b"7" * digits + b"}")["a"]
    assert number.as_tuple().digits == (7,) * digits
