"""How a form's post becomes a stored lead: proof, reading, cleaning, one conditional write."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import uuid4

from leadbridge.auth.signatures import SignatureInvalid
from leadbridge.domain.acceptance.answers import bound_answers
from leadbridge.domain.acceptance.build import build_lead, is_worth_storing
from leadbridge.domain.acceptance.field_names import safe_names
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.domain.clock import Clock
from leadbridge.domain.delivery import State
from leadbridge.domain.errors.field_codes import FieldError
from leadbridge.domain.fetch import new_fetch
from leadbridge.domain.fields.hashes import hashes_of
from leadbridge.domain.fields.reading import reading_rules
from leadbridge.domain.lead import InvalidLead, Lead, changed_fields, lead_id_of
from leadbridge.domain.routing.rules import Decision, RoutingFacts, choose_partners
from leadbridge.forms.base import (
    Adapter,
    ChallengeAdapter,
    Request,
    Submission,
    UnsupportedType,
    adapter_named,
    keeps_id_of_edits,
    max_bytes_of,
)
from leadbridge.forms.mapping import fills_honeypot, find_unmapped_names, find_unused_names, with_defaults
from leadbridge.forms.parsing.canonical import canonical_content, content_hash
from leadbridge.forms.unused_fields import UnusedFields
from leadbridge.runtime.aws_errors import RETRY_FOR
from leadbridge.services.ports.leads import LeadStore, PostLog
from leadbridge.settings import Settings, Source
from leadbridge.storage.content_claims import ContentClaim
from leadbridge.storage.quota import Quota

CONTENT_WINDOW = timedelta(days=1)  # for how long the same content from a form without ids of its own is the same lead
MAX_STORING_TIME = timedelta(
    seconds=4
)  # that leads of one post are stored one after another; builders wait 5 s or more
DECOY_RECEIVED_FOR = timedelta(minutes=1)  # for how long the answer to a repeated caught post says `received`


class UnknownSource(LookupError):
    """No source of this name is configured."""


class SourceSecretMissing(LookupError):
    """The source has no secret yet, so nothing it sends can be believed for now."""


class StoredPartially(Exception):
    """The post holds more leads than could be stored in time: a retry of the post stores the rest."""


class ReceiveStatus(StrEnum):
    """What a post turned out to be."""

    NEW = "new"
    REDELIVERY = "redelivery"
    TEST = "test"
    IGNORED = "ignored"
    HONEYPOT = "honeypot"


@dataclass(frozen=True)
class ReceiveResult:
    """The result of a post. A test ping, and an event that is not a submission, have no lead.

    Of one that the honeypot caught there is no lead either: its id is for show.

    `lead_ids` are all of a post that held several, the first of them being `lead_id`; `stored` of them are new.
    `status` is the lead's; only a redelivery has it. `problems` are those of a new lead that is incomplete. `changed`
    are the fields of the lead that differ, possibly none. Only a redelivery has it whose content is not the lead's and
    was not noted in the timeline before.
    """

    kind: ReceiveStatus
    lead_id: str | None = None
    lead_ids: tuple[str, ...] = ()
    stored: int = 0
    status: str | None = None
    problems: tuple[FieldError, ...] = ()
    changed: tuple[str, ...] | None = None


@dataclass(frozen=True)
class LeadReceiver:
    """Receives the posts of all sources.

    `credentials(source, fresh)` returns the source's entry in the secret `{prefix}/sources`: from the cache, or read
    again if `fresh`. `keyed_hash` hashes phones and e-mails for the indexes. `posts` counts what brings no new lead.
    """

    settings: Settings
    store: LeadStore
    credentials: Callable[[str, bool], dict[str, Any]]
    keyed_hash: Callable[[str], str]
    clock: Clock
    posts: PostLog
    unused: UnusedFields = field(default_factory=UnusedFields)

    def receive(self, name: str, request: Request) -> ReceiveResult:
        """Take one post. Safe to repeat: a redelivery finds its own lead.

        Raises UnknownSource, UnsupportedType, SignatureInvalid, SourceSecretMissing, Unreadable, InvalidLead,
        StoredPartially, QuotaExceeded, and what the store raises.
        """
        source = self._source(name)
        adapter = adapter_named(source.adapter)
        if request.content_type not in adapter.content_types:
            raise UnsupportedType(" or ".join(adapter.content_types))
        now = self.clock()
        self._prove(name, adapter, request, now)
        submissions = adapter.parse(request, source)
        if not submissions:
            return ReceiveResult(ReceiveStatus.IGNORED)
        real = [submission for submission in submissions if not submission.is_test]
        if not real:
            return ReceiveResult(ReceiveStatus.TEST)
        for submission in real:
            if fills_honeypot(submission, source):
                return self._catch(name, source, submission, now)
        if len(real) > 1:
            return self._store_all(name, source, real, now)
        try:
            return self._store(name, source, real[0], now)
        except InvalidLead as refused:
            refused.unused = safe_names(find_unused_names(real[0], source))
            raise

    def test(self, name: str) -> ReceiveResult:
        """Take a post that is signed with the source's own secret, as far as its test ping is taken.

        Raises UnknownSource, SourceSecretMissing if there is no secret that can prove a post, and what the secrets
        raise.
        """
        adapter, now = adapter_named(self._source(name).adapter), self.clock()
        headers = {"content-type": adapter.content_types[0], "webhook-id": "test"}
        secrets = self._secrets(name, fresh=False) or self._secrets(name, fresh=True)
        if not secrets:
            raise SourceSecretMissing(name)
        try:
            self._prove(name, adapter, adapter.sign_request(Request(headers, {}, b"{}"), secrets[0], now), now)
        except (SignatureInvalid, ValueError):
            raise SourceSecretMissing(name) from None
        return ReceiveResult(ReceiveStatus.TEST)

    def answer_challenge(self, name: str, query: Mapping[str, str]) -> str:
        """Answer a builder's challenge to the address. Raises UnknownSource, SignatureInvalid."""
        adapter = adapter_named(self._source(name).adapter)
        if not isinstance(adapter, ChallengeAdapter):
            raise SignatureInvalid("this source's address is not verified so")
        try:
            return adapter.answer_challenge(query, self.credentials(name, False))
        except SignatureInvalid:
            return adapter.answer_challenge(query, self.credentials(name, True))

    def max_body_bytes(self, name: str) -> int:
        """How long a source's posts may be. Raises UnknownSource."""
        return max_bytes_of(adapter_named(self._source(name).adapter))

    def _source(self, name: str) -> Source:
        source = self.settings.sources.get(name)
        if source is None:
            raise UnknownSource(name)
        return source

    def _prove(self, name: str, adapter: Adapter, request: Request, now: datetime) -> None:
        secrets = self._secrets(name, fresh=False)
        try:
            adapter.verify(request, secrets, now)
        except SignatureInvalid:
            renewed = self._secrets(name, fresh=True)
            if not renewed:
                raise SourceSecretMissing(name) from None
            if renewed == secrets:
                raise
            adapter.verify(request, renewed, now)

    def _secrets(self, name: str, *, fresh: bool) -> list[str]:
        found = self.credentials(name, fresh).get("secrets")
        return [secret for secret in found if isinstance(secret, str) and secret] if isinstance(found, list) else []

    def _store_all(self, name: str, source: Source, submissions: list[Submission], now: datetime) -> ReceiveResult:
        """Store several leads, each in its own transaction. A redelivery stores the remaining ones."""
        named = {lead_id_of(name, f"id:{submission.delivery_id}"): submission for submission in submissions}
        known, stored = self.store.known(named), 0
        for lead_id, submission in named.items():
            if lead_id in known:
                continue
            left = MAX_STORING_TIME - (self.clock() - now)
            if left < timedelta():
                raise StoredPartially
            stored += self._store(name, source, submission, now, min(left.total_seconds(), RETRY_FOR)).stored
        lead_ids = tuple(named)
        if stored:
            return ReceiveResult(ReceiveStatus.NEW, lead_ids[0], lead_ids, stored)
        return ReceiveResult(ReceiveStatus.REDELIVERY, lead_ids[0], lead_ids, status=self._status(lead_ids[0]))

    def _store(
        self, name: str, source: Source, submission: Submission, now: datetime, retry_for: float = RETRY_FOR
    ) -> ReceiveResult:
        if submission.delivery_id is not None:
            lead_id, window = lead_id_of(name, f"id:{submission.delivery_id}"), timedelta()
        else:
            # The content finds the lead through its claim. The id is random: it outlives the erasure of the person.
            lead_id, window = lead_id_of(name, f"content:{uuid4().hex}"), CONTENT_WINDOW
        keys = submission.to_fetch
        unused = self.unused.unreported(name, source, submission, now)
        lead = build_lead(
            with_defaults(submission.values, source) if keys is None else {},
            lead_id=lead_id,
            source=name,
            received_at=now,
            partners=self.settings.partners,
            rules=reading_rules(source, self.settings.partners),
            choose=lambda asked: (
                Decision(())
                if keys
                else choose_partners(source, RoutingFacts(asked.value, submission.answers, now, self.keyed_hash))
            ),
            content_hash=None if keys is not None else self._content_hash(name, _content(submission, source)),
            answers=submission.answers,
            count_by=source.count_by,
            time_zone=self.settings.alerts.time_zone,
            unmapped=None if keys else find_unmapped_names(submission, source),
            refuses=source.refuses_invalid,
            unused=unused,
        )
        if lead.problems and not is_worth_storing(lead):
            raise InvalidLead(lead.problems)
        already = self.store.accept(
            lead,
            **hashes_of(lead, self.keyed_hash),
            window=window,
            fetch=None if keys is None else new_fetch(lead_id, name, keys, now),
            quota=Quota(name, source.per_minute) if source.per_minute else None,
            retry_for=retry_for,
        )
        if already is None:
            self.unused.reported(name, source, submission, unused, now)
            return ReceiveResult(ReceiveStatus.NEW, lead_id, stored=1, problems=lead.problems)
        is_edit = submission.delivery_id is not None and keeps_id_of_edits(adapter_named(source.adapter))
        return self._redelivered(already, lead, bound_answers(submission.answers) if is_edit else None)

    def _redelivered(self, lead_id: str, posted: Lead, newer_answers: Mapping[str, str] | None) -> ReceiveResult:
        """Answer a post whose lead is stored already. The first content stays; the timeline notes other content."""
        journey = self.store.journey(lead_id)
        if journey is None:
            return ReceiveResult(ReceiveStatus.REDELIVERY, lead_id, status=LeadStatus.RECEIVED.value)
        stored, changed = journey.lead, None
        if posted.content_hash and stored.content_hash and posted.content_hash != stored.content_hash:
            fields = changed_fields(stored, posted)
            if self.store.note_change(posted, fields, newer_answers):
                changed = fields
        return ReceiveResult(ReceiveStatus.REDELIVERY, lead_id, status=journey.status.value, changed=changed)

    def _catch(self, name: str, source: Source, submission: Submission, now: datetime) -> ReceiveResult:
        """Answer a caught post as a lead is answered, a repeated post too. No content is stored.

        Only a claim is stored, like that of a lead without an id. So every worker gives the same answer.
        """
        if submission.delivery_id is None:
            lead_id, window = lead_id_of(name, f"content:{uuid4().hex}"), CONTENT_WINDOW
            content = _content(submission, source)
        else:
            lead_id, window = lead_id_of(name, f"id:{submission.delivery_id}"), None
            content = {"delivery_id": submission.delivery_id}
            if self.store.known([lead_id]):
                return ReceiveResult(ReceiveStatus.HONEYPOT, lead_id, status=self._status(lead_id))
        decoys = f"{name}+honeypot"  # no source can have this name, so no lead shares a claim with a decoy
        claim = ContentClaim(decoys, self._content_hash(decoys, content), lead_id, now, window)
        held = self.store.claim_content(claim)
        if held is claim:
            return ReceiveResult(ReceiveStatus.HONEYPOT, lead_id)
        state = State.RECEIVED if now - held.received_at < DECOY_RECEIVED_FOR else State.SUBMITTED
        return ReceiveResult(ReceiveStatus.HONEYPOT, held.lead_id, status=state.value)

    def _status(self, lead_id: str) -> str:
        journey = self.store.journey(lead_id)
        return (journey.status if journey else LeadStatus.RECEIVED).value

    def _content_hash(self, source: str, content: Mapping[str, str]) -> str:
        """Return the content's digest. Its key is derived from the index's key."""
        return content_hash(self.keyed_hash("key of content hashes"), source, content)


def _content(submission: Submission, source: Source) -> Mapping[str, str]:
    return canonical_content(submission.answers if submission.content is None else submission.content, source)
