"""`make form`: the form page of `docs/form/`, served here, posting to the running stack."""

import re
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from devstack.workdir import PROJECT

FOLDER = PROJECT / "docs" / "form"
SOURCE = "plain-credit"


def page_of(action: str) -> bytes:
    """The page with the form posting to `action`."""
    text = (FOLDER / "index.html").read_text(encoding="utf-8")
    text, changed = re.subn(r'(?<=\baction=")[^"]*(?=")', lambda _: escape(action), text)
    if changed != 1:
        raise ValueError(f"The page has {changed} forms with an action, and is to have one")
    return text.encode()


def page_server(action: str) -> ThreadingHTTPServer:
    """A server of the folder on a free port of 127.0.0.1."""
    page = page_of(action)

    class Page(SimpleHTTPRequestHandler):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given, directory=str(FOLDER))

        def do_GET(self) -> None:
            if urlsplit(self.path).path not in ("/", "/index.html"):
                super().do_GET()
                return
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Say nothing: the address is all that is to be seen."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Page)
