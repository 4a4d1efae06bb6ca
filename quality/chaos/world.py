"""What runs in one process and over the deployed stack share: people, partners, operators, and reading the result."""

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from devstack.deployment import PREFIX
from devstack.partners import kind_of, partner_profiles
from devstack.sandbox.profile import PartnerRecord
from devstack.sandbox.remote import ControlError, Remote
from devstack.seed import source_secret
from leadbridge.domain.delivery import Delivery, State
from leadbridge.settings import Settings
from quality.chaos.checks import CHECKS, Violation
from quality.chaos.operator import ALLOWED_STATUSES, SHARES, OnStatus, Operator, ignore
from quality.chaos.partner_faults import DOWN, fault
from quality.chaos.people import META, Post
from quality.chaos.reading import Stores
from quality.chaos.records import Create, Posted, Snapshot

RECENT = 8  # of the latest leads, one's status flips
READERS = ("sync", "operator", "sync", "none")  # what usually reads a status after each of its changes
ROTATED_SOURCES = ("web", "web-trading", "plain-credit")
ADAPTER = "standard_webhooks"  # the format of their secrets


@dataclass
class Counters:
    """`counts` are faults and other events; `failures` are failures that no fault explains."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, what: str, number: int = 1) -> None:
        self.counts[what] += number

    def fail(self, component: str, what: str) -> None:
        self.failures[component, what] += 1


@dataclass(frozen=True)
class Result:
    """`uncovered` are planned faults that did not occur, so that the run proves too little."""

    counters: Counters
    snapshot: Snapshot
    violations: list[Violation]
    seconds: float
    uncovered: Sequence[str] = ()

    def report(self) -> str:
        """The counts, the number of deliveries and messages by state, and the violations."""
        states: Counter[str] = Counter()
        for record in self.snapshot.leads.values():
            states["erased"] += record.is_erased
            states.update(f"{one.partner} {one.state}" for one in record.deliveries.values())
            states.update(f"message {message.state}" for message in record.messages)
        lines = [
            "\nFaults and other events:",
            *(f"  {number:6}  {what}" for what, number in self.counters.counts.most_common()),
            f"\nResult ({len(self.snapshot.leads)} leads, {self.seconds:.0f} s): "
            + ", ".join(f"{number} {what}" for what, number in sorted((+states).items())),
            f"\nViolations of {len(CHECKS)} checks: {len(self.violations)}",
            *(f"  {one.check}  {one.lead_id}  {one.what}" for one in self.violations),
        ]
        return "\n".join(lines)


type OnAnswer = Callable[[int, object, bool], None]
"""Gets the status of an answer, or 0, its text, and whether a fault explains a failure."""


class World(ABC):
    """A stack, its partners in the sandbox, and its people.

    `late` are partners' new secrets that are not stored in the stack yet. `aside` draws what depends on the moment, or
    happens in another thread, so that it does not change what `random` draws.
    """

    shares: Mapping[str, int] = SHARES  # of an operator's actions
    stores: Stores
    now: Callable[[], datetime]
    secrets_manager: Any
    faults = DOWN
    send_window: timedelta
    is_in_real_time = False

    def __init__(
        self, partner: Remote, settings: Settings, random: Random, posts: Iterator[Post], aside: Random | None = None
    ) -> None:
        self.partner, self.settings, self.random, self.posts = partner, settings, random, posts
        self.aside = aside or random
        self.counters = Counters()
        self.sent: list[Post] = []
        self.posted: list[Posted] = []
        self.operator = Operator(self)
        self.refused: dict[str, Posted] = {}
        self.creates: list[Create] = []
        self.overwritten: list[tuple[str, str]] = []
        self.expired: set[str] = set()
        self.faulted_posts: int | None = None
        self.late: dict[str, dict[str, Any]] = {}
        self._refusals: set[tuple[str, str]] = set()
        self._outages, self._outage = 0, ""

    @abstractmethod
    def request(self, method: str, resource: str, body: Any, place: dict[str, str] | None, on: OnAnswer) -> None:
        """An operator calls a route."""

    @abstractmethod
    def can_be_settled(self, delivery: Delivery) -> bool:
        """Whether no create call of an unknown delivery is still running."""

    @abstractmethod
    def read_status(self, delivery: Delivery, reader: str) -> None:
        """Read a status that changed: by a sync, an operator's check, or not at all."""

    def delivery(self, lead_id: str, partner: str) -> Delivery | None:
        return self.stores.leads.delivery(lead_id, partner)

    def call(
        self,
        method: str,
        resource: str,
        body: Any = None,
        place: dict[str, str] | None = None,
        *,
        on: OnStatus = ignore,
        allowed: frozenset[int] = ALLOWED_STATUSES,
    ) -> None:
        """An operator calls a route. `on` gets the status, or 0. One that is not allowed counts as a failure."""

        def answered(status: int, text: object, is_explained: bool) -> None:
            on(status)
            if status:
                self.counters.add(f"operators answered {status}")
            if status and status not in allowed and not is_explained:
                self.counters.fail(f"{method} {resource}", f"answered {status}: {text}")

        self.request(method, resource, body, place, answered)

    def next_post(self) -> Post:
        """A person fills in a form. Partners refuse some people; Meta or Leeloo may know them."""
        post = next(self.posts)
        for name in sorted(post.visitor.refused_by):
            profile = partner_profiles()[name]
            value = str(getattr(post.visitor, profile.refused_by))
            if (name, value) not in self._refusals:
                self._refusals.add((name, value))
                self.partner.arm(name, "create", profile.refusing, times=None, match={profile.refused_field: value})
        with suppress(OSError, ControlError):
            one = post.visitor
            if post.source == META:
                self.partner.post("graph/leads", {"answers": one.fill_in(META), "leadgen_id": one.leadgen_id})
            elif self.random.random() < 0.5:
                person = {"name": one.name, "phone": one.phone, "accounts": ["TELEGRAM"]}
                self.partner.post("leeloo/people", person)
        self.sent.append(post)
        self.counters.add("forms posted")
        return post

    def record_answer(self, post: Post, status: int, content: dict[str, Any]) -> bool:
        """Record that a post was accepted or refused. Returns False for any other answer."""
        if status == 422 and self.settings.sources[post.source].refuses_invalid:
            self.counters.add("forms refused")
            self.refused[post.post_id] = Posted.of(post)
            return True
        if status not in {200, 202}:
            return False
        self.counters.add("forms answered that the lead is incomplete", content.get("status") == "incomplete")
        self.posted += [Posted.of(post, lead_id) for lead_id in content.get("lead_ids") or [content["lead_id"]]]
        return True

    def break_partner(self) -> None:
        """Arm a fault of a partner, for one or a few calls."""
        partner, operation, name, order = fault(self.random, self.faults)
        self.partner.arm(partner, operation, order, times=self.random.randint(1, 3))
        self.counters.add(f"{partner} {name}")

    def refuse(self) -> None:
        """A partner refuses the next one or two creates permanently."""
        partner, profile = self.random.choice(list(partner_profiles().items()))
        self.partner.arm(partner, "create", profile.refusing, times=self.random.randint(1, 2))
        self.counters.add(f"{partner} refuses")

    def next_outage(self) -> None:
        """Another partner is away until the next outage. In one of the turns all are there."""
        if self._outage:
            self.partner.disarm(self._outage)
        names = [*partner_profiles(), ""]
        name, self._outage = names[self._outages % len(names)], ""
        self._outages += 1
        if name:
            self._outage = self.partner.arm(name, None, DOWN["closes the connection"], times=None)
            self.counters.add(f"outages of {name}")

    def flip_status(self) -> None:
        """Change a followed status and change it back. Each value is read by a sync, an operator's check or nothing."""
        recent = (self.delivery(one.lead_id, name) for one in self.posted[-RECENT:] for name in partner_profiles())
        found = [one for one in recent if one is not None and is_followed(one) and self._open_status(one)]
        if not found:
            return
        delivery = self.aside.choice(found)
        first = self._open_status(delivery)  # again: it may have ended while the others were read
        if first is None:
            return
        for status, reader in zip((first, self.other_status(delivery, first), first), READERS, strict=False):
            remote = self.partner.at(delivery.partner)
            partner_profiles()[delivery.partner].put_status(remote, delivery.created, status)
            self.read_status(delivery, reader if self.aside.random() < 0.6 else self.aside.choice(READERS))
        self.counters.add("statuses that flip back")

    def _open_status(self, delivery: Delivery) -> str | None:
        """The status at the partner; None if it is a last one."""
        profile = partner_profiles()[delivery.partner]
        status = profile.status(self.partner.at(delivery.partner), delivery.created)
        return None if status in profile.last_statuses else status

    def other_status(self, delivery: Delivery, status: str) -> str:
        """A status that differs and does not close the delivery."""
        others = [one for one in partner_profiles()[delivery.partner].open_statuses if one != status]
        return self.aside.choice(others)

    def rotate(self) -> None:
        """Rotate a secret of a source or of a partner. A partner's new one is stored at the next rotation."""
        if self.random.random() < 0.5:
            sources, name = self.secret("sources"), self.random.choice(ROTATED_SOURCES)
            known = sources[name]["secrets"]
            sources[name]["secrets"] = known[:1] if len(known) > 1 else [*source_secret(ADAPTER)["secrets"], *known]
            self.put_secret("sources", sources)
        elif self.late:
            self.put_late()
            return
        else:
            rotations = {name: one.rotations for name, one in partner_profiles().items()} | {"leeloo": ("token",)}
            name = self.random.choice([one for one in rotations if one not in self.late] or list(rotations))
            self.late[name] = self.partner.rotate(name, self.random.choice(rotations[name]))
            if name in partner_profiles():
                partner_profiles()[name].after_rotation(self.partner.at(name))
        self.counters.add(f"secret of {name} rotated")

    def secret(self, name: str) -> dict[str, Any]:
        return dict(json.loads(self.secrets_manager.get_secret_value(SecretId=f"{PREFIX}/{name}")["SecretString"]))

    def put_secret(self, name: str, value: dict[str, Any]) -> None:
        self.secrets_manager.put_secret_value(SecretId=f"{PREFIX}/{name}", SecretString=json.dumps(value))

    def put_tracker(self, stored: dict[str, Any]) -> None:
        """Store a secret of trackers whose addresses need no click id: the run's forms have none."""
        entries = {name: {**one, "url": one["url"].replace("{click_id}", "{sub1}")} for name, one in stored.items()}
        self.put_secret("feedback", entries)

    def put_late(self) -> None:
        for name, renewed in self.late.items():
            stored = self.secret(kind_of(name))
            new = {name: renewed} if name in partner_profiles() else renewed
            self.put_secret(kind_of(name), {**stored, **new})
        self.late.clear()

    def stop_faults(self) -> None:
        """End all faults but the refusals of people, store the new secrets, and resume the partners."""
        for one in self.partner.rows("faults"):
            if not one["match"]:
                self.partner.disarm(one["id"])
        self.put_late()
        self.operator.resume_all()

    def snapshot(self) -> Snapshot:
        return Snapshot(
            posted=self.posted,
            table=list(self.stores.table_items()),
            calls=[call for name in partner_profiles() for call in self.partner.calls(name, "create")],
            partner_records=self.partner_records(),
            sent_messages=self.partner.rows("leeloo/messages"),
            dead_letters=self.stores.dead_letters(),
            queue_sizes=self.stores.waiting(),
            to_be_erased=frozenset(self.operator.erased),
            failures=dict(self.counters.failures),
            send_window=self.send_window,
            faulted_posts=self.faulted_posts,
            creates=self.creates,
            sources=self.settings.sources,
            partners=self.settings.partners,
            now=self.now(),
            index_key=self.secret("index")["key"],
            expired=frozenset(self.expired),
            posts=frozenset(post.post_id for post in self.sent),
            refused=list(self.refused.values()),
            corrections=list(self.operator.corrections),
            pauses=list(self.operator.pauses),
            added_partners=list(self.operator.added_partners),
            listed_incomplete=self.stores.listed_incomplete(),
            overwritten=list(self.overwritten),
            has_statistics=True,
            tracker_events=self.partner.rows("feedback/postbacks"),
            is_in_real_time=self.is_in_real_time,
        )

    def partner_records(self) -> list[PartnerRecord]:
        return [record for name, one in partner_profiles().items() for record in one.records(self.partner.at(name))]


def is_followed(delivery: Delivery) -> bool:
    """Whether the product still checks a delivery's status."""
    return delivery.state is State.SUBMITTED and not delivery.is_erased and delivery.created is not None
