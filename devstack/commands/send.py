"""`make lead`: post one sample of `events/receive_lead/` to the running stack, as its form would."""

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from devstack.commands.form import ask
from devstack.commands.samples import sample_event, sample_names, unknown
from devstack.stack import Stack
from devstack.workdir import DEVELOPER
from events.sign import signed
from leadbridge.forms.base import Request


def request_of(
    case: str, secrets: dict[str, Any], replaced: tuple[str, str] = ("", ""), body: str | None = None
) -> tuple[str, dict[str, str], bytes]:
    """The address behind the API's own, the headers and the body of a sample, proven now.

    Where the id of the delivery is a header, it is a new one, so that the lead is new too. `replaced` are a text of the
    body and the text to replace it. `body` is posted instead of the sample's.
    """
    event = sample_event(case)
    if "webhook-id" in event["headers"]:
        event["headers"]["webhook-id"] = f"msg_{uuid4().hex}"
    event["body"] = (event["body"] if body is None else body).replace(*replaced)
    event = signed(event, secrets[event["pathParameters"]["source"]]["secrets"][0], int(time.time()))
    own = ("content-type", "user-agent", "referer", "signature", "timestamp", "webhook-id")
    headers = {name: value for name, value in event["headers"].items() if name.lower().endswith(own)}
    parameters = event["queryStringParameters"]
    return f"{event['path']}{f'?{urlencode(parameters)}' if parameters else ''}", headers, Request.of(event).body


def main() -> int:
    """Post the sample that the first argument names and print the answer. Exit with one line if there is none.

    The second argument is a file to post instead of the sample's body.
    """
    stack = Stack.developers()
    case, file, *_ = [*sys.argv[1:], "", ""]
    case = case or "good"
    if case not in (names := sample_names()):
        raise SystemExit(unknown("SAMPLE", case, names))
    try:
        content = Path(file).read_text(encoding="utf-8") if file else None
    except (OSError, UnicodeDecodeError) as reason:
        raise SystemExit(f"BODY={file} cannot be read: {reason}.") from None
    secrets = json.loads(DEVELOPER.secrets_file.read_text())["sources"]
    address, headers, body = request_of(case, secrets, body=content)
    answer = ask("POST", f"{stack.api_url}{address}", headers=headers, body=body)
    print(answer.status, json.dumps(answer.content, ensure_ascii=False))
    return 0 if answer.status < 300 else 1


if __name__ == "__main__":
    sys.exit(main())
