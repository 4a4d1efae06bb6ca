"""The sample leads of `events/receive_lead/`, where their forms post them, and the form page of `docs/form/`."""

import json
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from functools import partial
from html import escape
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from devstack.workdir import PROJECT
from events.sign import signed
from leadbridge.forms.base import Request

EVENTS = PROJECT / "events" / "receive_lead"
PAGE = PROJECT / "docs" / "form"
SOURCE_OF_PAGE = "plain-credit"


def sample_event(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def request_of(event: dict[str, Any], secrets: dict[str, Any]) -> tuple[str, dict[str, str], bytes]:
    """Return the path, the headers and the body of an event, signed now. A delivery's id in a header is a new one."""
    new_id = {"webhook-id": f"msg_{uuid4().hex}"} if "webhook-id" in event["headers"] else {}
    source = event["pathParameters"]["source"]
    event = signed({**event, "headers": event["headers"] | new_id}, secrets[source]["secrets"][0], int(time.time()))
    own = ("content-type", "user-agent", "referer", "signature", "timestamp", "webhook-id")
    headers = {name: value for name, value in event["headers"].items() if name.lower().endswith(own)}
    parameters = event["queryStringParameters"]
    query = f"?{urlencode(parameters)}" if parameters else ""
    return f"/webhooks/{source}{query}", headers, Request.of(event).body


def webhook_url(source: str, api_url: str, secrets: dict[str, Any]) -> str:
    """Return the address to enter in the form builder. Raises KeyError for a source that the stack does not have."""
    return f"{api_url}/webhooks/{source}?token={secrets[source]['secrets'][0]}"


def unknown(variable: str, value: str, known: Iterable[str]) -> str:
    """Return a sentence for a wrong value of a variable of make: the values that are close to it, else all."""
    known = sorted(known)
    close = get_close_matches(value, known)
    return f"There is no {variable}={value}. {'Did you mean' if close else 'Use one of'}: {', '.join(close or known)}."


def page_of(action: str) -> bytes:
    text = (PAGE / "index.html").read_text(encoding="utf-8")
    text, changed = re.subn(r'(?<=\baction=")[^"]*(?=")', lambda _: escape(action), text)
    if changed != 1:
        raise ValueError(f"The page has {changed} forms with an action, and is to have one")
    return text.encode()


class PageHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Print nothing: a request is no news."""


@contextmanager
def page_server(action: str) -> Iterator[ThreadingHTTPServer]:
    with TemporaryDirectory() as folder:
        shutil.copytree(PAGE, folder, dirs_exist_ok=True)
        Path(folder, "index.html").write_bytes(page_of(action))
        with ThreadingHTTPServer(("127.0.0.1", 0), partial(PageHandler, directory=folder)) as server:
            yield server
