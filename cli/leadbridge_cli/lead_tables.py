"""Leads as text: the list, one lead, and a change of one."""

from collections.abc import Iterable
from typing import Any

from leadbridge_cli.output import (
    Renderable,
    entry_details,
    error_meaning,
    first_that_fits,
    flatten,
    line,
    problem_table,
    short_time,
    table,
)


def lead_table(leads: list[dict[str, Any]]) -> Renderable:
    """Return the list: a line for each lead, in a narrow terminal several."""
    wide = ("received", "lead", "source", "status", "name", "phone", "deliveries, problems")
    narrow = ("lead, person", "received, status, source, deliveries, problems")
    return first_that_fits(table(wide, map(_wide, leads)), table(narrow, map(_narrow, leads)))


def lead_tables(lead: dict[str, Any]) -> Iterable[Renderable]:
    """Yield the tables of one lead: its fields, its problems, its deliveries, its timeline."""
    own = {name: value for name, value in lead.items() if name not in {"deliveries", "timeline", "problems"}}
    yield table(("field", "value"), flatten(own))
    if lead.get("problems"):
        yield problem_table(lead["problems"])
    for partner, delivery in deliveries_of(lead):
        explained = {"last_error_meaning": error_meaning(delivery.get("last_error_code"))}
        yield table(("delivery", "value"), flatten({**delivery, **explained}), title=partner)
    entries = lead.get("timeline") or []
    names = ("at", "what", "partner")
    rows = ([*(entry.get(name) for name in names), entry_details(entry)] for entry in entries)
    yield table((*names, "facts"), rows, title="timeline")


def change_line(lead: dict[str, Any]) -> Renderable:
    """Return a lead as one line."""
    received, *others = _wide(lead)
    return line("  ".join(str(each) for each in (short_time(received), *others) if each))


def deliveries_of(lead: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return the partners of a lead and its deliveries."""
    found = lead.get("deliveries")
    return [*found.items()] if isinstance(found, dict) else []


def _wide(lead: dict[str, Any]) -> list[object]:
    person = lead.get("person") or {}
    name = "(erased)" if lead.get("erased_at") else person.get("full_name")
    fields = (lead[name] for name in ("received_at", "lead_id", "source", "status"))
    return [*fields, name, person.get("phone"), ", ".join(_states(lead))]


def _narrow(lead: dict[str, Any]) -> list[object]:
    received, lead_id, source, status, name, phone, _ = _wide(lead)
    return [(lead_id, name, phone), (f"{short_time(received)}  {status}  {source}", *_states(lead))]


def _states(lead: dict[str, Any]) -> list[str]:
    """Return the state of each delivery, else each problem."""
    states = [_delivery_summary(name, each) for name, each in deliveries_of(lead)]
    return states or [f"{each.get('field')} {each.get('code')}" for each in lead.get("problems") or []]


def _delivery_summary(partner: str, delivery: dict[str, Any]) -> str:
    outcome = delivery.get("outcome") or delivery.get("partner_status")
    needs = delivery.get("attention") or delivery.get("last_error_code")
    return f"{partner}: {delivery.get('state')}{f' ({outcome})' if outcome else ''}{f' – {needs}' if needs else ''}"
