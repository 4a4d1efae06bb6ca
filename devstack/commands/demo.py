"""`make run`: the local AWS in the foreground, sample leads through its gateway, and each one's journey to its end."""

import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from devstack.clients import forget_credentials
from devstack.commands.journey import Journey, World, delivery_of, of_this_run
from devstack.commands.samples import sample
from devstack.stack import HOW_LONG, stack_of_this_process
from devstack.workdir import DEVELOPER, LocalError

LAST_STATUSES = ("ACTIVE_CLIENT", "NO_POTENTIAL")


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


def trading(world: World) -> Journey:
    title = "A trader's lead becomes an account, and the broker's news reach the person"
    journey = Journey(title, of_this_run("trading"))
    lead_id = str(world.post(journey).content["lead_id"])
    lead = world.wait(lead_id, lambda delivery: delivery["partner_status"] in LAST_STATUSES)
    journey.expect(world.tell(journey, lead) == "submitted", "the broker should have it")
    status = delivery_of(lead)["partner_status"]
    journey.expect(status in LAST_STATUSES, f"the broker's last word should be known, and not {status}")
    world.expect_messages(journey, lead_id)
    world.expect_accounts(journey, 1)
    return journey


def trading_reply_lost(world: World) -> Journey:
    journey = Journey(
        "The broker's reply is lost: it is asked what it has, and not sent twice", of_this_run("trading_reply_lost")
    )
    match = {"account.email": journey.sample.lead["person"]["email"]}
    world.partner.arm("matchtrade", "create", {"kind": "drop", "when": "after"}, match=match)
    world.follow(journey, str(world.post(journey).content["lead_id"]), "submitted")
    world.expect_accounts(journey, 1)
    return journey


CONCURRENT_SAMPLES = (good, redelivered, invalid, exact, reply_lost, trading, trading_reply_lost)
AFTERWARDS = (partner_down,)  # it takes the partner away from everybody


def travel(world: World, console: Console) -> bool:
    """Send all samples on their way and show each journey as it ends; whether all ended as they should."""
    ended = []
    with ThreadPoolExecutor(2) as pool:  # the emulator is slow to start many workers at once, AWS is not
        for waiting in [pool.submit(journey, world) for journey in CONCURRENT_SAMPLES]:
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
        console.print(HOW_LONG)
        with stack_of_this_process(DEVELOPER) as stack:
            console.print(f"The stack is up after {time.monotonic() - began:.0f} s. Sending the sample leads.")
            all_right = travel(World.of(stack), console)
            console.print(f"The run took {time.monotonic() - began:.0f} s.")
            console.print(f"\n  the console  {stack.console_url}")
            console.print(f"  the API      {stack.api_url}   (the operator's token is in .local/stack.json)")
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
