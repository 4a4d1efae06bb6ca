"""The template's API in this process: the real handlers behind a small HTTP server that answers as the gateway does."""

import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from leadbridge.domain.clock import utc_now
from quality.testkit.fixtures import TABLE
from quality.testkit.statistics import count_all
from quality.testkit.template import resources

STAGE = "/_aws/execute-api/a1b2c3d4e5/v1"  # the longest way there is before a route
BLANK = "/blank"  # an empty page at the console's origin
API = resources("AWS::Serverless::Api")["Api"]["Properties"]
MIN_COMPRESSED = API["MinimumCompressionSize"]  # bytes
BINARY = tuple(kind.replace("~1", "/") for kind in API["BinaryMediaTypes"])
FUNCTIONS = {"ManageLeads": "manage_leads", "ServeConsole": "serve_console", "ReceiveLead": "receive_lead"}
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Route:
    """A route of the template."""

    method: str
    resource: str
    flow: str
    is_open: bool

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path of this route looks like."""
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.resource)))


@cache
def routes() -> list[Route]:
    """The routes of the functions that the console needs."""
    found = []
    for function, flow in FUNCTIONS.items():
        for event in resources("AWS::Serverless::Function")[function]["Properties"]["Events"].values():
            wanted = event["Properties"]
            found.append(Route(wanted["Method"], wanted["Path"], flow, "Auth" not in wanted))
    return found


@dataclass
class Call:
    """A request as it was answered, with the reads of the table that it cost: each one's name and capacity units."""

    method: str
    path: str
    query: dict[str, str]
    status: int
    body: str
    headers: dict[str, str]
    reads: list[tuple[str, float]] = field(default_factory=list)


@dataclass
class Gateway:
    """Answers requests by the handlers, one at a time. `tokens` are the operators' by name; `calls` is what came."""

    handlers: dict[str, Handler]
    context: Any
    tokens: dict[str, str]
    calls: list[Call] = field(default_factory=list)
    reads: list[tuple[str, float]] = field(default_factory=list)
    on_call: list[Callable[[str, str], None]] = field(default_factory=list)
    lock: Lock = field(default_factory=Lock)
    url: str = ""

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Call:
        """What is answered to one request."""
        parts = urlsplit(target)
        path, query = parts.path.removeprefix(STAGE), dict(parse_qsl(parts.query))
        with self.lock:
            for notify in list(self.on_call):
                notify(method, path)
            if path in {"/stats", "/sources", "/inbox"}:  # no stream brings the changes
                count_all(TABLE, utc_now())
            self.reads.clear()
            said = self._said(method, path, query, headers, body)
            call = Call(method, path, query, said["statusCode"], said["body"], said["headers"], list(self.reads))
            self.calls.append(call)
            return call

    def _said(self, method: str, path: str, query: dict[str, str], headers: dict[str, str], body: str) -> Any:
        for route in routes():
            match = route.pattern.fullmatch(path)
            if match is None or method != route.method:
                continue
            operator = self._operator(headers.get("authorization", ""))
            is_binary = headers.get("content-type", "").partition(";")[0] in BINARY
            if operator is None and not route.is_open:
                return {"statusCode": 401, "headers": {"Content-Type": "application/problem+json"}, "body": "{}"}
            event = {
                "httpMethod": method,
                "resource": route.resource,
                "path": path,
                "headers": headers,
                "pathParameters": {name: unquote(value) for name, value in match.groupdict().items()} or None,
                "queryStringParameters": query or None,
                "requestContext": {"authorizer": {"operator": operator}},
                "body": (base64.b64encode(body.encode()).decode() if is_binary else body) or None,
                "isBase64Encoded": is_binary,
            }
            return self.handlers[route.flow](event, self.context)
        message = json.dumps({"message": "Missing Authentication Token"})
        return {"statusCode": 403, "headers": {"Content-Type": "application/json"}, "body": message}

    def _operator(self, header: str) -> str | None:
        token = header.removeprefix("Bearer ")
        return next((name for name, known in self.tokens.items() if known == token), None)


@dataclass
class Server:
    """The address at which a browser finds the present gateway. A browser that stays keeps the files it has cached."""

    url: str = ""
    gateway: Gateway | None = None

    def answer(self, method: str, target: str, headers: dict[str, str], body: str) -> Call:
        """What is answered to one request: 503 without a gateway."""
        if target == STAGE + BLANK:
            return Call(method, target, {}, 200, "", {"Content-Type": "text/html", "Cache-Control": "no-store"})
        if self.gateway is None:
            return Call(method, target, {}, 503, "", {})
        return self.gateway.answer(method, target, headers, body)

    @contextmanager
    def showing(self, gateway: Gateway) -> Iterator[Gateway]:
        """Let a gateway answer while the block runs."""
        self.gateway, gateway.url = gateway, self.url
        try:
            yield gateway
        finally:
            with gateway.lock:
                self.gateway = None


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of this machine. Without a gateway it answers 503."""
    shown = Server()

    class Requests(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            call = shown.answer(self.command, self.path, headers, body)
            raw = call.body.encode()
            self.send_response(call.status)
            for name, value in call.headers.items():
                self.send_header(name, value)
            if len(raw) >= MIN_COMPRESSED and "gzip" in headers.get("accept-encoding", ""):
                raw = gzip.compress(raw, 6)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            with suppress(ConnectionError):  # the page may be gone
                self.wfile.write(raw)

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            """Nothing: a test says what went wrong."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    shown.url = f"http://127.0.0.1:{server.server_port}{STAGE}"
    try:
        yield shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
