"""One run over the deployed stack: forms post while faults occur; then everything settles, and the checks run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from devstack.partners import partner_profiles
from devstack.sandbox.remote import ControlError
from devstack.scheduler import scheduled_event
from devstack.stack import stack_of_this_process
from devstack.workdir import PROJECT, Workdir
from leadbridge.domain.delivery import Delivery
from quality.chaos.checks import violations
from quality.chaos.counters import Counters, Result
from quality.chaos.deployed.coverage import uncovered
from quality.chaos.deployed.drain import Drain
from quality.chaos.deployed.operator import DeployedOperator
from quality.chaos.deployed.processes import freeze, kill
from quality.chaos.deployed.repeats import Repeats
from quality.chaos.deployed.target import Target
from quality.chaos.final_probe import CHECK
from quality.chaos.partner_faults import DOWN, SLOW, TRACKER_FAULTS, Outages, fault
from quality.chaos.partner_statuses import flip_status
from quality.chaos.people import DEPLOYED, META, META_NAMES, Post, posts

HOME = Workdir(PROJECT / ".local" / "chaos-stack")
PACE = 3.0  # seconds that a deal stays in one status
AWS = ("ministack",)  # the words of the emulator's command
OPERATORS_FUNCTIONS = ("-manage-leads", "-authorize")
TRACKER = "feedback"  # in the sandbox
MAX_POSTS = 5  # at the same time
ORDERED = frozenset({"local-order"})  # the sources that try the broker after the lender
READ_WITHIN = 2.0  # seconds that a status check has in its queue


class Run:
    """The plan, drawn from the seed: the forms' posts, and the faults before each post."""

    def __init__(self, target: Target, seed: int, leads: int, log: Callable[[str], None]) -> None:
        self.target, self.log, self.leads = target, log, leads
        self.random, self.counters = Random(seed), Counters()
        self.repeats = Repeats(target, Random(seed + 1), self.counters)
        self.operator = DeployedOperator(target, Random(seed + 2), self.counters)
        self.statuses, self.outages = Random(seed + 5), Outages(target.partner)
        self.sent: list[Post] = []
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
            self.restart_proxy: 4,
            self.freeze_process: 2,
            self.rotate: 3,
        }
        self.in_background = {self.repeats.queue_messages, self.repeats.bus_events, self.repeats.stream_records}
        self.in_background |= {self.operator.act, self.flip_status}
        # The whole plan is drawn before anything happens, so that no thread's timing changes it.
        names = list(events)
        self.plan = [
            self.random.choices(names, list(events.values()), k=self.random.choice([0, 1, 1, 2])) for _ in range(leads)
        ]
        self.posts = posts(self.random, f"{seed & 0xFFFFFF:x}", ORDERED, DEPLOYED)
        self.draws = Random(seed + 3)

    def execute(self) -> None:
        """Post all leads, with the planned events between them."""
        with ThreadPoolExecutor(MAX_POSTS + 4) as pool:
            self.pool = pool
            for number, actions in enumerate(self.plan, 1):
                self.post()
                for action in actions:
                    if action in self.in_background:
                        self.others.append(pool.submit(_attempt, action))
                    else:
                        _attempt(action)
                while sum(not accepted.done() for accepted in self.accepted) >= MAX_POSTS:
                    time.sleep(0.02)
                if number % 50 == 0:
                    self.log(f"{number} of {self.leads} leads posted, {self.counters.counts.total()} events")
            self.target.proxy.open()
        for other in self.others:
            try:
                other.result()
            except Exception as error:  # noqa: BLE001 - any error counts as a failure of the run
                self.counters.fail("the run", f"{type(error).__name__}: {error}")
        lost = [post for post, accepted in zip(self.sent, self.accepted, strict=False) if not accepted.result()]
        self.counters.add("forms without an answer", len(lost))
        for post in lost:
            if not self.target.post(post):
                raise AssertionError(f"{post.post_id} was not accepted")

    def post(self) -> None:
        post = next(self.posts)
        self.target.refusals.add(post.visitor)
        with suppress(OSError, ControlError):
            if post.source == META:
                self.target.partner.add_lead(post.visitor.fill_in(META_NAMES), leadgen_id=post.visitor.leadgen_id)
            elif self.draws.random() < 0.5:
                self.target.partner.add_person(post.visitor.name, phone=post.visitor.phone, accounts=["TELEGRAM"])
        self.sent.append(post)
        self.counters.add("forms posted")
        self.accepted.append(self.pool.submit(self.target.post, post))

    def post_again(self) -> None:
        """A form repeats a post, three times at once."""
        post = self.draws.choice(self.sent)
        for _ in range(3):
            self.counters.add("forms posted again")
            self.others.append(self.pool.submit(self.target.post, post))

    def kill_worker(self) -> None:
        """Kill one of the functions' processes."""
        workers = self.target.processes.workers()
        if not workers:
            return
        function = self.draws.choice(sorted(workers))
        if function.endswith(OPERATORS_FUNCTIONS):
            self.target.disturb(is_death=True)
        if kill(self.draws.choice(workers[function])):
            self.counters.add(f"{function.removeprefix('leadbridge-local-')} killed")

    def break_partner(self) -> None:
        """Arm a fault of a partner, for one or a few calls."""
        partner, operation, name, order = fault(self.draws, DOWN | SLOW)
        self.target.partner.arm(partner, operation, order, times=self.draws.randint(1, 4))
        self.counters.add(f"{partner} {name}")

    def refuse(self) -> None:
        """A partner permanently refuses the next one or two creates."""
        partner, profile = self.draws.choice(list(partner_profiles().items()))
        self.target.partner.arm(partner, "create", profile.refusing, times=self.draws.randint(1, 2))
        self.counters.add(f"{partner} refuses")

    def break_tracker(self) -> None:
        """Arm a fault of the tracker, unless there is one: the third attempt is five minutes after the second one."""
        faults = [one for one in self.target.partner.faults() if one["partner"] == TRACKER]
        if all(one["fired"] for one in faults):
            self.target.partner.arm(TRACKER, "postback", dict(self.draws.choice(TRACKER_FAULTS)))
            self.counters.add("tracker fails")

    def next_outage(self) -> None:
        """Another partner is away until the next outage."""
        away = self.outages.next()
        if away is not None:
            self.counters.add(f"outages of {away}")

    def flip_status(self) -> None:
        with self.target.lock:
            posted = list(self.target.posted)
        if flip_status(self.statuses, self.target.partner, posted, self.target.table.delivery, self._read_status):
            self.counters.add("statuses that flip back")

    def _read_status(self, delivery: Delivery, reader: str) -> None:
        match reader:
            case "sync":
                self.repeats.call("SyncAccounts", scheduled_event())
                time.sleep(self.statuses.uniform(0, READ_WITHIN))
            case "operator":
                self.operator.call("POST", CHECK, place={"lead_id": delivery.lead_id, "partner": delivery.partner})
                time.sleep(self.statuses.uniform(0, READ_WITHIN))
            case _:
                time.sleep(0.5)

    def overlap_schedules(self) -> None:
        self.others += self.repeats.schedules(self.pool)

    def kill_proxy(self) -> None:
        """All partners become unreachable."""
        self.counters.add("partners' proxy killed")
        self.target.proxy.kill()

    def restart_proxy(self) -> None:
        self.target.proxy.open()

    def freeze_process(self) -> None:
        """AWS, or the partners, do not respond for a moment."""
        words = self.draws.choice([("sandbox", "--state-dir"), AWS])
        pid = self.target.processes.named(*words)
        if pid is not None:
            self.counters.add(f"{words[0]} frozen")
            freeze(pid, self.draws.uniform(0.5, 3))
            if words == AWS:
                self.target.disturb()

    def rotate(self) -> None:
        """Rotate a secret. A partner's new secret is stored at the next rotation."""
        if self.target.late:
            self.target.put_late()
        elif self.draws.random() < 0.5:
            self.counters.add(f"secret of {self.target.rotate_source()} rotated")
        else:
            self.counters.add(f"secret of {self.target.rotate_partner()} rotated")


def _attempt(action: Callable[[], None]) -> None:
    """Ignore the errors of an event that another fault prevents."""
    with suppress(BotoCoreError, ClientError, HTTPError, ControlError, OSError):
        action()


def run(seed: int, leads: int, log: Callable[[str], None]) -> Result:
    """Start a stack for this run, execute the plan, wait until everything is settled, and run the checks."""
    began = time.monotonic()
    with stack_of_this_process(HOME) as stack:
        log("the stack is up")
        target = Target(stack, Random(seed + 4))
        try:
            target.prepare()
            target.partner.reset()
            target.partner.set_pace(PACE)
            chaos = Run(target, seed, leads, log)
            chaos.execute()
            log("all leads posted; no more faults")
            drain = Drain(target, chaos.operator, log)
            drain.stop_faults()
            drain.wait()
            log("an operator probes every route")
            drain.probe_all()
            drain.wait()
            snapshot = drain.snapshot()
            calls = target.partner.calls()
        finally:
            target.proxy.kill()
    planned = Counter(action.__name__ for actions in chaos.plan for action in actions)
    missing = list(uncovered(planned, chaos.counters, calls))
    return Result(seed, chaos.counters, snapshot, violations(snapshot), time.monotonic() - began, missing)
