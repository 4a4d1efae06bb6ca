"""`leadbridge dlq …`: list, redrive and discard dead letters."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import not_found, usage_error
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Output, line, table

app = group("dlq", "Dead letters: messages that failed and need an operator.")

MAX_CALLS = 20  # calls of one `--all`, with up to 100 dead letters each

Queue = Annotated[str, typer.Argument(help="Queue, as in dlq list.")]


@command(app, "list", resolve_api, example="dlq list --queue messages")
def list_letters(
    output: Output, api: Api, queue: Annotated[str | None, typer.Option(help="Only this queue.")] = None
) -> None:
    """List dead letters, oldest first. Of a long queue only a part is listed."""
    letters = [each for each in api.get("dead-letters")["dead_letters"] if queue in {None, each["queue"]}]
    names = ("queue", "dead_letter_id", "step", "reason_code", "reason", "lead_id", "partner", "message_id")

    def row(letter: dict[str, Any]) -> list[object]:
        return [_time(letter.get("sent_at")), *(letter.get(name) for name in names)]

    output.answer({"dead_letters": letters}, lambda: [table(("sent", *names), map(row, letters))])
    if not letters and not output.as_json:
        output.note("No dead letters.")


@command(app, "redrive", resolve_api, example="dlq redrive checks --all")
def redrive(
    output: Output,
    api: Api,
    queue: Queue,
    dead_letter_id: Annotated[str | None, typer.Argument(help="Id of the dead letter.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters of the queue.")] = False,
) -> None:
    """Redrive dead letters. One that cannot be redriven is kept; an obsolete one is removed. Safe to repeat."""
    if every == (dead_letter_id is not None):
        raise usage_error("Give the id of one dead letter, or --all.")
    number, has_more = 0, False
    kept, obsolete = dict[str, Any](), dict[str, Any]()
    with output.progress("dead letters") as advance:
        for _ in range(MAX_CALLS if every else 1):
            body = None if dead_letter_id is None else {"dead_letter_id": dead_letter_id}
            done = api.post("dead-letters", queue, "redrive", body=body)
            number += int(done["redriven"])
            kept |= {one["dead_letter_id"]: one["code"] for one in done["kept"]}
            obsolete |= {one["dead_letter_id"]: one["code"] for one in done["obsolete"]}
            advance(int(done["redriven"]) + len(done["obsolete"]))
            if not done["redriven"] and not done["obsolete"]:
                break
        else:
            has_more = every
    if dead_letter_id is not None and not (number or kept or obsolete):
        raise _letter_not_found()
    answer = {"queue": queue, "redriven": number, "kept": _named(kept), "obsolete": _named(obsolete)}
    output.answer(answer, lambda: [line(text) for text in _redrive_lines(queue, number, kept, obsolete)])
    if has_more:
        output.note("There may be more dead letters. Repeat the command.")


@command(app, "discard", resolve_api, example="dlq discard messages 3f1c…")
def discard(
    output: Output,
    api: Api,
    queue: Queue,
    dead_letter_id: Annotated[str, typer.Argument(help="Id of the dead letter.")],
    yes: Yes = False,
) -> None:
    """Delete one dead letter. This cannot be undone."""
    output.confirm("The dead letter is deleted permanently; its lead does not change. Discard?", yes=yes)
    number = int(api.post("dead-letters", queue, "discard", body={"dead_letter_id": dead_letter_id})["discarded"])
    if not number:
        raise _letter_not_found()
    output.answer({"queue": queue, "discarded": number}, lambda: [line(f"{queue}: {number} discarded.")])


def _redrive_lines(queue: str, number: int, kept: dict[str, str], obsolete: dict[str, str]) -> list[str]:
    kept_lines = [f"{dead_letter_id} kept: {code}" for dead_letter_id, code in kept.items()]
    removed = [f"{dead_letter_id} removed: {code}" for dead_letter_id, code in obsolete.items()]
    return [f"{queue}: {number} redriven, {len(kept)} kept, {len(obsolete)} obsolete.", *kept_lines, *removed]


def _named(codes: dict[str, str]) -> list[dict[str, str]]:
    return [{"dead_letter_id": dead_letter_id, "code": code} for dead_letter_id, code in codes.items()]


def _letter_not_found() -> Exception:
    return not_found("The queue has no such dead letter, or another process is handling it right now.")


def _time(milliseconds: object) -> str | None:
    if not isinstance(milliseconds, int):
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
