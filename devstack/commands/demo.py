"""`make run`: the local AWS in the foreground, sample leads through its gateway, and each one's journey to its end."""

import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

from rich.console import Console

from devstack.clients import forget_credentials
from devstack.commands.journey import RUN, Journey, World, delivery_of, of_another_person, of_this_run, poll, time_of
from devstack.commands.samples import Sample, sample, sample_event
from devstack.partners import partner_profiles
from devstack.stack import HOW_LONG, stack_of_this_process
from devstack.workdir import DEVELOPER, LocalError
from leadbridge.domain.clock import to_text, utc_now

COMPLETED_PHONE = "0500002045"  # the whole phone of the person in the sample `incomplete`
INCOMPLETE_ID = "4491823077"  # the form's id of that sample; a new one makes it a new lead
ALERT_TIMEOUT = 30.0  # seconds
LAST_STATUSES = ("ACTIVE_CLIENT", "NO_POTENTIAL")


def good(world: World) -> Journey:
    journey = Journey("A valid lead becomes a deal and is followed to its final status", sample("good"))
    lead = world.follow(journey, str(world.post(journey).content["lead_id"]), "closed")
    world.expect_messages(journey, lead["lead_id"])
    world.expect_deals(journey, 1)
    return journey


def redelivered(world: World) -> Journey:
    journey = Journey("The form posts the same lead three times at once: one lead, one deal", sample("warned"))
    with ThreadPoolExecutor(3) as pool:
        answers = list(pool.map(lambda _: world.post(journey), range(3)))
    ids = {str(answer.content["lead_id"]) for answer in answers}
    journey.expect(len(ids) == 1, f"{len(ids)} leads were created")
    journey.expect(sorted(answer.status for answer in answers) == [200] * 2 + [202], "expected one 202 and two 200")
    lead = world.follow(journey, ids.pop(), "closed")
    world.expect_messages(journey, lead["lead_id"])
    world.expect_deals(journey, 1)
    return journey


def invalid(world: World) -> Journey:
    journey = Journey("An invalid lead is refused with an error for every wrong field", sample("invalid"))
    answer = world.post(journey)
    for error in answer.content.get("errors", []):
        journey.note("leadbridge", f"{error['field']} {error['message']}")
    journey.expect(answer.status == 422 and bool(answer.content.get("errors")), "expected a 422 with errors")
    return journey


def incomplete(world: World) -> Journey:
    title = "A form sends half a phone: the lead is kept, an operator completes it, and it becomes a deal"
    event = sample_event("incomplete")
    journey = Journey(title, Sample("incomplete", event["pathParameters"]["source"], "", "{}"))
    answer = world.post_event(journey, (INCOMPLETE_ID, str(uuid4().int)[:10]))
    for error in answer.content.get("errors", []):
        journey.note("leadbridge", f"{error['field']} {error['message']}")
    is_kept = (answer.status, answer.content.get("status")) == (202, "incomplete")
    journey.expect(is_kept, "expected a 202 with the status incomplete")
    lead_id = str(answer.content["lead_id"])
    corrected = world.operator.patch(f"/leads/{lead_id}", {"person": {"phone": COMPLETED_PHONE}})
    journey.note("operator", f"corrects the phone: {corrected.status} {corrected.content.get('status')}")
    journey.expect(corrected.status == 200 and not corrected.content["problems"], "expected a complete lead")
    world.follow(journey, lead_id, "closed")
    world.expect_deals(journey, 1, COMPLETED_PHONE)
    return journey


def exact(world: World) -> Journey:
    journey = Journey("An amount of sixteen digits arrives exactly, and the bank declines", sample("large_amount"))
    lead = world.follow(journey, str(world.post(journey).content["lead_id"]), "closed")
    world.expect_messages(journey, lead["lead_id"])
    calls = world.partner.calls("leadleader", "create")
    sent = [call["summa"] for call in calls if call.get("telephone") == journey.sample.partner_phone]
    wanted = str(journey.sample.lead["loan"]["amount"])
    journey.note("sandbox", f"the partner received {sent[-1] if sent else 'nothing'}")
    journey.expect(bool(sent) and sent[-1] in journey.sample.body, f"expected {wanted}")
    return journey


def reply_lost(world: World) -> Journey:
    journey = Journey("The partner's answer is lost: the delivery is unknown and not sent again", sample("reply_lost"))
    match = {"clientInfo.telephone": journey.sample.partner_phone}
    world.partner.arm("leadleader", "create", {"kind": "drop", "when": "after"}, match=match)
    world.follow(journey, str(world.post(journey).content["lead_id"]), "unknown")
    journey.note("leadbridge", "an operator must ask the partner; the lead is in the list of unknown leads")
    world.expect_deals(journey, 1)
    return journey


def partner_down(world: World) -> Journey:
    journey = Journey("The partner is unavailable: the lead is retried and arrives once", sample("partner_down"))
    fault = world.partner.arm("leadleader", "authorize", {"kind": "drop", "when": "before"}, times=None)
    journey.note("sandbox", "the partner becomes unavailable")
    lead_id = str(world.post(journey).content["lead_id"])
    world.wait(lead_id, lambda delivery: delivery["attempts"] >= 3)
    world.partner.disarm(fault)
    journey.note("sandbox", "the partner is available")
    world.follow(journey, lead_id, "closed")
    world.expect_messages(journey, lead_id)
    world.expect_deals(journey, 1)
    return journey


def trading(world: World) -> Journey:
    title = "A trading lead becomes an account, and status changes are sent to the person"
    journey = Journey(title, of_this_run("trading"))
    lead_id = str(world.post(journey).content["lead_id"])
    lead = world.wait(lead_id, lambda delivery: delivery["partner_status"] in LAST_STATUSES)
    journey.expect(world.note_timeline(journey, lead) == "submitted", "expected state submitted")
    status = delivery_of(lead)["partner_status"]
    journey.expect(status in LAST_STATUSES, f"expected a final status, not {status}")
    world.expect_messages(journey, lead_id)
    world.expect_accounts(journey, 1)
    return journey


def trading_reply_lost(world: World) -> Journey:
    journey = Journey(
        "The broker's answer is lost: the account is looked up, not created twice",
        of_this_run("trading_reply_lost"),
    )
    match = {"account.email": journey.sample.lead["person"]["email"]}
    world.partner.arm("matchtrade", "create", {"kind": "drop", "when": "after"}, match=match)
    world.follow(journey, str(world.post(journey).content["lead_id"]), "submitted")
    world.expect_accounts(journey, 1)
    return journey


def refused(world: World, journey: Journey) -> Journey:
    """The first partner of the order refuses the person permanently, and the second one gets the lead."""
    first = world.first_partner(journey)
    profile = partner_profiles()[first]
    person = journey.sample.lead["person"]
    world.partner.arm(first, "create", profile.refusing, match={profile.refused_field: person[profile.refused_by]})
    lead_id = str(world.post(journey).content["lead_id"])
    lead = world.follow(journey, lead_id, "submitted", "closed")
    (second,) = lead["deliveries"].keys() - {first}
    journey.expect(lead["deliveries"][first]["state"] == "rejected", f"expected that {first} rejects it")
    steps = {(entry["what"], entry["partner"]): entry["data"] for entry in lead["timeline"]}
    next_one = steps.get(("rejected", first), {}).get("next_partner")
    journey.expect(next_one == second, f"the timeline does not say that {second} is next")
    previous = steps.get(("fallback", second), {}).get("previous_partner")
    journey.expect(previous == first, f"the timeline does not say why {second} gets it")
    world.expect_creates(journey, first, 0)
    world.expect_creates(journey, second, 1)
    return journey


def lender_refuses(world: World) -> Journey:
    title = "The first lender refuses a lead, and the second lender gets it"
    return refused(world, Journey(title, of_another_person("partner_down", "local-lenders")))


def broker_refuses(world: World) -> Journey:
    title = "The broker that the weights choose refuses a lead, and the next broker gets it"
    return refused(world, Journey(title, of_another_person("trading", "local-brokers")))


def postbacks(world: World) -> Journey:
    title = "A click id comes with a form, and goes to the tracker when the loan is issued"
    found = of_another_person("good", "local-feedback")
    click_id = f"click-{RUN}"
    content = {**found.lead, "ids": {"click_id": click_id}}
    journey = Journey(title, replace(found, body=json.dumps(content, ensure_ascii=False)))
    lead_id = str(world.post(journey).content["lead_id"])
    world.follow(journey, lead_id, "closed")
    lead = world.wait_for_postbacks(lead_id)
    for one in lead["feedback"]:
        journey.note("leadbridge", f"postback {one['status']}: {one['state']}", at=time_of(one["created_at"]))
    events = [one for one in world.partner.postbacks() if one["lead_id"] == lead_id]
    for event in events:
        times = f"{event['received']} time{'' if event['received'] == 1 else 's'}"
        journey.note("tracker", f"{event['status']} for {event['click_id']}, {times}", at=time_of(event["at"]))
    journey.expect({one["click_id"] for one in events} == {click_id}, f"expected the click id {click_id}")
    statuses = [one["status"] for one in events]
    journey.expect(statuses[-1:] == ["sale"] and statuses.count("sale") == 1, f"expected one sale, not {statuses}")
    wanted = [one["event_id"] for one in lead["feedback"]]
    journey.expect([one["event_id"] for one in events] == wanted, "expected each event once, in order")
    return journey


def alert(world: World) -> Journey:
    """An alarm passes through its topic and queue, and today's digest is sent, to the sandbox's Telegram."""
    journey = Journey("An alarm and the daily digest are posted to Telegram", sample("good"))
    stack = world.stack
    [described] = stack.client("cloudformation").describe_stacks(StackName=stack.stack_name)["Stacks"]
    [topic] = [one["OutputValue"] for one in described["Outputs"] if one["OutputKey"] == "AlarmTopicArn"]
    change = {
        "AlarmName": f"{stack.stack_name}-{RUN}",
        "AlarmDescription": "A partner has not accepted leads for an hour: docs/runbook.md#submit-lag",
        "NewStateValue": "ALARM",
        "OldStateValue": "OK",
        "StateChangeTime": to_text(utc_now()),
    }
    stack.client("sns").publish(TopicArn=topic, Message=json.dumps(change))
    journey.note("CloudWatch", "publishes an alarm to the topic (here, its message does)")
    digest = {"messageId": RUN, "receiptHandle": RUN, "body": json.dumps({"digest": utc_now().date().isoformat()})}
    name = f"{stack.stack_name}-send-alert"
    stack.client("lambda").invoke(FunctionName=name, Payload=json.dumps({"Records": [digest]}))
    wanted = ("🔴", "📊")
    texts = poll(
        lambda: [message["text"] for message in world.partner.alerts()],
        lambda texts: all(any(text.startswith(mark) for text in texts) for mark in wanted),
        ALERT_TIMEOUT,
    )
    for mark in wanted:
        found = [text for text in texts if text.startswith(mark)]
        journey.expect(bool(found), f"expected a message with {mark}")
        for line in found[-1].splitlines() if found else []:
            journey.note("Telegram", line)
    return journey


CONCURRENT_SAMPLES = (
    good,
    redelivered,
    invalid,
    incomplete,
    exact,
    reply_lost,
    trading,
    trading_reply_lost,
    lender_refuses,
    broker_refuses,
    postbacks,
)
AFTERWARDS = (partner_down,)  # its fault affects all leads


def travel(world: World, console: Console) -> bool:
    """Send all samples and print each result. Returns whether all are as expected."""
    ended = []
    with ThreadPoolExecutor(2) as pool:  # the emulator is slow to start many workers at once, AWS is not
        for waiting in [pool.submit(journey, world) for journey in CONCURRENT_SAMPLES]:
            ended.append(waiting.result())
            ended[-1].show(console)
    for journey in AFTERWARDS:
        ended.append(journey(world))
        ended[-1].show(console)
    alerted = alert(world)
    alerted.show(console)
    right = [journey for journey in ended if not journey.wrong]
    console.print(f"\n{len(right)} of {len(ended)} sample leads ended as expected.", style="bold")
    return len(right) == len(ended) and not alerted.wrong


def main() -> int:
    """Start or use the developer's stack, print the results, and in a terminal wait until Ctrl-C."""
    forget_credentials()
    stay = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    console = Console(highlight=False, soft_wrap=True)
    began = time.monotonic()
    try:
        console.print(HOW_LONG)
        with stack_of_this_process(DEVELOPER) as stack:
            console.print(f"The stack is up after {time.monotonic() - began:.0f} s. Sending the sample leads.")
            all_right = travel(World.of(stack), console)
            console.print(f"The run took {time.monotonic() - began:.0f} s.")
            console.print(f"\n  the console  {stack.console_url}")
            console.print(f"  the API      {stack.api_url}   (the operator's token is in .local/stack.json)")
            if sys.stdin.isatty() and sys.stdout.isatty() and not os.environ.get("CI"):
                console.print("\nThe stack runs until Ctrl-C.")
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
