"""Corrections of a lead's fields: the request's body, and what the answer says about it."""

from collections.abc import Iterable, Sequence
from typing import Any

from leadbridge_cli.exit_codes import usage_error
from leadbridge_cli.key_values import parse_pairs
from leadbridge_cli.output import Renderable, line, problem_table


def parse_correction(values: Sequence[str], remove: Sequence[str]) -> dict[str, dict[str, str | None]]:
    """Return the fields by section; None removes a field. Raises Failure."""
    changes: dict[str, str | None] = {**parse_pairs(values, "FIELD=VALUE")}
    if twice := changes.keys() & {*remove}:
        raise usage_error(f"{', '.join(sorted(twice))}: give a value or --remove, not both.")
    changes |= dict.fromkeys(remove)
    if not changes:
        raise usage_error("Give at least one FIELD=VALUE or --remove FIELD.")
    body: dict[str, dict[str, str | None]] = {}
    for path, value in changes.items():
        section, dot, name = path.partition(".")
        if not (section and dot and name):
            raise usage_error(f"{path!r} is not a field. Use its section and name, such as person.phone.")
        body.setdefault(section, {})[name] = value
    return body


def summarize_correction(lead: dict[str, Any]) -> dict[str, Any]:
    """Return a corrected lead's state without personal data: what changed, the problems, the deliveries' states."""
    return {
        "lead_id": lead["lead_id"],
        "status": lead["status"],
        "corrected": lead["corrected"],
        "problems": lead.get("problems") or [],
        "deliveries": {partner: each.get("state") for partner, each in (lead.get("deliveries") or {}).items()},
    }


def render_correction(summary: dict[str, Any]) -> Iterable[Renderable]:
    """Yield what was corrected, the new status, and the problems that remain."""
    changed = f"{', '.join(summary['corrected'])} corrected" if summary["corrected"] else "nothing has changed"
    yield line(f"{summary['lead_id']}: {changed}; the lead is {summary['status']}.")
    for partner, state in summary["deliveries"].items():
        yield line(f"{partner} is {state}.")
    if summary["problems"]:
        yield problem_table(summary["problems"])
