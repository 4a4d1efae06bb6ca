"""One sample lead on the running stack: events at the form, in leadbridge and at the partners."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from devstack.commands.form import Answer, Form, Operator, ask
from devstack.commands.samples import Sample, sample
from devstack.commands.send import request_of
from devstack.partners import partner_profiles
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from leadbridge.domain.clock import from_text
from leadbridge.partners.registry import all_kinds, kind_named

LABELS = {kind.name: kind.label for kind in all_kinds()} | {"leeloo": "Leeloo"}
TIMEOUT = 90.0  # seconds for one sample
RUN = uuid4().hex[:8]  # the samples' ids are new in every run, so that a second run is no redelivery of the first


def poll[T](read: Callable[[], T], holds: Callable[[T], bool], timeout: float = TIMEOUT) -> T:
    """Read until a condition holds, or until the timeout in seconds. Returns the last value."""
    deadline = time.monotonic() + timeout
    while not holds(value := read()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


@dataclass
class Journey:
    """The events of one sample, and what is wrong."""

    title: str
    sample: Sample
    began: float = field(default_factory=time.time)
    lines: list[tuple[float, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, who: str, what: str, *, at: float | None = None) -> None:
        """Add a line; `at` is a Unix time, now if not given."""
        self.lines.append(((at or time.time()) - self.began, who, what))

    def expect(self, holds: bool, otherwise: str) -> None:
        """Record an unmet expectation."""
        if not holds:
            self.wrong.append(otherwise)

    def show(self, console: Console) -> None:
        """Print the events in order."""
        mark, colour = ("✗", "red") if self.wrong else ("✓", "green")
        console.print(Text(f"\n{mark} ", style=f"bold {colour}") + Text(self.title, style="bold"))
        for seconds, who, what in sorted(self.lines, key=lambda line: line[0]):
            console.print(Text(f"  {seconds:+8.2f} s  ", style="dim") + Text(f"{who:<12}", style="cyan") + Text(what))
        for problem in self.wrong:
            console.print(Text(f"             wrong: {problem}", style="red"))


@dataclass(frozen=True)
class World:
    """The running stack with its forms, operator and partners."""

    stack: Stack
    forms: dict[str, Form]
    secrets: dict[str, Any]
    operator: Operator
    partner: Remote

    @classmethod
    def of(cls, stack: Stack) -> "World":
        manager = stack.client("secretsmanager")
        sources = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
        forms = {name: Form(stack, one["secrets"][0], name) for name, one in sources.items() if one.get("secrets")}
        return cls(stack, forms, sources, Operator(stack), Remote(stack.sandbox_url))

    def post(self, journey: Journey) -> Answer:
        """Post the sample and note the answer."""
        answer = self.forms[journey.sample.source].post(journey.sample.body, f"{journey.sample.message_id}_{RUN}")
        result = answer.content["title" if answer.status >= 400 else "status"].lower()
        twice = ", the same lead again" if answer.content.get("duplicate") else ""
        journey.note("form", f"posts it: {answer.status} {result}{twice} after {answer.seconds * 1000:.0f} ms")
        return answer

    def post_event(self, journey: Journey, replaced: tuple[str, str]) -> Answer:
        """Post the sample of any source, with a text of its body replaced, and note the answer."""
        address, headers, body = request_of(journey.sample.name, self.secrets, replaced)
        answer = ask("POST", f"{self.stack.api_url}{address}", headers=headers, body=body)
        journey.note("form", f"posts it: {answer.status} {answer.content.get('status')}")
        return answer

    def follow(self, journey: Journey, lead_id: str, *states: str) -> dict[str, Any]:
        """Wait until the delivery is in one of the states, then note the lead's whole timeline."""
        lead = self.wait(lead_id, lambda delivery: delivery["state"] in states)
        journey.expect(self.note_timeline(journey, lead) in states, f"expected state {' or '.join(states)}")
        return lead

    def note_timeline(self, journey: Journey, lead: dict[str, Any]) -> str:
        """Note a lead's whole timeline; return its delivery's state."""
        for entry in lead["timeline"]:
            if not entry["what"].startswith(("message_", "postback_")):
                partner = entry["partner"]
                who = "leadbridge" if partner is None else LABELS.get(partner, partner)
                journey.note(who, entry_text(entry), at=time_of(entry["at"]))
        return str(delivery_of(lead)["state"])

    def wait(self, lead_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Read a lead until a condition holds, or until the timeout. Returns the lead."""
        return poll(lambda: self.operator.lead(lead_id), lambda lead: holds(delivery_of(lead)))

    def wait_for_postbacks(self, lead_id: str) -> dict[str, Any]:
        """Read a lead until none of its postbacks waits, or until the timeout. Returns the lead."""

        def is_settled(lead: dict[str, Any]) -> bool:
            states = {one["state"] for one in lead["feedback"]}
            return bool(states) and not states & {"pending", "sending"}

        return poll(lambda: self.operator.lead(lead_id), is_settled)

    def expect_messages(self, journey: Journey, lead_id: str) -> None:
        """Wait for a message about every status change after the first, and note the messages."""
        number = max(0, sum(what == "status_changed" for what in self.timeline(lead_id)) - 1)
        poll(lambda: self.timeline(lead_id), lambda timeline: timeline.count("message_sent") >= number)
        phone = f"+38{journey.sample.partner_phone}"
        read = [one for one in self.partner.messages(phone=phone) if time_of(one["at"]) >= journey.began - 1]
        for message in read:
            journey.note("the person", f"reads «{message['text']}»", at=time_of(message["at"]))
        journey.expect(len(read) == number, f"expected {number} messages to the person, not {len(read)}")

    def first_partner(self, journey: Journey) -> str:
        """Return the partner that would get the sample first, as the dry run of its source's routing rules says."""
        answer = self.operator.post(f"/sources/{journey.sample.source}/route", journey.sample.lead).content
        journey.note("operator", f"tries the rules of {journey.sample.source}: {answer['reason']}")
        return str(answer["partners"][0])

    def expect_creates(self, journey: Journey, partner: str, number: int) -> None:
        """Compare with the successful create calls for the sample's person in a partner's own log."""
        profile = partner_profiles()[partner]
        person = {"phone": journey.sample.partner_phone, "email": journey.sample.lead["person"]["email"]}.items()
        calls = [call for call in self.partner.calls(partner, "create") if profile.person_of(call).items() <= person]
        made = [call for call in calls if call.get(kind_named(profile.kind).id.field) is not None]
        journey.note("sandbox", f"{partner} got {len(calls)} create call(s) and has it {len(made)} time(s)")
        journey.expect(len(made) == number, f"expected {number} at {partner}")

    def timeline(self, lead_id: str) -> list[str]:
        """What happened to a lead so far."""
        return [entry["what"] for entry in self.operator.lead(lead_id)["timeline"]]

    def expect_deals(self, journey: Journey, number: int, phone: str | None = None) -> None:
        """Compare with the partner's own records of the sample's phone, or of another."""
        calls = self.partner.calls("leadleader", "create")
        ours = [call for call in calls if call.get("telephone") == (phone or journey.sample.partner_phone)]
        made = [call for call in ours if call.get("deal_id") is not None and time_of(call["at"]) >= journey.began - 1]
        journey.note("sandbox", f"the partner's own log has {len(made)} deal{'' if len(made) == 1 else 's'} for it")
        journey.expect(len(made) == number, f"expected {number} deals at the partner")

    def expect_accounts(self, journey: Journey, number: int) -> None:
        """Compare with the broker's own records."""
        email = journey.sample.lead["person"]["email"]
        creates = [call for call in self.partner.calls("matchtrade", "create") if call.get("email") == email]
        made = self.partner.accounts(email)
        journey.note("sandbox", f"the broker has {len(made)} account for it, from {len(creates)} create call(s)")
        journey.expect(len(made) == len(creates) == number, f"expected {number} account and as many create calls")


def delivery_of(lead: dict[str, Any]) -> dict[str, Any]:
    """The delivery of a sample that no other one has followed."""
    return dict(min(lead["deliveries"].values(), key=lambda delivery: delivery["state"] == "rejected"))


def of_this_run(name: str) -> Sample:
    """A sample with an e-mail of this run, because the broker identifies people by it."""
    found = sample(name)
    return replace(found, body=found.body.replace("@example.com", f"+{RUN}@example.com"))


def of_another_person(name: str, source: str) -> Sample:
    """A sample of this run with a phone and an e-mail of its own, posted to another source."""
    found = of_this_run(name)
    body = found.body.replace(found.lead["person"]["phone"], f"+38050{int(RUN, 16) % 10**7:07d}")
    body = body.replace(f"+{RUN}@", f"+{RUN}.{source}@")
    return replace(found, source=source, message_id=f"{found.message_id}_{source}", body=body)


def entry_text(entry: dict[str, Any]) -> str:
    """A timeline entry as text."""
    words = {
        "received": "stored",
        "submitting": "is called",
        "submitted": "has the lead",
        "attempt_failed": "failed",
        "status_changed": "new status",
        "unknown": "may have the lead",
        "attempt_uncertain": "may have the lead; it will be asked",
        "rejected": "refuses the lead",
        "fallback": "gets the lead next",
    }
    detail = f": {entry['detail']}" if entry["detail"] else ""
    return f"{words.get(entry['what'], entry['what'])}{detail}"


def time_of(text: str) -> float:
    """A Unix time from RFC 3339."""
    return from_text(text).timestamp()
