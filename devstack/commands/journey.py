"""One sample lead on the running stack: its steps at the form, in leadbridge and at the partners."""

import json
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from devstack.commands.api import Answer, Operator, ask
from devstack.commands.samples import request_of, sample_event
from devstack.partners import partner_profiles
from devstack.sandbox.remote import Remote
from devstack.stack import Stack
from leadbridge.domain.clock import from_text
from leadbridge.partners.registry import all_kinds

LABELS = {kind.name: kind.label for kind in all_kinds()} | {"leeloo": "Leeloo"}
TIMEOUT = 90.0  # seconds for one sample
RUN = uuid4().hex[:8]  # people and ids are new in every run where a partner or a form recognizes them


@dataclass
class Journey:
    """What happens to one sample, and what is wrong."""

    stack: Stack
    secrets: dict[str, Any]  # of the sources
    title: str
    event: dict[str, Any]
    lead_id: str = ""  # after it was posted
    began: float = field(default_factory=time.time)
    lines: list[tuple[float, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.operator, self.partner = Operator(self.stack), Remote(self.stack.sandbox_url)

    @property
    def content(self) -> dict[str, Any]:
        return dict(json.loads(self.event["body"]))

    @property
    def lead(self) -> dict[str, Any]:
        return self.operator.lead(self.lead_id)

    def note(self, who: str, what: str, *, at: str | None = None) -> None:
        """Add a line; `at` is a time in RFC 3339, now if not given."""
        self.lines.append(((from_text(at).timestamp() if at else time.time()) - self.began, who, what))

    def expect(self, holds: bool, otherwise: str) -> None:
        if not holds:
            self.wrong.append(otherwise)

    def show(self, console: Console) -> None:
        mark, colour = ("✗", "red") if self.wrong else ("✓", "green")
        console.print(Text(f"\n{mark} ", style=f"bold {colour}") + Text(self.title, style="bold"))
        for seconds, who, what in sorted(self.lines, key=lambda line: line[0]):
            console.print(Text(f"  {seconds:+8.2f} s  ", style="dim") + Text(f"{who:<12}", style="cyan") + Text(what))
        for problem in self.wrong:
            console.print(Text(f"             wrong: {problem}", style="red"))

    def post(self, times: int = 1) -> list[Answer]:
        """Post the sample as its form does, several times at once if asked, and note the answers."""
        path, headers, body = request_of(self.event, self.secrets)
        url = self.stack.api_url + path
        with ThreadPoolExecutor(times) as pool:
            answers = list(pool.map(lambda _: ask("POST", url, headers=headers, body=body), range(times)))
        for answer in answers:
            result = answer.content["title" if answer.status >= 400 else "status"].lower()
            twice = ", the same lead again" if answer.content.get("duplicate") else ""
            self.note("form", f"posts it: {answer.status} {result}{twice} after {answer.seconds * 1000:.0f} ms")
            for error in answer.content.get("errors", []):
                self.note("leadbridge", f"{error['field']} {error['message']}")
        self.lead_id = str(answers[0].content.get("lead_id", ""))
        return answers

    def follow(self, *states: str, statuses: Collection[str] = ()) -> dict[str, Any]:
        """Wait until the delivery is in one of the states and statuses, then note the lead's whole timeline."""

        def is_there(lead: dict[str, Any]) -> bool:
            delivery = delivery_of(lead)
            return delivery["state"] in states and (not statuses or delivery["partner_status"] in statuses)

        lead = poll(lambda: self.lead, is_there)
        for entry in lead["timeline"]:
            if not entry["what"].startswith(("message_", "postback_")):
                partner, detail = entry["partner"], f": {entry['detail']}" if entry["detail"] else ""
                who = "leadbridge" if partner is None else LABELS.get(partner, partner)
                self.note(who, f"{entry['what'].replace('_', ' ')}{detail}", at=entry["at"])
        self.expect(is_there(lead), f"expected {' or '.join([*states, *statuses])}")
        return lead

    def arrive(self, partner: str, state: str, *, statuses: Collection[str] = ()) -> None:
        """Follow the lead to a state; the partner has it once, and the person has read of each change."""
        self.follow(state, statuses=statuses)
        self.expect_messages()
        self.expect_creates(partner, 1)

    def expect_messages(self) -> None:
        """Wait for a message about every status change after the first, and note the messages."""

        def count(what: str) -> int:
            return sum(entry["what"] == what for entry in self.lead["timeline"])

        number = max(0, count("status_changed") - 1)
        poll(lambda: count("message_sent"), lambda sent: sent >= number)
        read = [one for one in self.partner.rows("leeloo/messages", phone=f"+38{self.phone}") if self.is_ours(one)]
        for message in read:
            self.note("the person", f"reads «{message['text']}»", at=message["at"])
        self.expect(len(read) == number, f"expected {number} messages to the person, not {len(read)}")

    def expect_creates(self, partner: str, number: int, phone: str | None = None) -> None:
        """Compare with the create calls for the person in the partner's own log: none is made again after success."""
        profile = partner_profiles()[partner]
        person = {"phone": phone} if phone else {"phone": self.phone, "email": self.content["person"].get("email")}
        calls = [
            call
            for call in self.partner.calls(partner, "create")
            if profile.person_of(call).items() <= person.items() and self.is_ours(call)
        ]
        made = [call for call in calls if call.get(profile.id_field) is not None]
        self.note("sandbox", f"{partner} got {len(calls)} create call(s) and has it {len(made)} time(s)")
        self.expect(len(made) == number, f"expected {number} at {partner}")
        self.expect(len(calls) == 1, f"expected one create call at {partner}")

    @property
    def phone(self) -> str:
        digits = "".join(filter(str.isdigit, str(self.content["person"].get("phone", ""))))
        return f"0{digits[-9:]}"

    def is_ours(self, record: dict[str, Any]) -> bool:
        return from_text(record["at"]).timestamp() >= self.began - 1


def poll[T](read: Callable[[], T], holds: Callable[[T], bool], timeout: float = TIMEOUT) -> T:
    """Read until a condition holds, or until the timeout in seconds. Returns the last value."""
    deadline = time.monotonic() + timeout
    while not holds(value := read()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return value


def delivery_of(lead: dict[str, Any]) -> dict[str, Any]:
    """The delivery of a sample that no other one has followed."""
    return dict(min(lead["deliveries"].values(), key=lambda delivery: delivery["state"] == "rejected"))


def sample_of_this_run(name: str, source: str = "") -> dict[str, Any]:
    """A sample with an e-mail of this run, because the broker identifies people by it.

    For another source than its own it is a person of that source, with another phone.
    """
    event = sample_event(name)
    event["body"] = event["body"].replace("@example.com", f"+{RUN}{source and '.'}{source}@example.com")
    if source:
        phone = f"+38050{int(RUN, 16) % 10**7:07d}"
        event["body"] = event["body"].replace(json.loads(event["body"])["person"]["phone"], phone)
        event["pathParameters"] = {"source": source}
    return event
