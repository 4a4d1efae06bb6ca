"""The sample leads of `events/receive_lead/`, as a form would post them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from devstack.workdir import PROJECT

EVENTS = PROJECT / "events" / "receive_lead"


@dataclass(frozen=True)
class Sample:
    """One sample: its name, the source that posts it, the form's own id of it, its body."""

    name: str
    source: str
    message_id: str
    body: str

    @property
    def lead(self) -> dict[str, Any]:
        """The body as JSON."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def partner_phone(self) -> str:
        """The phone as Lead Leader gets it."""
        digits = "".join(filter(str.isdigit, str(self.lead["person"].get("phone", ""))))
        return f"0{digits[-9:]}"


def sample_event(name: str) -> dict[str, Any]:
    """Read the event of one sample."""
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text(encoding="utf-8"))
    return event


def sample(name: str) -> Sample:
    """Read one sample of a Standard Webhooks source."""
    event = sample_event(name)
    return Sample(name, event["pathParameters"]["source"], event["headers"]["webhook-id"], event["body"])


def sample_names() -> list[str]:
    """Return the names of all samples."""
    return sorted(path.stem for path in EVENTS.glob("*.json"))


def unknown(variable: str, value: str, known: Iterable[str]) -> str:
    """Return a sentence for a wrong value of a variable of make: the values that are close to it, else all."""
    known = list(known)
    close = get_close_matches(value, known)
    return f"There is no {variable}={value}. {'Did you mean' if close else 'Use one of'}: {', '.join(close or known)}."
