"""`leadbridge dlq …`: what could not go on by itself."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, api_at
from leadbridge_cli.exit_codes import not_found, wrong_use
from leadbridge_cli.options import Yes, command, group
from leadbridge_cli.output import Screen, line, table

app = group("dlq", "Dead letters: what could not go on by itself.")

MAX_CALLS = 20  # calls, of a hundred letters each at most, that one `--all` may cost

Queue = Annotated[str, typer.Argument(help="The queue, as `dlq list` names it.")]


@command(app, "list", api_at)
def list_letters(
    screen: Screen, api: Api, queue: Annotated[str | None, typer.Option(help="Of this queue only.")] = None
) -> None:
    """List dead letters, oldest first; of long queues, some."""
    letters = [each for each in api.get("dead-letters")["letters"] if queue in {None, each["queue"]}]
    names = ("queue", "letter_id", "step", "reason_code", "reason", "lead_id", "partner", "message_id")

    def row(letter: dict[str, Any]) -> list[object]:
        return [_time(letter.get("sent_at")), *(letter.get(name) for name in names)]

    screen.answer({"letters": letters}, lambda: [table(("sent", *names), map(row, letters))])


@command(app, "redrive", api_at)
def redrive(
    screen: Screen,
    api: Api,
    queue: Queue,
    letter_id: Annotated[str | None, typer.Argument(help="The letter's id.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All letters of the queue.")] = False,
) -> None:
    """Put letters back. One that cannot be put back stays, one whose work is done is removed. Safe to repeat."""
    if every == (letter_id is not None):
        raise wrong_use("Name one letter, or say --all.")
    number, is_rest = 0, False
    kept, obsolete = dict[str, Any](), dict[str, Any]()
    with screen.progress("letters") as advance:
        for _ in range(MAX_CALLS if every else 1):
            body = None if letter_id is None else {"letter_id": letter_id}
            done = api.post("dead-letters", queue, "redrive", body=body)
            number += int(done["letters"])
            kept |= {one["letter_id"]: one["code"] for one in done["kept"]}
            obsolete |= {one["letter_id"]: one["code"] for one in done["obsolete"]}
            advance(int(done["letters"]) + len(done["obsolete"]))
            if not done["letters"] and not done["obsolete"]:
                break
        else:
            is_rest = every
    if letter_id is not None and not (number or kept or obsolete):
        raise _no_such_letter()
    answer = {"queue": queue, "letters": number, "kept": _named(kept), "obsolete": _named(obsolete)}
    screen.answer(answer, lambda: [line(text) for text in _redriven(queue, number, kept, obsolete)])
    if is_rest:
        screen.note("There may be more: say it again.")


@command(app, "discard", api_at)
def discard(
    screen: Screen,
    api: Api,
    queue: Queue,
    letter_id: Annotated[str, typer.Argument(help="The letter's id.")],
    yes: Yes = False,
) -> None:
    """Throw one letter away. It cannot be undone."""
    screen.confirm("The letter is thrown away for good; the lead that it names stays as it is. Discard?", yes=yes)
    number = int(api.post("dead-letters", queue, "discard", body={"letter_id": letter_id})["letters"])
    if not number:
        raise _no_such_letter()
    screen.answer({"queue": queue, "letters": number}, lambda: [line(f"{queue}: {number} discarded.")])


def _redriven(queue: str, number: int, kept: dict[str, str], obsolete: dict[str, str]) -> list[str]:
    left = [f"{letter_id} stays: {code}" for letter_id, code in kept.items()]
    removed = [f"{letter_id} is removed: {code}" for letter_id, code in obsolete.items()]
    return [f"{queue}: {number} put back, {len(kept)} kept, {len(obsolete)} obsolete.", *left, *removed]


def _named(codes: dict[str, str]) -> list[dict[str, str]]:
    return [{"letter_id": letter_id, "code": code} for letter_id, code in codes.items()]


def _no_such_letter() -> Exception:
    return not_found("There is no such letter in the queue, or somebody else has it at this moment.")


def _time(milliseconds: object) -> str | None:
    if not isinstance(milliseconds, int):
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
