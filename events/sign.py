"""Sign a sample event of receive_lead with the current time, for any form builder.

    .venv/bin/python -m events.sign events/receive_lead/good.json | make sam-local ARGS="invoke ReceiveLead -e -"

The secret is the source's, from `{prefix}/sources`; by default, the local stack's. The file is not changed: some
signatures expire within minutes.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from leadbridge.forms.base import Adapter, Request, adapter_named
from tools.config import read_toml

PROJECT = Path(__file__).parents[1]
LOCAL_SECRETS = PROJECT / ".local" / "secrets.json"

Event = dict[str, Any]


@cache
def sender_of(source: str) -> Adapter:
    return adapter_named(read_toml(PROJECT / "config", "local")["sources"][source]["adapter"])


def signed(event: Event, secret: str, now: int) -> Event:
    """Return the proxy event as sent at `now` (Unix seconds) with `secret`."""
    request = Request.of(event)
    sender = sender_of(event["pathParameters"]["source"])
    signed_request = sender.sign_request(request, secret, datetime.fromtimestamp(now, UTC))
    original_names = {name.lower(): name for name in event["headers"]}
    headers = {original_names.get(name, name): value for name, value in signed_request.headers.items()}
    raw = signed_request.body
    return {
        **event,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": signed_request.query or None,
        "multiValueQueryStringParameters": {name: [value] for name, value in signed_request.query.items()} or None,
        "body": base64.b64encode(raw).decode() if event["isBase64Encoded"] else raw.decode(errors="surrogatepass"),
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m events.sign", description="Sign a sample event of receive_lead.")
    parser.add_argument("event", type=Path, help="a file such as events/receive_lead/good.json")
    parser.add_argument("--secret", help="the source's secret; by default, the local stack's")
    given = parser.parse_args(arguments)
    event = json.loads(given.event.read_text(encoding="utf-8"))
    source = event["pathParameters"]["source"]
    try:
        secret = given.secret or json.loads(LOCAL_SECRETS.read_text(encoding="utf-8"))["sources"][source]["secrets"][0]
    except (FileNotFoundError, KeyError):
        parser.error(f"the local stack has no secret for {source!r}: run `make up`, or pass --secret")
    json.dump(signed(event, secret, int(time.time())), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
