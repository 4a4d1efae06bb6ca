"""The form page in a real browser: the page on one port, the real handler of receive_lead behind another."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import parse_qsl, urlsplit

from playwright.sync_api import Page

from devstack.commands.samples import SOURCE_OF_PAGE as SOURCE
from devstack.commands.samples import page_server
from leadbridge.settings import Settings, Source
from quality.testkit.forms.receiver import Endpoint, configured, opened, secrets_of

PATIENCE = 30_000  # milliseconds


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[int]:
    """Run a server for as long as the block lasts; its port."""
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class Gateway:
    """Hands HTTP requests to the handler as API Gateway does; keeps what was asked and answered."""

    endpoint: Endpoint
    seen: list[tuple[str, int]]

    def server(self) -> ThreadingHTTPServer:
        """A server of its own on a free port."""
        gateway, lock = self, Lock()

        class Proxy(BaseHTTPRequestHandler):
            def answer(self) -> None:
                address = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                event = {
                    "httpMethod": self.command,
                    "pathParameters": {"source": address.path.rpartition("/")[2]},
                    "headers": dict(self.headers.items()),
                    "queryStringParameters": dict(parse_qsl(address.query)) or None,
                    "body": self.rfile.read(length).decode(),
                    "isBase64Encoded": False,
                }
                with lock:
                    response = gateway.endpoint.respond(event)
                    gateway.seen.append((self.command, response["statusCode"]))
                body = response["body"].encode()
                self.send_response(response["statusCode"])
                for name, value in response["headers"].items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            do_POST = do_OPTIONS = answer  # noqa: N815

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return ThreadingHTTPServer(("127.0.0.1", 0), Proxy)


@dataclass
class FormPage:
    """The served page, and the results of its posts."""

    address: str
    action: str
    gateway: Gateway

    @property
    def foreign(self) -> str:
        """The same page at a site that may not post."""
        return self.address.replace("127.0.0.1", "localhost")

    @property
    def leads(self) -> int:
        """How many leads are kept."""
        return len(self.gateway.endpoint.store.leads)


def with_page_at(origin: str, settings: Settings) -> Settings:
    """The shipped configuration with the page's source as its owner would set it."""
    pages = {"thank_you": f"{origin}/thanks.html", "try_again": f"{origin}/again.html"}
    given = {**settings.sources[SOURCE].model_dump(exclude_unset=True), **pages, "origins": [origin]}
    return settings.model_copy(update={"sources": {SOURCE: Source.model_validate(given)}})


@contextmanager
def form_page_served() -> Iterator[FormPage]:
    """Page and handler, each at its own address."""
    with ExitStack() as stack:
        gateway = Gateway(stack.enter_context(opened(configured())), [])
        port = stack.enter_context(served(gateway.server()))
        action = f"http://127.0.0.1:{port}/v1/webhooks/{SOURCE}?token={secrets_of(SOURCE)[0]}"
        address = f"http://127.0.0.1:{stack.enter_context(served(stack.enter_context(page_server(action))))}"
        gateway.endpoint = stack.enter_context(opened(with_page_at(address, configured())))
        yield FormPage(address, action, gateway)


def fill_in(page: Page, **changed: str) -> None:
    """Fill in the form as somebody who never was; fields by their ids, `_` for `-`."""
    answers = {
        "full_name": "Прикладенко Олена Іванівна",
        "phone": "050 000 00 77",
        "email": "olena@example.com",
        "tax_number": "3068208400",
        "activity": "вчителька",
        "amount": "6000",
        "term": "12",
        **changed,
    }
    for name, answer in answers.items():
        page.locator(f"#{name.replace('_', '-')}").fill(answer)
    page.locator("#consent").check()
