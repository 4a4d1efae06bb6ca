"""`make get ROUTE=/leads`: call GET on a route of the running stack with the operator's token."""

import json
import sys

import urllib3

from devstack.commands.form import Operator
from devstack.stack import Stack


def main() -> int:
    """Print the answer of the route that the argument names. Exit with one line if it is not 200."""
    stack = Stack.developers()
    route = "/" + (sys.argv[1] if len(sys.argv) > 1 else "/leads").lstrip("/")
    try:
        answer = Operator(stack).get(route)
    except urllib3.exceptions.HTTPError as error:
        raise SystemExit(f"{stack.api_url} does not answer ({type(error).__name__}): run `make down up`.") from None
    if answer.status != 200:
        is_ours = "type" in answer.content  # the gateway answers for routes that do not exist
        why = answer.content.get("detail") if is_ours else "There is no such route; docs/openapi.json lists the routes."
        raise SystemExit(f"GET {route} returned {answer.status}: {why}")
    print(json.dumps(answer.content, ensure_ascii=False, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
