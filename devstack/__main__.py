"""python -m devstack up | down | logs"""

import argparse
import os
import signal
import sys
from pathlib import Path

from devstack.clients import forget_credentials
from devstack.deployment import fingerprint
from devstack.stack import Stack, start, stop
from devstack.supervisor import supervise
from devstack.workdir import DEVELOPER, Home, LocalError


def main() -> int:
    arguments = parse_arguments()
    home = Home(arguments.home)
    forget_credentials()
    try:
        match arguments.command:
            case "up":
                up(home, arguments.port)
            case "down":
                print("The local stack is stopped." if stop(home) else "No local stack is running.")
            case "logs":
                logs(home)
            case "supervise":
                return supervise(home, port=arguments.port, has_lifeline=arguments.lifeline)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devstack", description="The local AWS of this project.")
    parser.add_argument("command", choices=["up", "down", "logs", "supervise"])
    parser.add_argument("--home", type=Path, default=DEVELOPER.root, help="where the stack keeps its things")
    parser.add_argument("--port", default=os.environ.get("LEADBRIDGE_PORT"), help="of the emulated AWS; a free one")
    parser.add_argument("--lifeline", action="store_true", help="(supervise) stop when standard input ends")
    return parser.parse_args()


def up(home: Home, port: str | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # a start that is given up is cleaned up
    was_up = Stack.live(home) is not None
    stack, _ = start(home, port=port)
    print(f"The local stack {'was already' if was_up else 'is'} up.")
    if stack.fingerprint != fingerprint():
        print("The code has changed since it was started: `make down up` applies the changes.")
    print(f"  api       {stack.api_url}")
    print(f"  sandbox   {stack.sandbox_url}")
    print(f"  AWS       {stack.aws_endpoint_url}  ({stack.region})")
    print(f"  the operator's token and the rest are in {home.stack_file}; `make down` stops it")


def logs(home: Home) -> None:
    if not (stack := Stack.live(home)):
        raise LocalError("No local stack is running.")
    for line in stack.read_logs():
        print(line.group.rsplit("/", 1)[-1], line.text)


if __name__ == "__main__":
    sys.exit(main())
