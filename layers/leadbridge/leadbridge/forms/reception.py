"""How a form's post becomes a stored lead: proof, reading, cleaning, one conditional write."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from leadbridge.clock import Clock
from leadbridge.forms.adapter import (
    MOST_BYTES,
    Adapter,
    Challenged,
    Forged,
    Request,
    Submission,
    UnsupportedType,
    adapter_named,
    most_bytes_of,
)
from leadbridge.forms.mapping import is_caught, with_defaults
from leadbridge.leads.fetch import Fetch, announced
from leadbridge.leads.items import hashes_of
from leadbridge.leads.lead import Lead, build_lead, lead_id_of
from leadbridge.leads.quota import Quota
from leadbridge.leads.routing import Decision, decide
from leadbridge.settings import Settings, Source

WINDOW = timedelta(days=1)  # for how long the same body from a form without ids of its own is the same lead
LONGEST = timedelta(seconds=4)  # that leads of one post are stored one after another; builders wait 5 s or more


class UnknownSource(LookupError):
    """No source of this name is configured."""


class Unprovable(LookupError):
    """The source has no secret yet, so nothing it sends can be believed for now."""


class Unfinished(Exception):
    """The post holds more leads than could be stored in time: it must come again, and goes on where this one ended."""


class Book(Protocol):
    """The part of the store that a reception needs."""

    def accept(
        self,
        lead: Lead,
        *,
        phone_hash: str | None,
        email_hash: str | None = None,
        tax_hash: str | None = None,
        unless: str | None = None,
        window: timedelta = timedelta(),
        fetch: Fetch | None = None,
        quota: Quota | None = None,
    ) -> str | None:
        """Store a new lead; None, or the id of the lead that is already here."""
        ...

    def known(self, lead_ids: Iterable[str]) -> set[str]:
        """Which of these leads are here, as far as that can be told quickly."""
        ...


class Kind(StrEnum):
    """What a post turned out to be."""

    NEW = "new"
    REDELIVERY = "redelivery"
    TEST = "test"
    IGNORED = "ignored"
    CAUGHT = "caught"


@dataclass(frozen=True)
class Reception:
    """What came of a post; a test ping, and one that tells of something else than a lead, has no lead.

    Of one that the honeypot caught there is no lead either: its id is for show.

    `lead_ids` are all of a post that held several, the first of them being `lead_id`; `stored` of them are new.
    """

    kind: Kind
    lead_id: str | None = None
    lead_ids: tuple[str, ...] = ()
    stored: int = 0


@dataclass(frozen=True)
class Desk:
    """Receives the posts of all sources.

    `proofs(source, fresh)` returns the source's entry in the secret `{prefix}/sources`, with `fresh` as it stands now
    (or stood a few seconds ago); `keyed_hash`
    makes what stands in the indexes for phones and e-mails.
    """

    settings: Settings
    book: Book
    proofs: Callable[[str, bool], dict[str, Any]]
    keyed_hash: Callable[[str], str]
    clock: Clock

    def receive(self, name: str, request: Request) -> Reception:
        """Take one post. Safe to repeat: a redelivery finds its own lead.

        Raises UnknownSource, UnsupportedType, Forged, Unprovable, Unreadable, InvalidLead, Unfinished, TooMany, and
        what the book raises.
        """
        source = self._source(name)
        adapter = adapter_named(source.adapter)
        if request.content_type not in adapter.content_types:
            raise UnsupportedType(" or ".join(adapter.content_types))
        now = self.clock()
        self._prove(name, adapter, request, now)
        submissions = adapter.parse(request, source)
        if not submissions:
            return Reception(Kind.IGNORED)
        real = [submission for submission in submissions if not submission.is_test]
        if not real:
            return Reception(Kind.TEST)
        if any(is_caught(submission, source) for submission in real):
            # Whoever sent it hears what a lead would have been answered: an id like any other, that nothing has.
            return Reception(Kind.CAUGHT, lead_id_of(name, f"caught:{hashlib.sha256(request.body).hexdigest()}"))
        if len(real) > 1:
            return self._store_all(name, source, request, real, now)
        return self._store(name, source, request, real[0], now)

    def answer_challenge(self, name: str, query: Mapping[str, str]) -> str:
        """What a builder wants to hear that asks whether the address is ours. Raises UnknownSource, Forged."""
        adapter = adapter_named(self._source(name).adapter)
        if not isinstance(adapter, Challenged):
            raise Forged("this source's address is not verified so")
        try:
            return adapter.answer_challenge(query, self.proofs(name, False))
        except Forged:
            return adapter.answer_challenge(query, self.proofs(name, True))

    def most_bytes(self, name: str) -> int:
        """How long a source's posts may be."""
        source = self.settings.sources.get(name)
        return MOST_BYTES if source is None else most_bytes_of(adapter_named(source.adapter))

    def _source(self, name: str) -> Source:
        source = self.settings.sources.get(name)
        if source is None:
            raise UnknownSource(name)
        return source

    def _prove(self, name: str, adapter: Adapter, request: Request, now: datetime) -> None:
        secrets = self._secrets(name, fresh=False)
        try:
            adapter.verify(request, secrets, now)
        except Forged:
            renewed = self._secrets(name, fresh=True)
            if not renewed:
                raise Unprovable(name) from None
            if renewed == secrets:
                raise
            adapter.verify(request, renewed, now)

    def _secrets(self, name: str, *, fresh: bool) -> list[str]:
        found = self.proofs(name, fresh).get("secrets")
        return [secret for secret in found if isinstance(secret, str) and secret] if isinstance(found, list) else []

    def _store_all(
        self, name: str, source: Source, request: Request, submissions: list[Submission], now: datetime
    ) -> Reception:
        """Store several leads, each by itself: what is stored stays, and a redelivery stores the rest."""
        named = {lead_id_of(name, f"id:{submission.delivery_id}"): submission for submission in submissions}
        known, stored = self.book.known(named), 0
        for lead_id, submission in named.items():
            if lead_id in known:
                continue
            if self.clock() - now > LONGEST:
                raise Unfinished
            stored += self._store(name, source, request, submission, now).stored
        lead_ids = tuple(named)
        return Reception(Kind.NEW if stored else Kind.REDELIVERY, lead_ids[0], lead_ids, stored)

    def _store(self, name: str, source: Source, request: Request, submission: Submission, now: datetime) -> Reception:
        unless = None
        if submission.delivery_id is not None:
            lead_id = lead_id_of(name, f"id:{submission.delivery_id}")
        else:
            # Windows stand side by side; a redelivery may fall into the one after, so that one's lead counts too.
            body, number = hashlib.sha256(request.body).hexdigest(), int(now.timestamp() // WINDOW.total_seconds())
            lead_id, unless = (lead_id_of(name, f"body:{body}:{which}") for which in (number, number - 1))
        keys = submission.to_fetch
        lead = build_lead(
            with_defaults(submission.values, source) if keys is None else {},
            lead_id=lead_id,
            source=name,
            received_at=now,
            partners=self.settings.partners,
            choose=lambda asked: Decision(()) if keys else decide(source.partners, asked.value, submission.answers),
        )
        already = self.book.accept(
            lead,
            **hashes_of(lead, self.keyed_hash),
            unless=unless,
            window=WINDOW,
            fetch=None if keys is None else announced(lead_id, name, keys, now),
            quota=Quota(name, source.per_minute) if source.per_minute else None,
        )
        if already is not None:
            return Reception(Kind.REDELIVERY, already)
        return Reception(Kind.NEW, lead_id, stored=1)
