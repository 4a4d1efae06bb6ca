"""Parse the bodies of forms: URL-encoded, multipart, JSON or lines of text, in any common character set."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Any, Literal

from leadbridge.domain.fields.unicode_text import fold
from leadbridge.forms.base import Request, Unreadable
from leadbridge.forms.parsing import charsets
from leadbridge.forms.parsing.json_body import as_json_object, read_value
from leadbridge.forms.parsing.nested import MAX_FIELDS, MAX_LABEL, Fields, embedded_json, flatten, is_entry
from leadbridge.forms.parsing.percent import unquote

URLENCODED = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
JSON = "application/json"
TEXT = "text/plain"
WHOLE_TEXT = "text"  # the name of the one field of a text without fields
MAX_BRACKETS = 32  # in a name such as `a[b][c]`
JSON_TYPES = (JSON, "text/json")

_BOUNDARY = re.compile(r";\s*boundary\s*=\s*(?:\"([^\"]{1,200})\"|([^\s;\"]{1,200}))", re.IGNORECASE)
_CHARSET_FIELD = b"_charset_"  # a browser writes the form's character set into this field
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_BOM_AND_SPACE = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
_QUOTED_START = (b"%7b", b"%5b")  # an encoded { or [


def read_json(request: Request) -> dict[str, Any]:
    """Parse a JSON object, in the character set of the content type. Raises Unreadable.

    The body may also be a list of one object, or a text that contains the object.
    """
    value = read_json_value(request)
    if isinstance(value, str):
        value = embedded_json(value)
    return as_json_object(value[0] if isinstance(value, list) and len(value) == 1 else value)


def read_json_value(request: Request) -> Any:
    """Parse a JSON body of any type, in the character set of the content type. Raises Unreadable."""
    return read_value(charsets.as_utf_8(request.body, request.headers.get("content-type", "")))


def read_fields(
    request: Request, files: Literal["drop", "refuse"] = "drop", wanted: Collection[str] | None = None
) -> Fields:
    """Parse the form's fields, in any of the encodings. Raises Unreadable.

    The values of a repeated field, such as checkboxes, are joined by ", ". PHP's `[]` after their name is removed. A
    body of JSON or of URL-encoded fields is also read under the other's content type. With `wanted`, the folded names
    in the configuration, JSON in a field is read too (`nested.flatten`), and `a[b]` is `a.b` where that is wanted.
    """
    content = None if request.content_type == MULTIPART else _json_in(request)
    if content is not None:
        return _flatten_body(content, wanted or ())
    match request.content_type:
        case "multipart/form-data":
            fields = _joined(_multipart(request, files))
        case "text/plain" if b"=" not in request.body:
            fields = _joined(_prose(request))
        case "text/plain" if b"\n" in request.body.strip():
            fields = _joined(_text_lines(request))
        case _:
            fields = _joined(_urlencoded(request))
    return fields if wanted is None else _expanded(fields, wanted)


def _json_in(request: Request) -> Any:
    """Return the JSON of a body; None if the body has fields. Raises Unreadable for broken JSON under JSON's type."""
    start = request.body[:64].lstrip(_BOM_AND_SPACE)
    if request.content_type in JSON_TYPES:
        if start[:1] not in (b"{", b"[", b'"') and b"=" in request.body:
            return None
        if (content := read_json_value(request)) is None:
            raise Unreadable("the body is not a JSON object")
        return content
    if start[:1] in (b"{", b"["):
        with suppress(Unreadable):
            return read_json_value(request)
    if start[:3].lower() in _QUOTED_START or (start[:1] in (b"{", b"[") and b"%22" in request.body):
        with suppress(Unreadable):
            body = unquote(request.body.strip().removesuffix(b"=").replace(b"+", b" "))
            return read_json_value(replace(request, body=body))
    return None


def _flatten_body(content: Any, wanted: Collection[str]) -> Fields:
    if isinstance(content, str):
        content = embedded_json(content)
    if isinstance(content, list) and len(content) == 1 and not is_entry(content[0]):
        content = content[0]
    if not isinstance(content, dict | list) or content == []:
        raise Unreadable("the body is not a JSON object")
    return flatten(content, wanted)


def _expanded(fields: Fields, wanted: Collection[str]) -> Fields:
    """Return the fields with the members of those that contain JSON."""
    named: Fields = {}
    for name, text in fields.items():
        named.setdefault(_dotted(name, wanted), text)
    has_json = any(text.lstrip().startswith(("{", "[")) for text in named.values())
    return flatten(named, wanted) if has_json else named


def _dotted(name: str, wanted: Collection[str]) -> str:
    """Return `a.b` for `a[b]` if only that is in the configuration."""
    if not 0 < name.count("[") <= MAX_BRACKETS or len(name) > MAX_LABEL or fold(name) in wanted:
        return name
    dotted = _BRACKETS.sub(r".\1", name)
    return dotted if fold(dotted) in wanted else name


def _joined(pairs: Iterable[tuple[str, str]]) -> Fields:
    values: dict[str, list[str]] = {}
    for number, (name, value) in enumerate(pairs):
        if number >= MAX_FIELDS:
            raise Unreadable(f"the form has more than {MAX_FIELDS} fields")
        values.setdefault(name.removesuffix("[]"), []).append(value)
    return {name: ", ".join(filter(None, texts)) for name, texts in values.items()}


def _urlencoded(request: Request) -> Iterable[tuple[str, str]]:
    content_type = request.headers.get("content-type", "")
    body, charset = request.body, charsets.declared(content_type)
    if charsets.has_mark(body):
        body, charset = charsets.as_utf_8(body, content_type), charsets.UTF_8
    if charsets.is_wide(charset):  # percent-encoding is ASCII, so browsers encode such forms in UTF-8
        if b"\0" in body:
            body = charsets.decode(body, charset).encode(errors="surrogatepass")
        charset = charsets.UTF_8
    body = body.replace(b"+", b" ")
    parts = [part.partition(b"=") for part in body.split(b"&", MAX_FIELDS + 1) if part]
    return _decoded([(unquote(name), unquote(value), None) for name, _, value in parts], charset)


def _text_lines(request: Request) -> Iterable[tuple[str, str]]:
    """Parse HTML's encoding `text/plain`: one field a line, unescaped."""
    body = charsets.as_utf_8(request.body, request.headers.get("content-type", ""))
    pairs = (line.partition(b"=") for line in body.split(b"\n", MAX_FIELDS + 1) if line.strip())
    return _decoded([(name.strip(), value.strip(), None) for name, _, value in pairs], charsets.UTF_8)


def _prose(request: Request) -> Iterable[tuple[str, str]]:
    """Parse text without fields: one `label: value` a line, or else one field of the whole text."""
    text = charsets.as_utf_8(request.body, request.headers.get("content-type", "")).decode(errors="replace").strip()
    lines = [line.partition(": ") for line in text.split("\n", MAX_FIELDS + 1) if line.strip()]
    if lines and all(label.strip() and value.strip() for label, _, value in lines):
        return [(label.strip(), value.strip()) for label, _, value in lines]
    return [(WHOLE_TEXT, text)] if text else []


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
