"""The API of a MemoryStack as a WSGI application: requests become the gateway's events, answers return unchanged."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl, unquote

from quality.testkit.aws.memory_stack import PROBLEM, MemoryStack
from quality.testkit.template import resources
from quality.testkit.wiring import routes

GATEWAY_LIMIT = 10 * 1_048_576  # bytes that the real one lets through
BINARY = tuple(
    kind.replace("~1", "/") for kind in resources("AWS::Serverless::Api")["Api"]["Properties"]["BinaryMediaTypes"]
)

STAGE = "/" + resources("AWS::Serverless::Api")["Api"]["Properties"]["StageName"]

type Start = Callable[[str, list[tuple[str, str]]], object]


class MemoryGateway:
    """The API of `stack`, once it has one. `document` stands at /openapi.json, which the real one does not have."""

    stack: MemoryStack

    def __init__(self, document: dict[str, Any]) -> None:
        self._document = document
        self._routes = [(method, resource, pattern_of(resource)) for method, resource in routes()]

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        """Answer one request."""
        answer = self._answer(environ)
        headers = [(name, str(value)) for name, value in answer.get("headers", {}).items()]
        start(f"{answer['statusCode']} X", headers)
        return [answer.get("body", "").encode(errors="surrogatepass")]

    def _answer(self, environ: dict[str, Any]) -> dict[str, Any]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"].encode("latin-1").decode(errors="replace")
        if path == "/openapi.json":
            headers = {"Content-Type": "application/json"}
            return {"statusCode": 200, "headers": headers, "body": json.dumps(self._document)}
        found = [
            (resource, match)
            for known, resource, pattern in self._routes
            if known == method and (match := pattern.fullmatch(path.removeprefix(STAGE)))
        ]
        if not found:
            return refused(403, "Missing Authentication Token")
        resource, match = found[0]
        raw = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if len(raw) > GATEWAY_LIMIT:
            return refused(413, "Request Too Long")
        headers = headers_of(environ)
        is_binary = headers.get("Content-Type", "").partition(";")[0] in BINARY
        # AWS decodes a body that it takes for text; what is no UTF-8 is lost there too.
        body = base64.b64encode(raw).decode() if is_binary else raw.decode(errors="replace")
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        answer: dict[str, Any] = self.stack.ask(
            method,
            resource,
            body or None,
            headers=headers,
            pathParameters={name: unquote(value) for name, value in match.groupdict().items()} or None,
            queryStringParameters=query or None,
            isBase64Encoded=is_binary,
        )
        return answer


def pattern_of(resource: str) -> re.Pattern[str]:
    """What the paths of a resource look like."""
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(resource)))


def headers_of(environ: dict[str, Any]) -> dict[str, str]:
    """The request's headers, spelt as is usual."""
    named = {name.removeprefix("HTTP_"): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        named["CONTENT_TYPE"] = environ["CONTENT_TYPE"]
    return {name.replace("_", "-").title(): value for name, value in named.items()}


def refused(status: int, message: str) -> dict[str, Any]:
    """What the gateway says of itself."""
    return {"statusCode": status, "headers": {"Content-Type": PROBLEM}, "body": json.dumps({"message": message})}
