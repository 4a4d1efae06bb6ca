"""Percent-decoding gives what the standard library gives, in less time."""

from urllib.parse import unquote_to_bytes

from hypothesis import given
from hypothesis import strategies as st

from leadbridge.forms.parsing.percent import unquote, unquote_text

PIECES = st.sampled_from([b"%", b"%4", b"%41", b"%d0%9f", b"%zz", b"%%41", b"a", b"=", b"\xff", b"%C3%28", b"+"])


@given(st.binary(max_size=60) | st.lists(PIECES, max_size=20).map(b"".join))
def test_bytes_are_decoded_as_by_the_standard_library(raw: bytes) -> None:
    assert unquote(raw) == unquote_to_bytes(raw)


def test_text_is_decoded_as_utf_8() -> None:
    assert unquote_text("%D0%9F%20%") == "П %"
    assert unquote_text("%ff\ud800") == "\ufffd?"
    assert unquote_text("no escapes \ud800") == "no escapes \ud800"
