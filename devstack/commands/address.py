"""`make address`: where a form posts to on the running stack, with the token that proves it."""

import json
import sys
from typing import Any

from devstack.stack import Stack
from devstack.workdir import DEVELOPER


def address_of(source: str, api_url: str, secrets: dict[str, Any]) -> str:
    """The address to enter in the form's builder. Raises KeyError for a source that the stack does not have."""
    return f"{api_url}/webhooks/{source}?token={secrets[source]['secrets'][0]}"


def main() -> int:
    """Print the address of the source that the argument names."""
    stack = Stack.developers()
    source = sys.argv[1] if len(sys.argv) > 1 else ""
    try:
        print(address_of(source, stack.api_url, json.loads(DEVELOPER.secrets_file.read_text())["sources"]))
    except KeyError:
        print(f"The stack has no source {source!r}; see config/sources.toml, then make down and up.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
