"""`make lead`: post one sample of `events/receive_lead/` to the running stack, as a new lead each time."""

import json
import sys
from uuid import uuid4

from local.clients import forget_credentials
from local.form import Form
from local.home import DEVELOPER
from local.samples import sample
from local.stack import Stack


def main() -> int:
    """Post the sample that the argument names (`good`) and print the answer."""
    forget_credentials()
    stack = Stack.live(DEVELOPER)
    if stack is None:
        print("No local stack is up; `make up` starts one.", file=sys.stderr)
        return 1
    chosen = sample(sys.argv[1] if len(sys.argv) > 1 else "good")
    secrets = json.loads(DEVELOPER.secrets_file.read_text())
    answer = Form(stack, secrets["sources"][chosen.source]["secrets"][0], chosen.source).post(
        chosen.body, f"msg_{uuid4().hex}"
    )
    print(answer.status, json.dumps(answer.content, ensure_ascii=False))
    return 0 if answer.status < 300 else 1


if __name__ == "__main__":
    sys.exit(main())
