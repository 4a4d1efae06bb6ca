"""The part of a source's configuration that says which web pages may post to it, and where their visitors go then."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, StrictStr

ANY_PORT = ":*"  # of one's own machine, where pages are served on free ports

_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_PORT = r"(?::[1-9][0-9]{0,4})?"
_SITE = rf"https://{_LABEL}(?:\.{_LABEL})*{_PORT}"
_OWN_MACHINE = rf"http://(?:127\.0\.0\.1|localhost)(?:{_PORT}|:\*)"
_PATH = r"(?:[/?#][!#-)+-;=?-\[\]_a-z~]*)?"
_OWN = re.compile(rf"{_OWN_MACHINE}{_PATH}")
_USUAL_PORT = re.compile(r"https://[^/:]*:443(?:[/?#].*)?|http://[^/:]*:80(?:[/?#].*)?")


def is_on_own_machine(address: str) -> bool:
    """Whether an address or an origin is of one's own machine: plain http is all right there, and any port."""
    return _OWN.fullmatch(address) is not None


def _origin(text: str) -> str:
    if text == "null":
        raise ValueError('"null" is the origin of anybody who hides theirs, and cannot be allowed')
    _without_the_usual_port(text)
    if not re.fullmatch(f"{_SITE}|{_OWN_MACHINE}", text):
        raise ValueError(
            'an origin looks like "https://example.com", exactly as browsers write it: https, small letters, no path, '
            "no slash at its end, no *, and names in other letters as xn--…"
        )
    return text


def _page(text: str) -> str:
    _without_the_usual_port(text)
    if not re.fullmatch(f"(?:{_SITE}|{_OWN_MACHINE}){_PATH}", text):
        raise ValueError(
            'a page\'s address looks like "https://example.com/thanks": https, the site in small letters, and all else '
            "that is not a plain letter or digit written with % signs"
        )
    return text


def _without_the_usual_port(text: str) -> None:
    if _USUAL_PORT.fullmatch(text):
        raise ValueError("browsers leave out the port that is usual anyway (443 for https): leave it out too")


Origin = Annotated[StrictStr, AfterValidator(_origin)]
Page = Annotated[StrictStr, AfterValidator(_page)]
