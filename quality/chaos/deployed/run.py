"""One run over the deployed stack: forms post while faults occur; then everything settles, and the checks run."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from devstack.partners import kind_of
from devstack.sandbox.remote import ControlError
from devstack.services import scheduled_event
from devstack.stack import Stack, stack_of_this_process
from leadbridge.storage.stream import event_of
from quality.chaos.checks import violations
from quality.chaos.checks.leads import statistics_count_every_lead
from quality.chaos.deployed.stack import HOME, PROC, DeployedStack
from quality.chaos.partner_faults import TRACKER_FAULTS
from quality.chaos.world import Counters, Result

PACE = 3.0  # seconds that a deal stays in one status
SCHEDULED = {"FindDue": 4, "SyncAccounts": 3, "UpdateStats": 1, "DetectStaleSources": 1}
PUBLISHED = ("LEAD", "DELIVERY#", "MESSAGE#", "FETCH", "FEEDBACK#")
TRACKER = "feedback"  # in the sandbox
MAX_POSTS = 5  # at the same time
DRAIN_TIMEOUT = 300.0  # seconds
MANY = 3  # a fault that was planned so often must have occurred
SHARE = 4  # one of so many kills and partner faults must have occurred

FIRED = "calls that got a fault of a partner"
COUNTED_AS = {
    "post_again": "forms posted again",
    "repeat_events": "bus events sent again",
    "repeat_records": "stream records sent again",
    "overlap_schedules": "schedules overlapping",
    "act": "operators answered 2",
    "kill_proxy": "partners' proxy closed",
    "rotate": "secret of ",
    "flip_status": "statuses that flip back",
    "next_outage": "outages of ",
    "break_tracker": "tracker fails",
    "break_partner": FIRED,
    "kill_worker": "killed ",
}
"""How the counters of each planned fault begin, except lost messages, which need a message in the queue."""


class Run(DeployedStack):
    """The plan, drawn from the seed: the forms' posts, and the faults before each post."""

    def __init__(self, stack: Stack, seed: int, leads: int) -> None:
        super().__init__(stack, seed)
        self.others: list[Future[Any]] = []
        events: dict[Callable[[], None], int] = {
            self.kill_worker: 18,
            self.break_partner: 24,
            self.refuse: 4,
            self.break_tracker: 4,
            self.next_outage: 4,
            self.flip_status: 8,
            self.post_again: 12,
            self.repeat_events: 8,
            self.repeat_records: 4,
            self.lose_messages: 3,
            self.overlap_schedules: 5,
            self.operator.act: 14,
            self.kill_proxy: 2,
            self.open_proxy: 4,
            self.rotate: 3,
        }
        self.in_background = {self.repeat_events, self.repeat_records, self.operator.act, self.flip_status}
        # The whole plan is drawn before anything happens, so that no thread's timing changes it.
        draw, names, weights = Random(seed), list(events), list(events.values())
        self.plan = [draw.choices(names, weights, k=draw.choice([0, 1, 1, 2])) for _ in range(leads)]

    def execute(self) -> None:
        """Post all leads, with the planned events between them."""
        posts: list[Future[None]] = []
        with ThreadPoolExecutor(MAX_POSTS + 4) as pool:
            self.pool = pool
            for number, actions in enumerate(self.plan, 1):
                posts.append(pool.submit(self.post, self.next_post()))
                for action in actions:
                    if action in self.in_background:
                        self.others.append(pool.submit(_attempt, action))
                    else:
                        _attempt(action)
                while sum(not post.done() for post in posts) >= MAX_POSTS:
                    time.sleep(0.02)
                if number % 50 == 0:
                    log(f"{number} of {len(self.plan)} leads posted, {self.counters.counts.total()} events")
            self.open_proxy()
        for future in (*posts, *self.others):
            if error := future.exception():
                self.counters.fail("the run", f"{type(error).__name__}: {error}")

    def post_again(self) -> None:
        """A form repeats a post, three times at once."""
        post = self.random.choice(self.sent)
        self.counters.add("forms posted again", 3)
        self.others += [self.pool.submit(self.post, post) for _ in range(3)]

    def break_tracker(self) -> None:
        """Arm a fault of the tracker, unless there is one: the third attempt is five minutes after the second one."""
        if all(one["fired"] for one in self.partner.rows("faults") if one["partner"] == TRACKER):
            self.partner.arm(TRACKER, "postback", dict(self.aside.choice(TRACKER_FAULTS)))
            self.counters.add("tracker fails")

    def overlap_schedules(self) -> None:
        """Invoke scheduled functions twice at once."""
        chosen = self.aside.choices(list(SCHEDULED), list(SCHEDULED.values()), k=3)
        self.counters.add("schedules overlapping", 2 * len(chosen))
        self.others += [self.pool.submit(self.invoke, name, scheduled_event()) for name in chosen for _ in range(2)]

    def repeat_events(self) -> None:
        """Repeat some bus events in any order, and so the queue messages that they become."""
        images = [{"eventName": "INSERT", "dynamodb": {"NewImage": item}} for item in self._items()]
        self.aside.shuffle(images)
        entries = [
            {
                "Source": "leadbridge",
                "EventBusName": self.outputs["BusName"],
                "DetailType": event.detail_type,
                "Detail": json.dumps(event.detail()),
            }
            for image in images[:10]
            if (event := event_of(image, kind_of=kind_of)) is not None
        ]
        if entries:
            self.counters.add("bus events sent again", len(entries))
            self.stack.client("events").put_events(Entries=entries)

    def repeat_records(self) -> None:
        """Invoke publish_changes with repeated stream records, in any order."""
        records: list[dict[str, Any]] = [
            {"Keys": {"pk": item["pk"], "sk": item["sk"]}, "NewImage": item, "SequenceNumber": str(number)}
            for number, item in enumerate(self._items())
        ]
        self.aside.shuffle(records)
        self.counters.add("stream records sent again", len(records))
        self.invoke("PublishChanges", {"Records": [{"eventName": "INSERT", "dynamodb": one} for one in records]})

    def lose_messages(self) -> None:
        """Delete a few messages from a queue."""
        sqs, url = self.stores.sqs, self.aside.choice(list(self.stores.queues.values()))
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=3).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            self.counters.add("queue messages lost")

    def _items(self) -> Iterator[dict[str, Any]]:
        """Some leads' items that the stream publishes."""
        posted = list(self.posted)
        for one in self.aside.sample(posted, min(5, len(posted))):
            found = self.stores.dynamodb.query(
                TableName=self.stores.table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": f"LEAD#{one.lead_id}"}},
            )
            yield from (item for item in found["Items"] if item["sk"]["S"].startswith(PUBLISHED))

    def wait_until_settled(self) -> None:
        """Return when nothing moves, or after `DRAIN_TIMEOUT`; then the checks report what still moves."""
        ends, logged_at = time.monotonic() + DRAIN_TIMEOUT, 0.0
        while time.monotonic() < ends:
            snapshot = self.snapshot()
            moving = snapshot.unsettled()
            if not moving:  # the statistics are up to a minute late
                moving = +Counter({"differences of the statistics": len(list(statistics_count_every_lead(snapshot)))})
            self.operator.erase_the_rest()
            if not moving and not self.operator.to_be_erased:
                return
            if time.monotonic() - logged_at > 10:
                logged_at = time.monotonic()
                log("not settled: " + ", ".join(f"{number} {what}" for what, number in moving.items()))
            self.bring_due_dates_near()
            time.sleep(1)


def log(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def _attempt(action: Callable[[], None]) -> None:
    """Ignore the errors of an event that another fault prevents."""
    with suppress(BotoCoreError, ClientError, HTTPError, ControlError, OSError):
        action()


def uncovered(planned: Mapping[str, int], counters: Counters, *, has_proc: bool) -> Iterator[str]:
    """What was planned, by the names of the events, and did not occur, or hardly: then a run proves nothing.

    Workers' deaths and partners' faults must have come in proportion. Without /proc no process is killed.
    """
    for name, beginning in COUNTED_AS.items():
        if planned.get(name, 0) < MANY or (name == "kill_worker" and not has_proc):
            continue
        number = sum(count for what, count in counters.counts.items() if what.startswith(beginning))
        if number < (max(1, planned[name] // SHARE) if name in {"kill_worker", "break_partner"} else 1):
            yield f"{name} was planned {planned[name]} times, and occurred {number} times"


def run(seed: int, leads: int) -> Result:
    """Start a stack for this run, execute the plan, wait until everything is settled, and run the checks."""
    began = time.monotonic()
    with stack_of_this_process(HOME) as stack:
        log("the stack is up")
        chaos = Run(stack, seed, leads)
        try:
            chaos.prepare(PACE)
            chaos.execute()
            log("all leads posted; no more faults")
            chaos.stop_faults()
            chaos.wait_until_settled()
            log("an operator probes every route")
            chaos.operator.probe_all(chaos.snapshot())
            chaos.wait_until_settled()
            snapshot = chaos.snapshot()
            chaos.counters.add(FIRED, sum(call["fault"] is not None for call in chaos.partner.calls()))
        finally:
            if chaos.proxy is not None:
                chaos.proxy.kill()
    planned = Counter(action.__name__ for actions in chaos.plan for action in actions)
    missing = list(uncovered(planned, chaos.counters, has_proc=PROC.exists()))
    return Result(chaos.counters, snapshot, violations(snapshot), time.monotonic() - began, missing)
