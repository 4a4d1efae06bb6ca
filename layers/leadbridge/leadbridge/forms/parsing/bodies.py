"""Parse the bodies of forms: URL-encoded, multipart or JSON, in any common character set."""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import unquote_to_bytes

from leadbridge.forms.base import Request, Unreadable
from leadbridge.forms.parsing import charsets
from leadbridge.forms.parsing.json_body import read_object

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
MAX_FIELDS = 1000
MAX_PREFIX = 1000  # characters of an outer name, which each inner name repeats

Fields = dict[str, str]

_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_CHARSET_FIELD = b"_charset_"  # a browser writes the form's character set into this field


def read_json(request: Request) -> dict[str, Any]:
    """Parse a JSON object, in the character set of the content type. Raises Unreadable."""
    charset = charsets.declared(request.headers.get("content-type", ""))
    if charset == charsets.UTF_8:
        return read_object(request.body)
    return read_object(charsets.decode(request.body, charset).encode(errors="surrogatepass"))


def read_fields(request: Request, files: Literal["drop", "refuse"] = "drop") -> Fields:
    """Parse the form's fields, in any of the three encodings. Raises Unreadable.

    The values of a repeated field, such as checkboxes, are joined by ", ". PHP's `[]` after their name is removed.
    """
    match request.content_type:
        case "application/json":
            return flattened(read_json(request))
        case "multipart/form-data":
            return _joined(_multipart(request, files))
        case _:
            return _joined(_urlencoded(request))


def flattened(content: dict[str, Any]) -> Fields:
    """Return JSON as fields: scalars as text, lists joined, fields of an object as `name.field`."""
    return _joined(_flat(content))


def inside(name: str, key: str) -> str:
    """Return the name of a field inside another one. Long outer names are truncated."""
    return f"{name[:MAX_PREFIX]}.{key}"


def as_text(value: object) -> str:
    """Return a JSON value as text: empty for null and objects, lists of scalars joined by ", "."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | Decimal():
            return str(value)
        case list():
            return ", ".join(filter(None, (as_text(one) for one in value if not isinstance(one, list))))
        case _:
            return ""


def _flat(content: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for name, value in content.items():
        if isinstance(value, dict) and value:
            for key, one in value.items():
                yield inside(name, key), as_text(one)
        else:
            yield name, as_text(value)


def _joined(pairs: Iterable[tuple[str, str]]) -> Fields:
    values: dict[str, list[str]] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= MAX_FIELDS:
            raise Unreadable(f"the form has more than {MAX_FIELDS} fields")
        values.setdefault(name.removesuffix("[]"), []).append(value)
    return {name: ", ".join(filter(None, texts)) for name, texts in values.items()}


def _urlencoded(request: Request) -> Iterable[tuple[str, str]]:
    body, charset = request.body, charsets.declared(request.headers.get("content-type", ""))
    if charsets.is_wide(charset):  # percent-encoding is ASCII, so browsers encode such forms in UTF-8
        if b"\0" in body:
            body = charsets.decode(body, charset).encode(errors="surrogatepass")
        charset = charsets.UTF_8
    body = body.replace(b"+", b" ")
    parts = [part.partition(b"=") for part in body.split(b"&", MAX_FIELDS + 1) if part]
    return _decoded([(unquote_to_bytes(name), unquote_to_bytes(value), None) for name, _, value in parts], charset)


def _multipart(request: Request, files: Literal["drop", "refuse"]) -> Iterable[tuple[str, str]]:
    from multipart import MultipartError, PushMultipartParser

    content_type = request.headers.get("content-type", "")
    boundary = _BOUNDARY.search(content_type)
    if boundary is None:
        raise Unreadable("the multipart body has no boundary")
    raw: list[tuple[bytes, bytes, str | None]] = []
    try:
        # Names are in the form's character set, which is not known yet. latin-1 keeps all bytes.
        with PushMultipartParser(
            (boundary[1] or boundary[2]).encode(), max_segment_count=MAX_FIELDS, header_charset="latin-1"
        ) as parser:
            part, content = None, bytearray()
            for event in parser.parse(request.body):
                if isinstance(event, bytes | bytearray):
                    content += event
                elif event is not None:
                    part, content = event, bytearray()
                elif part is not None and part.filename is None:
                    raw.append(((part.name or "").encode("latin-1"), bytes(content), part.charset))
                elif part is not None and (part.filename or content) and files == "refuse":
                    raise Unreadable("the form contains files, and this source does not accept files")
    except (MultipartError, UnicodeError):
        raise Unreadable("the body is not multipart, or has too many parts") from None
    return _decoded(raw, charsets.declared(content_type))


def _decoded(raw: list[tuple[bytes, bytes, str | None]], charset: str) -> Iterable[tuple[str, str]]:
    declared = next((value for name, value, _ in raw if name == _CHARSET_FIELD and value), None)
    if declared is not None:
        charset = charsets.known(declared.decode("latin-1").strip())
    names = charsets.UTF_8 if charsets.is_wide(charset) else charset
    for name, value, own in raw:
        if name != _CHARSET_FIELD:
            yield charsets.decode(name, names), charsets.decode(value, charsets.known(own) if own else charset)
