"""One run over the deployed stack: forms post, everything goes wrong on the way, then the drain and the books."""

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

from devstack.sandbox.profile import profiles
from devstack.sandbox.remote import ControlError
from devstack.stack import stack_of_this_process
from devstack.workdir import PROJECT, Home
from leadbridge.settings import Settings
from quality.chaos.checks import violations
from quality.chaos.counters import Result, Tally
from quality.chaos.deployed.coverage import lacking
from quality.chaos.deployed.drain import Drain
from quality.chaos.deployed.operator import Desk
from quality.chaos.deployed.processes import freeze, kill
from quality.chaos.deployed.repeats import Repeats
from quality.chaos.deployed.statuses import Statuses
from quality.chaos.deployed.world import World
from quality.chaos.partner_faults import DOWN, SLOW, fault, refusal
from quality.chaos.people import DEPLOYED, META, Post, posts
from tools.config import read_toml

HOME = Home(PROJECT / ".local" / "chaos-stack")
PACE = 3.0  # seconds that a deal stays in one status
AWS = ("ministack",)  # the words of the emulator's command
ANSWERS_OPERATORS = ("-manage-leads", "-authorize")
FORMS = 5  # that post at once
ORDERED = frozenset({"local-order"})  # the sources that try the broker after the lender


class Run:
    """The plan, drawn from the seed: whose forms post, and what goes wrong before which post."""

    def __init__(self, world: World, seed: int, leads: int, say: Callable[[str], None]) -> None:
        self.world, self.say, self.leads = world, say, leads
        self.random, self.tally = Random(seed), Tally()
        self.repeats = Repeats(world, Random(seed + 1), self.tally)
        self.desk = Desk(world, Random(seed + 2), self.tally)
        self.statuses = Statuses(world, Random(seed + 5), self.tally, self.repeats)
        self.sent: list[Post] = []
        self.taken: list[Future[bool]] = []
        self.others: list[Future[Any]] = []
        happens: dict[Callable[[], None], int] = {
            self.kill_worker: 18,
            self.break_partner: 24,
            self.refuse: 4,
            self.statuses.flip_status: 8,
            self.post_again: 12,
            self.repeats.queue_messages: 6,
            self.repeats.bus_events: 4,
            self.repeats.stream_records: 4,
            self.repeats.lose_messages: 3,
            self.strike: 5,
            self.desk.acts: 14,
            self.close_door: 2,
            self.open_door: 4,
            self.freeze_something: 2,
            self.rotate: 3,
        }
        self.aside = {self.repeats.queue_messages, self.repeats.bus_events, self.repeats.stream_records, self.desk.acts}
        self.aside.add(self.statuses.flip_status)
        # The whole plan is drawn before anything happens, so that no thread's timing changes it.
        names = list(happens)
        self.plan = [
            self.random.choices(names, list(happens.values()), k=self.random.choice([0, 1, 1, 2])) for _ in range(leads)
        ]
        self.posts = posts(self.random, f"{seed & 0xFFFFFF:x}", ORDERED, DEPLOYED)
        self.draws = Random(seed + 3)

    def happen(self) -> None:
        """Post all leads, and have happen what is planned between them."""
        with ThreadPoolExecutor(FORMS + 4) as pool:
            self.pool = pool
            for number, actions in enumerate(self.plan, 1):
                self.post()
                for action in actions:
                    if action in self.aside:
                        self.others.append(pool.submit(_attempted, action))
                    else:
                        _attempted(action)
                self._wait_for_forms()
                if number % 50 == 0:
                    self.say(f"{number} of {self.leads} leads posted, {self.tally.counted.total()} things went wrong")
            self.world.front.open()
        for other in self.others:
            try:
                other.result()
            except Exception as error:  # noqa: BLE001 - whatever it is, the books tell of it
                self.tally.fail("the run", f"{type(error).__name__}: {error}")
        lost = [post for post, taken in zip(self.sent, self.taken, strict=False) if not taken.result()]
        self.tally.add("forms that were never answered", len(lost))
        for post in lost:
            if not self.world.post(post):
                raise AssertionError(f"{post.post_id} is not taken")

    def post(self) -> None:
        """Somebody fills in a form."""
        post = next(self.posts)
        self.world.refusals.add(post.visitor)
        with suppress(OSError, ControlError):
            if post.source == META:
                self.world.partner.add_lead(post.visitor.at_meta(), leadgen_id=post.visitor.leadgen_id)
            elif self.draws.random() < 0.5:
                self.world.partner.add_person(post.visitor.name, phone=post.visitor.phone, accounts=["TELEGRAM"])
        self.sent.append(post)
        self.tally.add("forms posted")
        self.taken.append(self.pool.submit(self.world.post, post))

    def post_again(self) -> None:
        """A form sends a post again, three times at once."""
        post = self.draws.choice(self.sent)
        for _ in range(3):
            self.tally.add("forms posted again")
            self.others.append(self.pool.submit(self.world.post, post))

    def kill_worker(self) -> None:
        """One of the functions' processes is killed, whatever it does at this moment."""
        workers = self.world.processes.workers()
        if not workers:
            return
        function = self.draws.choice(sorted(workers))
        if function.endswith(ANSWERS_OPERATORS):
            self.world.disturb(is_death=True)
        if kill(self.draws.choice(workers[function])):
            self.tally.add(f"{function.removeprefix('leadbridge-local-')} killed")

    def break_partner(self) -> None:
        """A partner does something wrong, once or a few times."""
        partner, operation, name, order = fault(self.draws, DOWN | SLOW)
        self.world.partner.arm(partner, operation, order, times=self.draws.randint(1, 4))
        self.tally.add(f"{partner} {name}")

    def refuse(self) -> None:
        """A partner refuses for good whatever it is sent next."""
        partner = self.draws.choice(list(profiles()))
        self.world.partner.arm(partner, "create", refusal(partner), times=self.draws.randint(1, 2))
        self.tally.add(f"{partner} refuses")

    def strike(self) -> None:
        """Schedules overlap."""
        self.others += self.repeats.schedules(self.pool)

    def close_door(self) -> None:
        """All partners are away: their door is killed."""
        self.tally.add("partners' front killed")
        self.world.front.kill()

    def open_door(self) -> None:
        """And there again."""
        self.world.front.open()

    def freeze_something(self) -> None:
        """AWS, or the partners, stand still for a moment."""
        words = self.draws.choice([("sandbox", "--state-dir"), AWS])
        pid = self.world.processes.named(*words)
        if pid is not None:
            self.tally.add(f"{words[0]} frozen")
            freeze(pid, self.draws.uniform(0.5, 3))
            if words == AWS:
                self.world.disturb()

    def rotate(self) -> None:
        """Secrets change; a partner's is put here when the next one does."""
        if self.world.late:
            self.world.put_late()
        elif self.draws.random() < 0.5:
            self.tally.add(f"secret of {self.world.rotate_source()} rotated")
        else:
            self.tally.add(f"secret of {self.world.rotate_partner()} rotated")

    def _wait_for_forms(self) -> None:
        """No more than a few forms post at once."""
        while sum(not taken.done() for taken in self.taken) >= FORMS:
            time.sleep(0.02)


def _attempted(action: Callable[[], None]) -> None:
    """Something goes wrong, or, for what goes wrong already, does not."""
    with suppress(BotoCoreError, ClientError, HTTPError, ControlError, OSError):
        action()


def run(seed: int, leads: int, say: Callable[[str], None]) -> Result:
    """Start a stack of this run's own, have everything go wrong, wait until it is quiet, and balance the books."""
    began = time.monotonic()
    with stack_of_this_process(HOME) as stack:
        say("the stack is up")
        world = World.of(stack, Random(seed + 4))
        try:
            world.partner.reset()
            world.partner.set_pace(PACE)
            chaos = Run(world, seed, leads, say)
            chaos.happen()
            say("all leads posted; nothing goes wrong any more")
            settings = Settings.model_validate(read_toml(PROJECT / "config", "local"))
            drain = Drain(world, chaos.desk, settings, say)
            drain.mend()
            drain.wait()
            say("operators ask whatever they can")
            drain.ask_everything()
            drain.wait()
            books = drain.books()
            calls = world.partner.calls()
        finally:
            world.front.kill()
    planned = Counter(action.__name__ for actions in chaos.plan for action in actions)
    missing = list(lacking(planned, chaos.tally, calls))
    return Result(seed, chaos.tally, books, violations(books), time.monotonic() - began, missing)
