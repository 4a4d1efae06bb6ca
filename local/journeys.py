"""`make run`: the local AWS in the foreground, sample leads through its gateway, and each one's journey to its end."""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from rich.console import Console
from rich.text import Text

from local.clients import forget_credentials
from local.form import Answer, Form, Operator
from local.home import DEVELOPER, LocalError
from local.samples import Sample, sample
from local.stack import Stack, stack_of_this_process
from sandbox.remote import Remote

PATIENCE = 90.0  # seconds that one journey may take
RUN = uuid4().hex[:8]  # the samples' ids are new in every run, so that a second run is no redelivery of the first


@dataclass
class Journey:
    """What happened to one sample, and whether it ended as it should."""

    title: str
    sample: Sample
    began: float = field(default_factory=time.time)
    lines: list[tuple[float, str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def note(self, who: str, what: str, *, at: float | None = None) -> None:
        """Add a line; `at` is a Unix time, now if not given."""
        self.lines.append(((at or time.time()) - self.began, who, what))

    def expect(self, holds: bool, otherwise: str) -> None:
        """Note what is not as it should be."""
        if not holds:
            self.wrong.append(otherwise)

    def show(self, console: Console) -> None:
        """Print the journey, step by step, in the order in which things happened."""
        mark, colour = ("✗", "red") if self.wrong else ("✓", "green")
        console.print(Text(f"\n{mark} ", style=f"bold {colour}") + Text(self.title, style="bold"))
        for seconds, who, what in sorted(self.lines, key=lambda line: line[0]):
            console.print(Text(f"  {seconds:+8.2f} s  ", style="dim") + Text(f"{who:<12}", style="cyan") + Text(what))
        for problem in self.wrong:
            console.print(Text(f"             it should be otherwise: {problem}", style="red"))


@dataclass(frozen=True)
class World:
    """The running stack, seen from all sides."""

    stack: Stack
    form: Form
    operator: Operator
    partner: Remote

    @classmethod
    def of(cls, stack: Stack) -> "World":
        """Everybody who has to do with a stack."""
        manager = stack.client("secretsmanager")
        sources = json.loads(manager.get_secret_value(SecretId="leadbridge/sources")["SecretString"])
        form = Form(stack, sources["web"]["secrets"][0])
        return cls(stack, form, Operator(stack), Remote(stack.sandbox_url))

    def post(self, journey: Journey) -> Answer:
        """Post the sample and note the answer."""
        answer = self.form.post(journey.sample.body, f"{journey.sample.message_id}_{RUN}")
        said = answer.content["title" if answer.status >= 400 else "status"].lower()
        twice = ", the same lead again" if answer.content.get("duplicate") else ""
        journey.note("form", f"posts it and hears {answer.status} {said}{twice} after {answer.seconds * 1000:.0f} ms")
        return answer

    def follow(self, journey: Journey, lead_id: str, *states: str) -> dict[str, Any]:
        """Wait until the delivery is in one of the states, then note the lead's whole timeline."""
        lead = self.wait(lead_id, lambda delivery: delivery["state"] in states)
        for entry in lead["timeline"]:
            if not entry["what"].startswith("message_"):
                who = "leadbridge" if entry["partner"] is None else "Lead Leader"
                journey.note(who, spoken(entry), at=time_of(entry["at"]))
        state = lead["deliveries"]["leadleader"]["state"]
        journey.expect(state in states, f"the delivery is {state} and not {' or '.join(states)}")
        return lead

    def wait(self, lead_id: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Ask for a lead until its delivery is as wanted, or patience ends; return the lead."""
        deadline = time.monotonic() + PATIENCE
        while True:
            lead = self.operator.lead(lead_id)
            if holds(lead["deliveries"]["leadleader"]) or time.monotonic() > deadline:
                return lead
            time.sleep(0.1)

    def expect_messages(self, journey: Journey, lead_id: str) -> None:
        """Wait until the person has heard of every change after the first status, and note what they read."""
        number = max(0, sum(what == "status_changed" for what in self.timeline(lead_id)) - 1)
        deadline = time.monotonic() + PATIENCE
        while self.timeline(lead_id).count("message_sent") < number and time.monotonic() < deadline:
            time.sleep(0.1)
        phone = f"+38{journey.sample.partner_phone}"
        read = [one for one in self.partner.messages(phone=phone) if time_of(one["at"]) >= journey.began - 1]
        for message in read:
            journey.note("the person", f"reads «{message['text']}»", at=time_of(message["at"]))
        journey.expect(len(read) == number, f"the person should have read {number} and not {len(read)} messages")

    def timeline(self, lead_id: str) -> list[str]:
        """What happened to a lead so far."""
        return [entry["what"] for entry in self.operator.lead(lead_id)["timeline"]]

    def expect_deals(self, journey: Journey, number: int) -> None:
        """Compare with the partner's own books."""
        calls = self.partner.calls("leadleader", "create")
        ours = [call for call in calls if call.get("telephone") == journey.sample.partner_phone]
        made = [call for call in ours if call.get("deal_id") is not None and time_of(call["at"]) >= journey.began - 1]
        journey.note("sandbox", f"the partner's own log has {len(made)} deal{'' if len(made) == 1 else 's'} for it")
        journey.expect(len(made) == number, f"the partner should have {number}")


def good(world: World) -> Journey:
    journey = Journey("A good lead becomes a deal and is followed to its end", sample("good"))
    lead = world.follow(journey, str(world.post(journey).content["lead_id"]), "closed")
    world.expect_messages(journey, lead["lead_id"])
    world.expect_deals(journey, 1)
    return journey


def redelivered(world: World) -> Journey:
    journey = Journey("The form posts the same lead three times at once: one lead, one deal", sample("warned"))
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: world.post(journey), range(3)))
    ids = {str(answer.content["lead_id"]) for answer in answers}
    journey.expect(len(ids) == 1, f"{len(ids)} leads were made")
    journey.expect(sorted(answer.status for answer in answers) == [200] * 2 + [202], "one 202 and two 200 were due")
    lead = world.follow(journey, ids.pop(), "closed")
    world.expect_messages(journey, lead["lead_id"])
    world.expect_deals(journey, 1)
    return journey


def invalid(world: World) -> Journey:
    journey = Journey("An invalid lead is refused, and every wrong field named", sample("invalid"))
    answer = world.post(journey)
    for error in answer.content.get("errors", []):
        journey.note("leadbridge", f"{error['field']} {error['message']}")
    journey.expect(answer.status == 422 and bool(answer.content.get("errors")), "a 422 with its errors was due")
    return journey


def exact(world: World) -> Journey:
    journey = Journey("Sixteen digits arrive to the last one, and the bank declines", sample("large_amount"))
    lead = world.follow(journey, str(world.post(journey).content["lead_id"]), "closed")
    world.expect_messages(journey, lead["lead_id"])
    calls = world.partner.calls("leadleader", "create")
    sent = [call["summa"] for call in calls if call.get("telephone") == journey.sample.partner_phone]
    wanted = str(journey.sample.lead["loan"]["amount"])
    journey.note("sandbox", f"the partner has read {sent[-1] if sent else 'nothing'}")
    journey.expect(bool(sent) and sent[-1] in journey.sample.body, f"{wanted} was due")
    return journey


def reply_lost(world: World) -> Journey:
    journey = Journey("The partner's reply is lost: nobody knows, so it is not sent again", sample("reply_lost"))
    match = {"clientInfo.telephone": journey.sample.partner_phone}
    world.partner.arm("leadleader", "create", {"kind": "drop", "when": "after"}, match=match)
    world.follow(journey, str(world.post(journey).content["lead_id"]), "unknown")
    journey.note("leadbridge", "an operator has to ask the partner; the lead stands in their list")
    world.expect_deals(journey, 1)
    return journey


def partner_down(world: World) -> Journey:
    journey = Journey("The partner is down for a while: the lead waits and arrives once", sample("partner_down"))
    fault = world.partner.arm("leadleader", "authorize", {"kind": "drop", "when": "before"}, times=None)
    journey.note("sandbox", "the partner goes away")
    lead_id = str(world.post(journey).content["lead_id"])
    world.wait(lead_id, lambda delivery: delivery["attempts"] >= 3)
    world.partner.disarm(fault)
    journey.note("sandbox", "the partner is back")
    world.follow(journey, lead_id, "closed")
    world.expect_messages(journey, lead_id)
    world.expect_deals(journey, 1)
    return journey


TOGETHER = (good, redelivered, invalid, exact, reply_lost)
AFTERWARDS = (partner_down,)  # it takes the partner away from everybody


def spoken(entry: dict[str, Any]) -> str:
    """A timeline entry in words."""
    words = {
        "received": "stores it",
        "submitting": "is called",
        "submitted": "has it",
        "attempt_failed": "could not take it",
        "status_changed": "says",
        "unknown": "may or may not have it",
    }
    detail = f": {entry['detail']}" if entry["detail"] else ""
    return f"{words.get(entry['what'], entry['what'])}{detail}"


def time_of(text: str) -> float:
    """A Unix time from RFC 3339."""
    from leadbridge.clock import from_text

    return from_text(text).timestamp()


def travel(world: World, console: Console) -> bool:
    """Send all samples on their way and show each journey as it ends; whether all ended as they should."""
    ended = []
    with ThreadPoolExecutor(2) as pool:  # the emulator is slow to start many workers at once, AWS is not
        for waiting in [pool.submit(journey, world) for journey in TOGETHER]:
            ended.append(waiting.result())
            ended[-1].show(console)
    for journey in AFTERWARDS:
        ended.append(journey(world))
        ended[-1].show(console)
    right = [journey for journey in ended if not journey.wrong]
    console.print(f"\n{len(right)} of {len(ended)} sample leads ended as they should.", style="bold")
    return len(right) == len(ended)


def main() -> int:
    """Start (or meet) the developer's stack, show the journeys, and stay in a terminal until Ctrl-C."""
    forget_credentials()
    stay = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    try:
        with stack_of_this_process(DEVELOPER) as stack:
            console.print(f"The stack is up after {time.monotonic() - began:.0f} s. Six leads are on their way.")
            all_right = travel(World.of(stack), console)
            console.print(f"\n  the partner's page  {stack.sandbox_url}/")
            console.print(f"  the API             {stack.api_url}   (the operator's token is in .local/stack.json)")
            if sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI"):
                console.print("\nIt stays up until Ctrl-C.")
                stay.wait()
    except LocalError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 0 if "all_right" in locals() and all_right else 130
    return 0 if all_right else 1


if __name__ == "__main__":
    sys.exit(main())
