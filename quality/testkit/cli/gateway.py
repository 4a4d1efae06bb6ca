"""The gateway in this process: HTTP on one side, the real handlers on the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import ModuleType
from typing import Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from leadbridge.domain.clock import utc_now
from quality.testkit.fixtures import TABLE, Context
from quality.testkit.statistics import count_all
from quality.testkit.wiring import routes

ARN = "arn:aws:execute-api:eu-central-1:123456789012:api/v1/GET/leads"
STAGE = "/v1"


class Gateway(ThreadingHTTPServer):
    """Serves while the block runs. `before` is called before each operator's request is handled.

    `canned` is answered instead of what the handler says: a status, a body, its content type.
    """

    daemon_threads = True

    def __init__(self, authorize: ModuleType, manage: ModuleType, receive: ModuleType) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.authorize, self.manage, self.receive = authorize, manage, receive
        self.before: Callable[[], None] = lambda: None
        self.canned: tuple[int, bytes, str] | None = None
        self.asked: list[tuple[str, str]] = []

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.server_address[1]}{STAGE}"

    def __enter__(self) -> Self:
        Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()

    def answer(self, method: str, target: str, header: str | None, body: str | None) -> dict[str, Any]:
        """What the deployed gateway would answer, as a proxy response."""
        self.asked.append((method, target))
        event = {"type": "TOKEN", "methodArn": ARN, "authorizationToken": header}
        allowed = self.authorize.handler(event, Context())
        if allowed["policyDocument"]["Statement"][0]["Effect"] == "Deny":
            return {"statusCode": 401, "body": '{"message": "Unauthorized"}'}
        parts = urlsplit(target)
        resource, named = _resource(method, parts.path.removeprefix(STAGE))
        if resource is None:
            return {"statusCode": 403, "body": '{"message": "Missing Authentication Token"}'}
        self.before()
        if self.canned is not None:
            status, raw, kind = self.canned
            return {"statusCode": status, "body": raw, "headers": {"Content-Type": kind, "Location": "/v1/leads"}}
        if resource in {"/stats", "/sources"}:  # no stream brings the changes
            count_all(TABLE, utc_now())
        function = self.receive if resource == "/sources/{source}/test" else self.manage
        answer: dict[str, Any] = function.handler(
            {
                "httpMethod": method,
                "resource": resource,
                "pathParameters": named or None,
                "queryStringParameters": dict(parse_qsl(parts.query)) or None,
                "requestContext": {"authorizer": {"operator": allowed["principalId"]}},
                "body": body,
            },
            Context(),
        )
        return answer


def _resource(method: str, path: str) -> tuple[str | None, dict[str, str]]:
    for known, resource in routes():
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", resource)
        if known == method and (found := re.fullmatch(pattern, path)):
            return resource, {name: unquote(value) for name, value in found.groupdict().items()}
    return None, {}


class _Handler(BaseHTTPRequestHandler):
    server: Gateway

    def _handle(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length).decode() if length else None
        answer = self.server.answer(self.command, self.path, self.headers.get("Authorization"), body)
        raw = answer["body"] if isinstance(answer["body"], bytes) else answer["body"].encode()
        self.send_response(answer["statusCode"])
        for name, value in answer.get("headers", {}).items():
            self.send_header(name, value)
        if answer["statusCode"] != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - http.server's own names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


def problem(status: int, detail: str) -> tuple[int, bytes, str]:
    """A canned problem."""
    return status, json.dumps({"status": status, "detail": detail}).encode(), "application/problem+json"
