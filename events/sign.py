"""Give a sample event of receive_lead the time of now and a proof that holds, whatever kind of form it is of.

    .venv/bin/python -m events.sign events/receive_lead/good.json | make sam-local ARGS="invoke ReceiveLead -e -"

The secret is the source's, from `{prefix}/sources`; the local stack's, if none is given. The file stays as it is: some
signatures are good for minutes.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol, cast

sys.path.append(str(Path(__file__).parents[1] / "layers" / "leadbridge"))

from leadbridge.forms.base import Request, adapter_named  # the layer is no installed package

DRAWN = Path(__file__).parents[1] / ".local" / "secrets.json"
SOURCES = Path(__file__).parents[1] / "config" / "sources.toml"

Event = dict[str, Any]


class Sender(Protocol):
    """What an adapter knows of its sender."""

    def sign_request(self, request: Request, secret: str, now: datetime) -> Request:
        """The same post with the proof of whoever has the secret."""
        ...


def sender_of(source: str) -> Sender:
    """Who posts to a source of `config/sources.toml`."""
    sources = tomllib.loads(SOURCES.read_text(encoding="utf-8"))
    return cast("Sender", adapter_named(sources[source]["adapter"]))


def signed(event: Event, secret: str, now: int) -> Event:
    """The same proxy event as if it were sent at `now` (Unix seconds) by whoever has `secret`."""
    request = Request.of(event)
    proven = sender_of(event["pathParameters"]["source"]).sign_request(
        request, secret, datetime.fromtimestamp(now, UTC)
    )
    spelt = {name.lower(): name for name in event["headers"]}
    headers = {spelt.get(name, name): value for name, value in proven.headers.items()}
    raw = proven.body
    return {
        **event,
        "headers": headers,
        "multiValueHeaders": _multiple(headers),
        "queryStringParameters": proven.query or None,
        "multiValueQueryStringParameters": _multiple(proven.query) or None,
        "body": base64.b64encode(raw).decode() if event["isBase64Encoded"] else raw.decode(errors="surrogatepass"),
    }


def drawn_for(source: str, parser: argparse.ArgumentParser) -> str:
    """The secret that the local stack has for a source."""
    try:
        return str(json.loads(DRAWN.read_text(encoding="utf-8"))["sources"][source]["secrets"][0])
    except (FileNotFoundError, KeyError):
        parser.error(f"the local stack has no secret for {source!r}: `make up` draws one, or give --secret")


def _multiple(values: dict[str, str]) -> dict[str, list[str]]:
    return {name: [value] for name, value in values.items()}


def main(arguments: list[str] | None = None) -> None:
    """Print a signed event."""
    parser = argparse.ArgumentParser(prog="python -m events.sign", description="Sign a sample event of receive_lead.")
    parser.add_argument("event", type=Path, help="such as events/receive_lead/good.json")
    parser.add_argument("--secret", help="the source's secret; else what the local stack drew for it")
    given = parser.parse_args(arguments)
    event = json.loads(given.event.read_text(encoding="utf-8"))
    secret = given.secret or drawn_for(event["pathParameters"]["source"], parser)
    json.dump(signed(event, secret, int(time.time())), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
