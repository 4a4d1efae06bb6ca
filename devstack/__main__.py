"""python -m devstack COMMAND: the local AWS of this project. `make` has a target for each command."""

import json
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
import urllib3
from rich.console import Console

from devstack import sam_local as containers
from devstack import services
from devstack.clients import forget_credentials
from devstack.commands import samples
from devstack.commands.api import Operator, ask
from devstack.commands.demo import send_samples
from devstack.deployment import fingerprint, needs_rebuild
from devstack.reload import reloads, report
from devstack.stack import HOW_LONG, Stack, stack_of_this_process, start, stop
from devstack.workdir import DEVELOPER, LocalError

Given = Annotated[str, typer.Argument()]

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, no_args_is_help=True, help=__doc__)


@app.command()
def up() -> None:
    """Start the stack in the background."""
    began, was_up = time.monotonic(), Stack.live(DEVELOPER) is not None
    if not was_up:
        print(HOW_LONG, flush=True)
    stack, _ = start(DEVELOPER)
    took = f"{time.monotonic() - began:.0f} s"
    print("The local stack was already up." if was_up else f"The local stack is up after {took}.")
    if (now := fingerprint()) != stack.fingerprint:
        command = "make down up" if needs_rebuild(stack.fingerprint, now) else "make reload"
        print(f"The code has changed since it was started: `{command}` applies the changes.")
    print(f"  console   {stack.console_url}")
    print(f"  api       {stack.api_url}")
    print(f"  sandbox   {stack.sandbox_url}")
    print(f"  AWS       {stack.aws_endpoint_url}  ({stack.region})")
    print(f"  The operator's token is in {DEVELOPER.stack_file}. `make down` stops the stack.")


@app.command()
def down() -> None:
    """Stop the stack."""
    print("The local stack is stopped." if stop(DEVELOPER) else "No local stack is running.")


@app.command()
def reload() -> None:
    """Apply changed code and configuration."""
    print(report(DEVELOPER, Stack.developers()))


@app.command()
def watch() -> None:
    """Reload after each change, until Ctrl-C."""
    stack = Stack.developers()
    print("Watching functions/, layers/leadbridge/ and config/. Ctrl-C ends it.", flush=True)
    with suppress(KeyboardInterrupt):
        for what in reloads(DEVELOPER, stack):
            print(what, flush=True)


@app.command()
def logs() -> None:
    """Print the logs of all functions."""
    for group, text in Stack.developers().read_logs():
        print(group.rsplit("/", 1)[-1], text)


@app.command(hidden=True)
def supervise(lifeline: bool = False) -> None:
    """Run the stack in this process; with a lifeline until standard input ends."""
    raise typer.Exit(services.supervise(DEVELOPER, has_lifeline=lifeline))


@app.command()
def run() -> None:
    """Start the stack, send the sample leads and print each one's timeline. In a terminal, wait for Ctrl-C then."""
    console = Console(highlight=False, soft_wrap=True)
    began, is_right = time.monotonic(), False
    console.print(HOW_LONG)
    try:
        with stack_of_this_process(DEVELOPER) as stack:
            console.print(f"The stack is up after {time.monotonic() - began:.0f} s. Sending the sample leads.")
            is_right = send_samples(stack, console)
            console.print(f"The run took {time.monotonic() - began:.0f} s.")
            console.print(f"\n  the console  {stack.console_url}")
            console.print(f"  the API      {stack.api_url}   (the operator's token is in .local/stack.json)")
            if sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI"):
                console.print("\nThe stack runs until Ctrl-C.")
                threading.Event().wait()
    except KeyboardInterrupt:
        console.print("\nStopped.")
        raise typer.Exit(0 if is_right else 130) from None
    raise typer.Exit(0 if is_right else 1)


@app.command()
def lead(sample: Given = "", body: Given = "") -> None:
    """Post a sample of events/receive_lead as its form would, or a file instead of the sample's body."""
    stack, sample = Stack.developers(), sample or "good"
    if sample not in (names := [file.stem for file in samples.EVENTS.glob("*.json")]):
        raise LocalError(samples.unknown("SAMPLE", sample, names))
    event = samples.sample_event(sample)
    try:
        event["body"] = Path(body).read_text(encoding="utf-8") if body else event["body"]
    except (OSError, UnicodeDecodeError) as reason:
        raise LocalError(f"BODY={body} cannot be read: {reason}.") from None
    path, headers, content = samples.request_of(event, secrets_of_sources())
    answer = ask("POST", stack.api_url + path, headers=headers, body=content)
    print(answer.status, json.dumps(answer.content, ensure_ascii=False))
    raise typer.Exit(0 if answer.status < 300 else 1)


@app.command()
def webhook_url(source: Given = "") -> None:
    """Print the address that a form posts to, with its token."""
    stack, secrets = Stack.developers(), secrets_of_sources()
    if source not in secrets:
        wrong = samples.unknown("SOURCE", source, secrets)
        raise LocalError(f"{wrong} After a change of config/sources.toml: `make reload`.")
    print(samples.webhook_url(source, stack.api_url, secrets))


@app.command()
def form() -> None:
    """Serve the page of docs/form/ until Ctrl-C."""
    action = samples.webhook_url(samples.SOURCE_OF_PAGE, Stack.developers().api_url, secrets_of_sources())
    with samples.page_server(action) as server:
        shown = action.partition("?")[0]  # without the token
        print(f"http://127.0.0.1:{server.server_port}/ posts to {shown}; Ctrl-C ends it.", flush=True)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True}, add_help_option=False)
def sam_local(arguments: typer.Context) -> None:
    """Run `sam local` in containers that find the stack."""
    with containers.sam_local(containers.Surroundings.of(Stack.developers())) as sam:
        raise typer.Exit(containers.run_to_its_end(sam, *arguments.args))


@app.command()
def get(route: Given = "/leads") -> None:
    """Call GET on a route as the operator."""
    stack, route = Stack.developers(), f"/{route.lstrip('/')}"
    try:
        answer = Operator(stack).get(route)
    except urllib3.exceptions.HTTPError as error:
        raise LocalError(f"{stack.api_url} does not answer ({type(error).__name__}): run `make down up`.") from None
    if answer.status != 200:
        is_ours = "type" in answer.content  # the gateway answers for routes that do not exist
        why = answer.content.get("detail") if is_ours else "There is no such route; docs/openapi.json lists the routes."
        raise LocalError(f"GET {route} returned {answer.status}: {why}")
    print(json.dumps(answer.content, ensure_ascii=False, indent=2))


def secrets_of_sources() -> dict[str, Any]:
    return dict(json.loads(DEVELOPER.secrets_file.read_text())["sources"])


def main() -> int:
    """Run a command. An error that a developer can act on is one line, and exit code 1."""
    forget_credentials()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)  # a start that is given up is cleaned up
    try:
        app()
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
