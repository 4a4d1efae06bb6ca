"""The resources of the routes: environment, repositories, queues and secrets, created on first use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING

from leadbridge.auth.secrets import Secrets
from leadbridge.runtime import aws
from leadbridge.runtime.environment import SharedEnvironment, TableEnvironment, json_variable
from leadbridge.settings import settings
from leadbridge.storage.fetches import FetchRepository
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.messages import MessageRepository
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.queries.lead_search import LeadFinder
from leadbridge.storage.table import Table, open_table

if TYPE_CHECKING:
    from leadbridge.domain.accounts.scan import ScanState
    from leadbridge.services.correct_lead import Corrector
    from leadbridge.services.dead_letters.queues import DeadLetters
    from leadbridge.services.ports.deliveries import IdVerifier
    from leadbridge.storage.erasure.eraser import Eraser
    from leadbridge.storage.feedback.postbacks import PostbackRepository
    from leadbridge.storage.statistics.daily_stats import DailyStats


class Environment(SharedEnvironment, TableEnvironment):
    """The variables of manage_leads. `dead_letter_queues` and `queues` are URLs by name."""

    check_queue_url: str
    dead_letter_queues: Mapping[str, str] = json_variable()
    queues: Mapping[str, str] = json_variable()


@dataclass(frozen=True)
class Resources:
    """The resources of this stack. Modules that only some routes need are imported on first use."""

    environment: Environment

    @cached_property
    def table(self) -> Table:
        """The DynamoDB table."""
        return open_table()

    @cached_property
    def leads(self) -> LeadRepository:
        """The leads."""
        return LeadRepository(self.table, settings().feedback)

    @cached_property
    def lead_list(self) -> LeadList:
        """The list of leads."""
        return LeadList(self.table)

    @cached_property
    def lead_search(self) -> LeadFinder:
        """The search for the lead of an account."""
        return LeadFinder(self.table)

    @cached_property
    def messages(self) -> MessageRepository:
        """The messages to people."""
        return MessageRepository(self.table)

    @cached_property
    def postbacks(self) -> PostbackRepository:
        """The postbacks to trackers."""
        from leadbridge.storage.feedback.postbacks import PostbackRepository

        return PostbackRepository(self.table)

    @cached_property
    def fetches(self) -> FetchRepository:
        """The fetches of leads."""
        return FetchRepository(self.table)

    @cached_property
    def secrets(self) -> Secrets:
        """The secrets of this stack."""
        return Secrets(aws.secrets_manager(), self.environment.secrets_prefix)

    def index_key(self) -> str:
        """Return the key of the hashes by which people are found."""
        return str(self.secrets.get("index")["key"])

    @cached_property
    def stats(self) -> DailyStats:
        """The daily statistics."""
        from leadbridge.storage.statistics.daily_stats import DailyStats

        return DailyStats(self.table)

    @cached_property
    def eraser(self) -> Eraser:
        """The eraser of a person's data."""
        from leadbridge.storage.erasure.eraser import Eraser

        return Eraser(self.table)

    @cached_property
    def corrector(self) -> Corrector:
        """The corrector of leads."""
        from leadbridge.domain.clock import utc_now
        from leadbridge.domain.fields.hashes import keyed_hash
        from leadbridge.services.correct_lead import Corrector
        from leadbridge.storage.corrections import CorrectionRepository

        key = self.index_key()
        corrections = CorrectionRepository(self.table)
        return Corrector(self.leads, corrections, settings(), lambda value: keyed_hash(key, value), utc_now)

    def scan_state(self, partner: str) -> ScanState | None:
        """Return the progress of a partner's account sync; None if it never ran."""
        from leadbridge.storage.accounts import AccountRepository

        return AccountRepository(self.table, partner, str).state()

    def dead_letters(self, operator: str = "") -> DeadLetters:
        """Return the dead-letter queues. `operator` is written to the timelines of changed leads."""
        from leadbridge.domain.clock import utc_now
        from leadbridge.services.dead_letters.queues import DeadLetters
        from leadbridge.services.dead_letters.redrive import Redriver
        from leadbridge.storage.inbox.subjects import load_subjects

        redriver = Redriver(
            self.leads, self.messages, self.fetches, self.postbacks, settings().partners, operator, utc_now
        )
        queues, destinations = self.environment.dead_letter_queues, self.environment.queues
        return DeadLetters(
            aws.sqs(), queues, destinations, redriver.redrive, redriver.note, partial(load_subjects, self.table)
        )

    def register(self, partner: str) -> IdVerifier:
        """Return the client that confirms an id at a partner."""
        from leadbridge.partners.kind import LostReply
        from leadbridge.partners.wiring import client_of, kind_of
        from leadbridge.services.resolve_delivery import AccountVerifier, DealVerifier

        client = client_of(partner)
        return AccountVerifier(client) if kind_of(partner).lost_reply is LostReply.LOOK_UP else DealVerifier(client)
