"""`make webhook-url SOURCE=plain-credit`: the address that a form posts to on the running stack, with its token."""

import json
import sys
from typing import Any

from devstack.commands.samples import unknown
from devstack.stack import Stack
from devstack.workdir import DEVELOPER


def webhook_url(source: str, api_url: str, secrets: dict[str, Any]) -> str:
    """Return the address to enter in the form builder. Raises KeyError for a source that the stack does not have."""
    return f"{api_url}/webhooks/{source}?token={secrets[source]['secrets'][0]}"


def main() -> int:
    """Print the address of the source that the argument names. Exit with one line if there is no such source."""
    stack = Stack.developers()
    secrets = json.loads(DEVELOPER.secrets_file.read_text())["sources"]
    source = sys.argv[1] if len(sys.argv) > 1 else ""
    if source not in secrets:
        raise SystemExit(f"{unknown('SOURCE', source, secrets)} After a change of config/sources.toml: `make reload`.")
    print(webhook_url(source, stack.api_url, secrets))
    return 0


if __name__ == "__main__":
    sys.exit(main())
