"""Parsing requests: the encoding, and the fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl

from multidict import MultiMapping

from devstack.sandbox.leeloo.fields import Check, Fields, errors_of_ids, errors_of_query
from devstack.sandbox.leeloo.refusals import Refusal, Wrong, malformed
from devstack.sandbox.partner import Answer, Incoming

FORM_FIELDS_AT_MOST = 100
TAGS = "filter[tags]"
REPEATABLE = frozenset({TAGS})


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid request: ids of the path, the query, the fields of the body."""

    params: Mapping[str, str]
    query: MultiMapping[str]
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Route:
    """One of the thirty: its path below the base URL, what it takes, and how it is answered.

    `answer` may raise `Refusal`. `forms`: it takes form-data and urlencoded bodies beside JSON.
    """

    operation: str
    method: str
    path: str
    answer: Callable[[Asked], Answer]
    query: Mapping[str, Check] = field(default_factory=dict)
    body: Fields | None = None
    forms: bool = False

    def asked(self, incoming: Incoming) -> Asked:
        """Parse a request. Raises `Refusal` with all errors."""
        body = {} if self.body is None else body_of(incoming, forms=self.forms)
        errors = {
            **errors_of_ids(incoming.params),
            **errors_of_query(incoming.query.items(), self.query, REPEATABLE),
            **({} if self.body is None else self.body.errors(body)),
        }
        if errors:
            raise Refusal(400, errors)
        return Asked(incoming.params, incoming.query, body)


def body_of(incoming: Incoming, *, forms: bool) -> dict[str, Any]:
    """The fields of a body. Raises `Refusal` for a wrong or malformed encoding."""
    match incoming.content_type:
        case "application/json" if isinstance(incoming.json, dict):
            return incoming.json
        case "application/x-www-form-urlencoded" if forms:
            return _fields(_urlencoded(incoming.raw))
        case "multipart/form-data" if forms:
            return _fields(_multipart(incoming))
        case "application/json":
            raise malformed(body=Wrong.WRONG_FORMAT)
        case _:
            raise Refusal(415, {"Content-Type": Wrong.WRONG_FORMAT})


def _urlencoded(raw: bytes) -> list[tuple[str, str]]:
    try:
        return parse_qsl(
            raw.decode(),
            keep_blank_values=True,
            strict_parsing=bool(raw),
            errors="strict",
            max_num_fields=FORM_FIELDS_AT_MOST,
        )
    except ValueError as error:
        raise malformed(body=Wrong.WRONG_FORMAT) from error


def _multipart(incoming: Incoming) -> list[tuple[str, str]]:
    """Name and text of each part. Files are refused."""
    head = f"Content-Type: {incoming.headers['Content-Type']}\r\n\r\n"
    message = message_from_bytes(head.encode() + incoming.raw, policy=HTTP)
    if not message.is_multipart() or message.defects:
        raise malformed(body=Wrong.WRONG_FORMAT)
    return [_part(part) for part in message.iter_parts()]


def _part(part: Any) -> tuple[str, str]:
    name, content = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
    try:
        if isinstance(name, str) and isinstance(content, bytes) and part.get_filename() is None and not part.defects:
            return name, content.decode()
    except UnicodeError:
        pass
    raise malformed(body=Wrong.WRONG_FORMAT)


def _fields(pairs: list[tuple[str, str]]) -> dict[str, str]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise Refusal(400, {name: Wrong.WRONG_FORMAT for name in names if names.count(name) > 1})
    return fields
