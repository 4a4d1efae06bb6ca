"""Reading a post with an adapter alone, for the tests of what each builder sends."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from leadbridge.forms.base import Request, Submission, adapter_named
from leadbridge.settings import Source

JSON, URLENCODED = "application/json", "application/x-www-form-urlencoded"


def source(adapter: str, **changed: Any) -> Source:
    """A source of one adapter, with these settings."""
    return Source.model_validate({"adapter": adapter, "partners": ["leadleader"], **changed})


def request(body: Any, content_type: str = "", **headers: str) -> Request:
    """A post: a dictionary or a list of pairs as a form, if that is the content type, else as JSON."""
    kind = content_type or JSON
    if isinstance(body, bytes):
        raw = body
    elif kind.startswith(URLENCODED):
        raw = urlencode(body).encode()
    else:
        raw = json.dumps(body, ensure_ascii=False).encode()
    return Request({"content-type": kind, **headers}, {}, raw)


def multipart(pairs: Sequence[tuple[str, str | bytes]], *, boundary: str = "b", more: str = "") -> Request:
    """A multipart post; `more` stands behind the content type."""
    body = b""
    for name, value in pairs:
        raw = value if isinstance(value, bytes) else value.encode()
        body += f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode() + raw + b"\r\n"
    kind = f"multipart/form-data; boundary={boundary}{more}"
    return Request({"content-type": kind}, {}, body + f"--{boundary}--\r\n".encode())


def read(adapter: str, post: Request, **changed: Any) -> Submission:
    """The one submission that a post holds."""
    (submission,) = adapter_named(adapter).parse(post, source(adapter, **changed))
    return submission
