"""`make run`: sample leads through the gateway of the local stack, and each one's journey to its end."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, starmap
from operator import itemgetter
from typing import Any
from uuid import uuid4

from rich.console import Console

from devstack.commands.journey import RUN, Journey, delivery_of, poll, sample_of_this_run
from devstack.partners import partner_profiles
from devstack.stack import Stack
from leadbridge.domain.clock import to_text, utc_now

COMPLETED_PHONE = "0500002045"  # the whole phone of the person in the sample `incomplete`
INCOMPLETE_ID = "4491823077"  # the form's id of that sample; a new one makes it a new lead
ALERT_TIMEOUT = 30.0  # seconds
LINKS = {"next_partner", "previous_partner"}  # in the timeline of a lead that is passed on
LAST_STATUSES = ("ACTIVE_CLIENT", "NO_POTENTIAL")


def delivered(journey: Journey) -> None:
    journey.post()
    journey.arrive("leadleader", "closed")


def redelivered(journey: Journey) -> None:
    answers = journey.post(times=3)
    ids = {answer.content["lead_id"] for answer in answers}
    journey.expect(len(ids) == 1, f"{len(ids)} leads were created")
    journey.expect(sorted(answer.status for answer in answers) == [200] * 2 + [202], "expected one 202 and two 200")
    journey.arrive("leadleader", "closed")


def invalid(journey: Journey) -> None:
    [answer] = journey.post()
    journey.expect(answer.status == 422 and bool(answer.content.get("errors")), "expected a 422 with errors")


def incomplete(journey: Journey) -> None:
    journey.event["body"] = journey.event["body"].replace(INCOMPLETE_ID, str(uuid4().int)[:10])
    [answer] = journey.post()
    is_kept = (answer.status, answer.content.get("status")) == (202, "incomplete")
    journey.expect(is_kept, "expected a 202 with the status incomplete")
    person = {"person": {"phone": COMPLETED_PHONE}}
    corrected = journey.operator.patch(f"/leads/{journey.lead_id}", person)
    journey.note("operator", f"corrects the phone: {corrected.status} {corrected.content.get('status')}")
    journey.expect(corrected.status == 200 and not corrected.content["problems"], "expected a complete lead")
    journey.follow("closed")
    journey.expect_creates("leadleader", 1, COMPLETED_PHONE)


def reply_lost(journey: Journey) -> None:
    match = {"clientInfo.telephone": journey.phone}
    journey.partner.arm("leadleader", "create", {"kind": "drop", "when": "after"}, match=match)
    journey.post()
    journey.follow("unknown")
    journey.note("leadbridge", "an operator must ask the partner; the lead is in the list of unknown leads")
    journey.expect_creates("leadleader", 1)


def partner_down(journey: Journey) -> None:
    partner = journey.partner
    fault = partner.arm("leadleader", "authorize", {"kind": "drop", "when": "before"}, times=None)
    journey.note("sandbox", "the partner becomes unavailable")
    journey.post()
    poll(lambda: delivery_of(journey.lead), lambda delivery: delivery["attempts"] >= 3)
    partner.disarm(fault)
    journey.note("sandbox", "the partner is available")
    journey.arrive("leadleader", "closed")


def trading(journey: Journey) -> None:
    journey.post()
    journey.arrive("matchtrade", "submitted", statuses=LAST_STATUSES)


def trading_reply_lost(journey: Journey) -> None:
    match = {"account.email": journey.content["person"]["email"]}
    journey.partner.arm("matchtrade", "create", {"kind": "drop", "when": "after"}, match=match)
    journey.post()
    journey.follow("submitted")
    journey.expect_creates("matchtrade", 1)


def refused(journey: Journey) -> None:
    """The first partner of the order refuses the person permanently, and the second one gets the lead."""
    source, person = journey.event["pathParameters"]["source"], journey.content["person"]
    route = journey.operator.post(f"/sources/{source}/route", journey.content).content
    journey.note("operator", f"tries the rules of {source}: {route['reason']}")
    first = str(route["partners"][0])
    profile = partner_profiles()[first]
    match = {profile.refused_field: person[profile.refused_by]}
    journey.partner.arm(first, "create", profile.refusing, match=match)
    journey.post()
    lead = journey.follow("submitted", "closed")
    (second,) = lead["deliveries"].keys() - {first}
    journey.expect(lead["deliveries"][first]["state"] == "rejected", f"expected that {first} rejects it")
    named = {data[key] for data in map(itemgetter("data"), lead["timeline"]) for key in LINKS & data.keys()}
    journey.expect(named == {first, second}, f"the timeline does not say why {second} gets it")
    journey.expect_creates(first, 0)
    journey.expect_creates(second, 1)


def postbacks(journey: Journey) -> None:
    click_id = f"click-{RUN}"
    journey.event["body"] = json.dumps({**journey.content, "ids": {"click_id": click_id}}, ensure_ascii=False)
    journey.post()
    journey.follow("closed")

    def is_settled(lead: dict[str, Any]) -> bool:
        return bool(lead["feedback"]) and not {one["state"] for one in lead["feedback"]} & {"pending", "sending"}

    sent = poll(lambda: journey.lead, is_settled)["feedback"]
    for one in sent:
        journey.note("leadbridge", f"postback {one['status']}: {one['state']}", at=one["created_at"])
    events = [one for one in journey.partner.rows("feedback/postbacks") if one["lead_id"] == journey.lead_id]
    for event in events:
        journey.note("tracker", f"{event['status']} for {event['click_id']}, {event['received']} ×", at=event["at"])
    journey.expect({one["click_id"] for one in events} == {click_id}, f"expected the click id {click_id}")
    journey.expect([one["status"] for one in events].count("sale") == 1, "expected one sale")
    in_order = [one["event_id"] for one in events] == [one["event_id"] for one in sent]
    journey.expect(in_order, "expected each event once, in order")


def alert(journey: Journey) -> None:
    """An alarm passes through its topic and queue, and today's digest is sent, to the sandbox's Telegram."""
    stack = journey.stack
    change = {
        "AlarmName": f"{stack.stack_name}-{RUN}",
        "AlarmDescription": "A partner has not accepted leads for an hour: docs/runbook.md#submit-lag",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "StateChangeTime": to_text(utc_now()),
    }
    stack.client("sns").publish(TopicArn=stack.output("AlarmTopicArn"), Message=json.dumps(change))
    journey.note("CloudWatch", "publishes an alarm to the topic (here, its message does)")
    digest = {"messageId": RUN, "receiptHandle": RUN, "body": json.dumps({"digest": utc_now().date().isoformat()})}
    name = f"{stack.stack_name}-send-alert"
    stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"Records": [digest]}))

    def found(mark: str) -> str:
        texts = [message["text"] for message in journey.partner.rows("telegram/messages")]
        return str(next((text for text in reversed(texts) if text.startswith(mark)), ""))

    for mark in ("🔴", "📊"):
        text = poll(lambda mark=mark: found(mark), bool, ALERT_TIMEOUT)  # type: ignore[misc]
        journey.expect(bool(text), f"expected a message with {mark}")
        for line in text.splitlines():
            journey.note("Telegram", line)


# Title, sample of events/receive_lead, source if that is not the sample's own, steps.
SAMPLES = (
    ("A valid lead becomes a deal and is followed to its final status", "good", "", delivered),
    ("The form posts the same lead three times at once: one lead, one deal", "warned", "", redelivered),
    ("An invalid lead is refused with an error for every wrong field", "invalid", "", invalid),
    ("Half a phone: the lead is kept, an operator completes it, it becomes a deal", "incomplete", "", incomplete),
    ("The partner's answer is lost: the delivery is unknown and not sent again", "reply_lost", "", reply_lost),
    ("A trading lead becomes an account, status changes are sent to the person", "trading", "", trading),
    ("The broker's answer is lost: no second account is created", "trading_reply_lost", "", trading_reply_lost),
    ("The first lender refuses a lead, the second one gets it", "partner_down", "local-lenders", refused),
    ("The broker that the weights choose refuses a lead, the next one gets it", "trading", "local-brokers", refused),
    ("The click id of a form goes to the tracker when the loan is issued", "good", "local-feedback", postbacks),
)
# One after the other: the fault of the first affects all leads.
AFTERWARDS = (
    ("The partner is unavailable: the lead is retried and arrives once", "partner_down", "", partner_down),
    ("An alarm and the daily digest are posted to Telegram", "good", "", alert),
)


def send_samples(stack: Stack, console: Console) -> bool:
    """Send all samples and print each result. Returns whether all are as expected."""
    secrets = stack.client("secretsmanager").get_secret_value(SecretId="leadbridge/sources")["SecretString"]

    def run(title: str, name: str, source: str, steps: Callable[[Journey], None]) -> Journey:
        journey = Journey(stack, json.loads(secrets), title, sample_of_this_run(name, source))
        steps(journey)
        return journey

    right, number = 0, 0
    with ThreadPoolExecutor(2) as pool:  # the emulator is slow to start many workers at once, AWS is not
        at_once = [pool.submit(run, *one) for one in SAMPLES]
        for journey in chain((one.result() for one in at_once), starmap(run, AFTERWARDS)):
            journey.show(console)
            right, number = right + (not journey.wrong), number + 1
    console.print(f"\n{right} of {number} samples ended as expected.", style="bold")
    return right == number
