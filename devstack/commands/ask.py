"""`make ask ROUTE=/leads`: ask the running stack something as its operator."""

import json
import sys

from devstack.commands.form import Operator
from devstack.stack import Stack


def main() -> int:
    """Print what GET answers on the route that the argument names."""
    stack = Stack.developers()
    answer = Operator(stack).get(sys.argv[1] if len(sys.argv) > 1 else "/leads")
    print(json.dumps(answer.content, ensure_ascii=False, indent=2))
    return 0 if answer.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
