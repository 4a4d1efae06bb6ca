"""One run over the deployed stack: forms post while faults occur; then everything settles, and the checks run."""

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from devstack.sandbox.remote import ControlError
from devstack.stack import Stack, stack_of_this_process
from devstack.workdir import PROJECT, Workdir
from quality.chaos.checks import violations
from quality.chaos.checks.leads import statistics_count_every_lead
from quality.chaos.deployed.processes import PROC, freeze, kill
from quality.chaos.deployed.stack import DeployedStack
from quality.chaos.partner_faults import TRACKER_FAULTS
from quality.chaos.world import Counters, Result

HOME = Workdir(PROJECT / ".local" / "chaos-stack")
PACE = 3.0  # seconds that a deal stays in one status
SERVERS = {"partners": "devstack.sandbox", "AWS": "ministack_main.py"}  # each with a word of its command
OPERATORS_FUNCTIONS = ("-manage-leads", "-authorize")
TRACKER = "feedback"  # in the sandbox
MAX_POSTS = 5  # at the same time
DRAIN_TIMEOUT = 300.0  # seconds
MANY = 3  # a fault that was planned so often must have occurred
SHARE = 4  # one of so many kills and partner faults must have occurred

# The counters of each planned fault, except lost messages, which need a message in the queue.
COUNTED_AS = {
    "post_again": "forms posted again",
    "queue_messages": "queue messages sent again",
    "bus_events": "bus events sent again",
    "stream_records": "stream records sent again",
    "overlap_schedules": "schedules overlapping",
    "act": "operators answered 2",
    "kill_proxy": "partners' proxy killed",
    "rotate": "secret of ",
    "flip_status": "statuses that flip back",
    "next_outage": "outages of ",
    "break_tracker": "tracker fails",
}
BY_PROCESSES = {"kill_worker": " killed", "freeze_process": " frozen"}


class Run(DeployedStack):
    """The plan, drawn from the seed: the forms' posts, and the faults before each post."""

    def __init__(self, stack: Stack, seed: int, leads: int, log: Callable[[str], None]) -> None:
        super().__init__(stack, seed)
        self.log = log
        self.accepted: list[Future[bool]] = []
        self.others: list[Future[Any]] = []
        events: dict[Callable[[], None], int] = {
            self.kill_worker: 18,
            self.break_partner: 24,
            self.refuse: 4,
            self.break_tracker: 4,
            self.next_outage: 4,
            self.flip_status: 8,
            self.post_again: 12,
            self.repeats.queue_messages: 6,
            self.repeats.bus_events: 4,
            self.repeats.stream_records: 4,
            self.repeats.lose_messages: 3,
            self.overlap_schedules: 5,
            self.operator.act: 14,
            self.kill_proxy: 2,
            self.proxy.open: 4,
            self.freeze_process: 2,
            self.rotate: 3,
        }
        self.in_background = {self.repeats.queue_messages, self.repeats.bus_events, self.repeats.stream_records}
        self.in_background |= {self.operator.act, self.flip_status}
        # The whole plan is drawn before anything happens, so that no thread's timing changes it.
        draw, names, weights = self.plan_random, list(events), list(events.values())
        self.plan = [draw.choices(names, weights, k=draw.choice([0, 1, 1, 2])) for _ in range(leads)]

    def execute(self) -> None:
        """Post all leads, with the planned events between them."""
        with ThreadPoolExecutor(MAX_POSTS + 4) as pool:
            self.pool = pool
            for number, actions in enumerate(self.plan, 1):
                self.accepted.append(pool.submit(self.post, self.next_post()))
                for action in actions:
                    if action in self.in_background:
                        self.others.append(pool.submit(_attempt, action))
                    else:
                        _attempt(action)
                while sum(not accepted.done() for accepted in self.accepted) >= MAX_POSTS:
                    time.sleep(0.02)
                if number % 50 == 0:
                    events = self.counters.counts.total()
                    self.log(f"{number} of {len(self.plan)} leads posted, {events} events")
            self.proxy.open()
        for other in self.others:
            try:
                other.result()
            except Exception as error:  # noqa: BLE001 - any error counts as a failure of the run
                self.counters.fail("the run", f"{type(error).__name__}: {error}")
        lost = [post for post, accepted in zip(self.sent, self.accepted, strict=True) if not accepted.result()]
        self.counters.add("forms without an answer", len(lost))
        for post in lost:
            if not self.post(post):
                raise AssertionError(f"{post.post_id} was not accepted")

    def post_again(self) -> None:
        """A form repeats a post, three times at once."""
        post = self.random.choice(self.sent)
        self.counters.add("forms posted again", 3)
        self.others += [self.pool.submit(self.post, post) for _ in range(3)]

    def kill_worker(self) -> None:
        """Kill one of the functions' processes."""
        workers = self.processes.workers()
        if not workers:
            return
        function = self.aside.choice(sorted(workers))
        if function.endswith(OPERATORS_FUNCTIONS):
            self.disturb(is_death=True)
        if kill(self.aside.choice(workers[function])):
            self.counters.add(f"{function.removeprefix('leadbridge-local-')} killed")

    def break_tracker(self) -> None:
        """Arm a fault of the tracker, unless there is one: the third attempt is five minutes after the second one."""
        if all(one["fired"] for one in self.partner.rows("faults") if one["partner"] == TRACKER):
            self.partner.arm(TRACKER, "postback", dict(self.aside.choice(TRACKER_FAULTS)))
            self.counters.add("tracker fails")

    def overlap_schedules(self) -> None:
        self.others += self.repeats.schedules(self.pool)

    def kill_proxy(self) -> None:
        """All partners become unreachable."""
        self.counters.add("partners' proxy killed")
        self.proxy.kill()

    def freeze_process(self) -> None:
        """AWS, or the partners, do not respond for a moment."""
        name = self.random.choice(list(SERVERS))
        pid = self.processes.named(SERVERS[name])
        if pid is not None:
            self.counters.add(f"{name} frozen")
            freeze(pid, self.random.uniform(0.5, 3))
            if name == "AWS":
                self.disturb()

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
                self.log("not settled: " + ", ".join(f"{number} {what}" for what, number in moving.items()))
            self.bring_due_dates_near()
            time.sleep(1)


def _attempt(action: Callable[[], None]) -> None:
    """Ignore the errors of an event that another fault prevents."""
    with suppress(BotoCoreError, ClientError, HTTPError, ControlError, OSError):
        action()


def uncovered(
    planned: Mapping[str, int], counters: Counters, calls: Sequence[Mapping[str, Any]], *, has_proc: bool | None = None
) -> Iterator[str]:
    """What was planned, by the names of the events, and did not occur, or hardly: then a run proves nothing.

    Workers' deaths, and faults in the partners' log of `calls`, must have come in proportion. Where there is no /proc,
    no process is killed or frozen.
    """
    counts = +counters.counts
    for kind, beginning in COUNTED_AS.items():
        if planned.get(kind, 0) >= MANY and not any(name.startswith(beginning) for name in counts):
            yield f"{kind} was planned {planned[kind]} times, and never occurred"
    for kind, ending in BY_PROCESSES.items() if (PROC.exists() if has_proc is None else has_proc) else ():
        names = [name for name in counts if name.endswith(ending) and not name.startswith("partners' proxy")]
        number, least = sum(counts[name] for name in names), _least(planned.get(kind, 0), kind == "kill_worker")
        if number < least:
            yield f"{kind} was planned {planned[kind]} times, and occurred {number} times"
    fired = sum(call["fault"] is not None for call in calls)
    if fired < _least(planned.get("break_partner", 0), True):
        yield f"break_partner was planned {planned['break_partner']} times, and {fired} calls got a fault"


def _least(planned: int, in_proportion: bool) -> int:
    if planned < MANY:
        return 0
    return max(1, planned // SHARE) if in_proportion else 1


def run(seed: int, leads: int, log: Callable[[str], None]) -> Result:
    """Start a stack for this run, execute the plan, wait until everything is settled, and run the checks."""
    began = time.monotonic()
    with stack_of_this_process(HOME) as stack:
        log("the stack is up")
        chaos = Run(stack, seed, leads, log)
        try:
            chaos.prepare(PACE)
            chaos.execute()
            log("all leads posted; no more faults")
            chaos.stop_faults()
            chaos.wait_until_settled()
            log("an operator probes every route")
            chaos.operator.probe_all(chaos.snapshot())
            chaos.wait_until_settled()
            snapshot, calls = chaos.snapshot(), chaos.partner.calls()
        finally:
            chaos.proxy.kill()
    planned = Counter(action.__name__ for actions in chaos.plan for action in actions)
    missing = list(uncovered(planned, chaos.counters, calls))
    return Result(seed, chaos.counters, snapshot, violations(snapshot), time.monotonic() - began, missing)
