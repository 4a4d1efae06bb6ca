"""python -m devstack up | down | reload | watch | logs"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path

from devstack.clients import forget_credentials
from devstack.deployment import fingerprint, needs_rebuild
from devstack.reload import reloads, report
from devstack.stack import HOW_LONG, Stack, start, stop
from devstack.supervisor import supervise
from devstack.workdir import DEVELOPER, LocalError, Workdir


def main() -> int:
    arguments = parse_arguments()
    workdir = Workdir(arguments.workdir)
    forget_credentials()
    try:
        match arguments.command:
            case "up":
                up(workdir, arguments.port)
            case "down":
                print("The local stack is stopped." if stop(workdir) else "No local stack is running.")
            case "reload":
                print(report(workdir, live(workdir)))
            case "watch":
                watch(workdir)
            case "logs":
                logs(workdir)
            case "supervise":
                return supervise(workdir, port=arguments.port, has_lifeline=arguments.lifeline)
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m devstack", description="The local AWS of this project.")
    parser.add_argument("command", choices=["up", "down", "reload", "watch", "logs", "supervise"])
    parser.add_argument("--workdir", type=Path, default=DEVELOPER.root, help="where the stack keeps its things")
    parser.add_argument("--port", default=os.environ.get("LEADBRIDGE_PORT"), help="of the emulated AWS; a free one")
    parser.add_argument("--lifeline", action="store_true", help="(supervise) stop when standard input ends")
    return parser.parse_args()


def up(workdir: Workdir, port: str | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # a start that is given up is cleaned up
    began, was_up = time.monotonic(), Stack.live(workdir) is not None
    if not was_up:
        print(HOW_LONG, flush=True)
    stack, _ = start(workdir, port=port)
    print(
        "The local stack was already up."
        if was_up
        else f"The local stack is up after {time.monotonic() - began:.0f} s."
    )
    if (now := fingerprint()) != stack.fingerprint:
        command = "make down up" if needs_rebuild(stack.fingerprint, now) else "make reload"
        print(f"The code has changed since it was started: `{command}` applies the changes.")
    print(f"  console   {stack.console_url}")
    print(f"  api       {stack.api_url}")
    print(f"  sandbox   {stack.sandbox_url}")
    print(f"  AWS       {stack.aws_endpoint_url}  ({stack.region})")
    print(f"  The operator's token is in {workdir.stack_file}. `make down` stops the stack.")


def live(workdir: Workdir) -> Stack:
    """The stack of a workdir. Raises LocalError if it is not up."""
    if not (stack := Stack.live(workdir)):
        raise LocalError("No local stack is running: `make up` starts one.")
    return stack


def watch(workdir: Workdir) -> None:
    print("Watching functions/, layers/leadbridge/ and config/. Ctrl-C ends it.", flush=True)
    for what in reloads(workdir, live(workdir)):
        print(what, flush=True)


def logs(workdir: Workdir) -> None:
    for line in live(workdir).read_logs():
        print(line.group.rsplit("/", 1)[-1], line.text)


if __name__ == "__main__":
    sys.exit(main())
