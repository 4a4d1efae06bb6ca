"""`make form`: the form page of `docs/form/`, served here, posting to the running stack."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

from devstack.workdir import PROJECT

FOLDER = PROJECT / "docs" / "form"
SOURCE = "plain-credit"
KINDS = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}


def files_of(action: str) -> dict[str, tuple[str, bytes]]:
    """What is served, by path: media type and content, with the form posting to `action`."""
    files = {}
    for file in FOLDER.iterdir():
        text = file.read_text(encoding="utf-8")
        if file.name == "index.html":
            text, changed = re.subn(r'(?<=\baction=")[^"]*(?=")', lambda _: escape(action), text)
            if changed != 1:
                raise ValueError(f"{file} has {changed} forms with an action, and is to have one")
        files[f"/{file.name}"] = (f"{KINDS[file.suffix]}; charset=utf-8", text.encode())
    return {"/": files["/index.html"], **files}


def page_server(action: str) -> ThreadingHTTPServer:
    """A server of the page on a free port of 127.0.0.1."""
    files = files_of(action)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, content = files.get(urlsplit(self.path).path, ("", b""))
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind or "text/plain")
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing: the address is all that is to be seen."""

    return ThreadingHTTPServer(("127.0.0.1", 0), Page)


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
