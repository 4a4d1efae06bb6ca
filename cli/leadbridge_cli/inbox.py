"""`leadbridge inbox …`: what needs a person, grouped by partner or source and reason."""

from typing import Annotated, Any

import typer

from leadbridge_cli.api import Api, resolve_api
from leadbridge_cli.exit_codes import not_found, usage_error
from leadbridge_cli.options import Reveal, Yes, command, group
from leadbridge_cli.output import Output, Renderable, line, table

app = group("inbox", "Inbox: what needs a person; assign, snooze, note and retry a group.")

MAX_CALLS = 20  # calls of one retry, with up to 200 leads each

Key = Annotated[str, typer.Argument(metavar="GROUP", help="Group, as in inbox list.")]


@command(app, "list", resolve_api, example="inbox list")
def list_groups(
    output: Output,
    api: Api,
    snoozed: Annotated[bool, typer.Option("--snoozed", help="Also the snoozed groups.")] = False,
) -> None:
    """List what needs a person, the most urgent first."""
    found = api.get("inbox")["groups"]
    groups = [one for one in found if snoozed or not is_snoozed(one)]
    names = ("group", "count", "since", "last", "assignee", "note")
    output.answer({"groups": groups}, lambda: [table(names, map(_row, groups))])
    if not groups and not output.as_json:
        output.note("Nothing needs a person." + (" Use --snoozed for the snoozed groups." if found else ""))


@command(app, "show", resolve_api, example="inbox show failed.lender-b.rate_limited")
def show(output: Output, api: Api, key: Key, reveal: Reveal = False) -> None:
    """Show the leads of a group, newest first."""
    view = api.get("inbox", group=key, masked=None if reveal else "true")
    if not view["groups"]:
        raise _group_not_found()
    output.answer(view, lambda: _render_group(view["groups"][0], view["leads"]))
    if view.get("left_out"):
        output.note(f"{view['left_out']} more leads do not fit into the answer.")


@command(app, "take", resolve_api, example="inbox take failed.lender-b.rate_limited")
def take(output: Output, api: Api, key: Key) -> None:
    """Tell the other operators that you work on a group."""
    _mark(output, api, key, {"assigned": True})


@command(app, "release", resolve_api, example="inbox release failed.lender-b.rate_limited")
def release(output: Output, api: Api, key: Key) -> None:
    """Tell the other operators that you do not work on a group any more."""
    _mark(output, api, key, {"assigned": False})


@command(app, "snooze", resolve_api, example="inbox snooze failed.lender-b.rate_limited --for 4h")
def snooze(
    output: Output,
    api: Api,
    key: Key,
    span: Annotated[str | None, typer.Option("--for", help="How long: 30m, 4h, 3d; at most 30d.")] = None,
    wake: Annotated[bool, typer.Option("--wake", help="End the snooze.")] = False,
) -> None:
    """Hide a group for a time. Leads that come after it was solved show it again."""
    if wake == (span is not None):
        raise usage_error("Give --for or --wake.")
    _mark(output, api, key, {"snoozed_until": None if span is None else _end_of(span)})


@command(app, "note", resolve_api, example='inbox note failed.lender-b.rate_limited "asked their support"')
def note(
    output: Output, api: Api, key: Key, text: Annotated[str, typer.Argument(help='The note; "" deletes it.')]
) -> None:
    """Write a note to a group, for all operators. It must not contain phones, e-mails or tax numbers."""
    _mark(output, api, key, {"note": text or None})


@command(app, "retry", resolve_api, example="inbox retry failed.lender-b.rate_limited")
def retry(
    output: Output,
    api: Api,
    key: Key,
    even_if_twice: Annotated[
        bool, typer.Option("--even-if-twice", help="Also leads that the partner may have already and get twice.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Retry all leads of a group. Fix the cause first."""
    groups = api.get("inbox", group=key, masked="true")["groups"]
    if not groups:
        raise _group_not_found()
    question = f"Retry {_count(groups[0])} of {key}?"
    if even_if_twice:
        question = f"The partner may have these leads already and get them twice. {question}"
    output.confirm(question, yes=yes)
    retried, kept, body = 0, dict[str, str](), dict[str, Any](confirm=True) if even_if_twice else {}
    with output.progress("leads") as advance:
        for _ in range(MAX_CALLS):
            done = api.post("inbox", key, "retry", body=body)
            body["before"] = done["before"]  # what has changed since the confirmation is not sent again
            retried += int(done["retried"])
            kept |= {str(one["lead_id"]): str(one["code"]) for one in done["kept"]}
            advance(int(done["retried"]))
            if not (done["has_more"] and done["retried"]):
                break
    answer = {
        "group": key,
        "retried": retried,
        "kept": [{"lead_id": lead_id, "code": code} for lead_id, code in kept.items()],
        "has_more": done["has_more"],
    }
    kept_lines = [f"{lead_id} kept: {code}" for lead_id, code in kept.items()]
    output.answer(answer, lambda: map(line, [f"{key}: {retried} retried, {len(kept)} kept.", *kept_lines]))
    if done["has_more"]:
        output.note(
            "There may be more leads. Look at the group before you repeat the command."
            if done["retried"]
            else "There may be older leads that were not reached. Solve the newer ones first: see inbox show."
        )


def is_snoozed(one: dict[str, Any]) -> bool:
    """Return whether a group is hidden now."""
    from datetime import UTC, datetime

    until = one["snoozed_until"]
    return until is not None and datetime.fromisoformat(until) > datetime.now(UTC)


def _mark(output: Output, api: Api, key: str, change: dict[str, Any]) -> None:
    view = api.patch("inbox", key, body=change)
    output.answer(view, lambda: _render_group(view, []))


def _end_of(span: str) -> str:
    import re
    from datetime import UTC, datetime, timedelta

    found = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", span)
    if found is None:
        raise usage_error(f"--for {span!r} is not a duration such as 30m, 4h or 3d.")
    seconds = int(found[1]) * {"m": 60, "h": 3600, "d": 86_400}[found[2]]
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="seconds")


def _row(one: dict[str, Any]) -> list[object]:
    assignee, text = one["assignee"], one["note"]
    return [
        one["key"],
        _count(one),
        one["first_seen"],
        one["last_seen"],
        assignee and assignee["operator"],
        text and text["text"],
    ]


def _render_group(one: dict[str, Any], leads: list[dict[str, Any]]) -> list[Renderable]:
    facts = {
        "count": _count(one),
        "since": one["first_seen"],
        "last": one["last_seen"],
        "assignee": one["assignee"] and one["assignee"]["operator"],
        "snoozed_until": one["snoozed_until"],
        "note": one["note"] and f"{one['note']['text']} ({one['note']['operator']})",
    }
    rendered: list[Renderable] = [table(("name", "value"), [pair for pair in facts.items() if pair[1]], one["key"])]
    if leads:
        names = ("lead_id", "received_at", "source", "name", "phone", "status")
        rendered.append(table(names, map(_lead_row, leads)))
    return rendered


def _lead_row(lead: dict[str, Any]) -> list[object]:
    person = lead["person"]
    return [
        *(lead[name] for name in ("lead_id", "received_at", "source")),
        person.get("full_name"),
        person.get("phone"),
        lead["status"],
    ]


def _count(one: dict[str, Any]) -> str:
    return f"{one['count']}{'' if one['is_complete'] else '+'}"


def _group_not_found() -> Exception:
    return not_found("The inbox has no such group. It may be solved.")
