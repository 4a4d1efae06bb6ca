"""Give a sample event of receive_lead the time of now and a signature that holds.

    uv run python -m events.sign events/receive_lead/good.json --secret whsec_… | sam local invoke ReceiveLead -e -

The secret is the source's, from `{prefix}/sources`. The file stays as it is: a signature is good for five minutes.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1] / "layers" / "leadbridge"))

from leadbridge.forms import meta  # the layer is no installed package
from leadbridge.forms.standard_webhooks import sign

Event = dict[str, Any]


def signed(event: Event, secret: str, now: int) -> Event:
    """The same proxy event as if it were sent at `now` (Unix seconds) by whoever has `secret`."""
    body = event["body"].encode()
    if "X-Hub-Signature-256" in event["headers"]:
        fresh = {"X-Hub-Signature-256": meta.sign(secret, body)}
    else:
        fresh = {
            "webhook-timestamp": str(now),
            "webhook-signature": sign(secret, event["headers"]["webhook-id"], now, body),
        }
    multiple = {name: [value] for name, value in fresh.items()}
    return {
        **event,
        "headers": {**event["headers"], **fresh},
        "multiValueHeaders": {**event["multiValueHeaders"], **multiple},
    }


def main(arguments: list[str] | None = None) -> None:
    """Print a signed event."""
    parser = argparse.ArgumentParser(prog="python -m events.sign", description="Sign a sample event of receive_lead.")
    parser.add_argument("event", type=Path, help="such as events/receive_lead/good.json")
    parser.add_argument("--secret", required=True, help="the source's secret: whsec_…, or the app's for Meta")
    given = parser.parse_args(arguments)
    event = json.loads(given.event.read_text(encoding="utf-8"))
    json.dump(signed(event, given.secret, int(time.time())), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
