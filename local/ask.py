"""`make ask ROUTE=/leads`: ask the running stack something as its operator."""

import json
import sys

from local.clients import forget_credentials
from local.form import Operator
from local.home import DEVELOPER
from local.stack import Stack


def main() -> int:
    """Print what GET answers on the route that the argument names."""
    forget_credentials()
    stack = Stack.live(DEVELOPER)
    if stack is None:
        print("No local stack is up; `make up` starts one.", file=sys.stderr)
        return 1
    answer = Operator(stack).get(sys.argv[1] if len(sys.argv) > 1 else "/leads")
    print(json.dumps(answer.content, ensure_ascii=False, indent=2))
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
