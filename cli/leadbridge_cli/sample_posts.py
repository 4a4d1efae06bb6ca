"""Read a sample of what a form builder posts: a body, or a sample event such as those in `events/`."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from leadbridge_cli.exit_codes import usage_error

if TYPE_CHECKING:
    from leadbridge.forms.base import Request
    from leadbridge.settings import Source

MAX_BYTES = 1_572_864  # an event with a body of 1 MiB in base64


@dataclass(frozen=True)
class SamplePost:
    """The adapter that reads a sample, and the form's fields in it."""

    adapter: str
    answers: Mapping[str, str]


def read_sample(raw: bytes, adapter: str | None = None) -> SamplePost:
    """Read a sample with an adapter, or with the one that its fields show. Raises Failure."""
    from leadbridge.forms.base import TooLarge, Unreadable, adapter_named, max_bytes_of

    if not raw.strip():
        raise usage_error("The sample is empty.")
    try:
        request = _request(raw)
        adapter = adapter or _adapter_of(request)
        if adapter in ("standard_webhooks", "meta"):
            return SamplePost(adapter, _without_mapping(adapter, request))
        if len(request.body) > max_bytes_of(adapter_named(adapter)):
            raise TooLarge
        submissions = adapter_named(adapter).parse(request, _source(adapter))
    except TooLarge:
        raise usage_error("The sample is larger than a post may be.") from None
    except Unreadable as reason:
        raise usage_error(f"The sample cannot be read: {reason}.") from None
    except ModuleNotFoundError:
        raise usage_error("Unknown adapter. config/sources.toml lists them.") from None
    if not submissions:
        raise usage_error("The sample is an event without a submission.")
    return SamplePost(adapter, submissions[0].answers)


def _request(raw: bytes) -> "Request":
    """Return the post: of a proxy event, or of a body whose type its first characters show."""
    from leadbridge.forms.base import Request, TooLarge

    if len(raw) > MAX_BYTES:
        raise TooLarge
    event = _object_in(raw)
    if "body" in event and isinstance(event.get("headers"), dict):
        return Request.of(event, MAX_BYTES)
    start = raw.lstrip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")
    if start[:1] in (b"{", b"["):
        return Request({"content-type": "application/json"}, {}, raw)
    if start.startswith(b"--"):
        boundary = start[2:].split(b"\n", 1)[0].strip().decode("ascii", "replace")
        return Request({"content-type": f'multipart/form-data; boundary="{boundary}"'}, {}, start)
    kind = "text/plain" if b"\n" in raw.strip() else "application/x-www-form-urlencoded"
    return Request({"content-type": kind}, {}, raw.strip() if kind.startswith("app") else raw)


def _adapter_of(request: "Request") -> str:
    """Return the adapter whose fields the sample has."""
    from leadbridge.forms.base import Unreadable
    from leadbridge.forms.parsing.bodies import read_fields, read_json

    content: Mapping[str, Any] = {}
    if request.content_type == "application/json":
        try:
            content = read_json(request)
        except Unreadable:
            content = {}
    match content:
        case {"form_response": dict()}:
            return "typeform"
        case {"user_column_data": list()}:
            return "google_ads"
        case {"data": {"fields": list()}}:
            return "tally"
        case {"payload": {"data": dict()}} | {"site": str(), "_id": str(), "data": dict()}:
            return "webflow"
        case {"field_data": list()} | {"object": "page"}:
            return "meta"
        case {"person": dict()}:
            return "standard_webhooks"
    if content:
        return "plain"
    names = read_fields(request)
    if "rawRequest" in names:
        return "jotform"
    if "tranid" in names or "formid" in names:
        return "tilda"
    if any(name.startswith("fields[") for name in names) or {"form_id", "form_name"} <= set(names):
        return "elementor"
    return "plain"


def _without_mapping(adapter: str, request: "Request") -> Mapping[str, str]:
    """Return the answers of a lead as Graph returns it; nothing for posts that need no table."""
    from leadbridge.forms.adapters import meta
    from leadbridge.forms.parsing.bodies import read_json

    return meta.read(read_json(request), {}, _source(adapter)).answers if adapter == "meta" else {}


def _source(adapter: str) -> "Source":
    from leadbridge.settings import Source

    return Source.model_validate({"adapter": adapter, "partners": ["a-partner"]})


def _object_in(raw: bytes) -> dict[str, Any]:
    try:
        content = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
