"""Reading a snapshot: a stack's table, queues and dead letters, and the sandbox's records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from devstack.partners import partner_profiles
from devstack.sandbox.profile import PartnerRecord
from devstack.sandbox.remote import Remote
from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.services.dead_letters.queues import DeadLetter, parse_dead_letter
from leadbridge.settings import Settings
from leadbridge.storage import items
from leadbridge.storage.queries.lead_filter import LeadFilter
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.table import Table
from quality.chaos.reconciliation import Posted, Route, Snapshot

PAGE = 100  # leads of one page of the list


@dataclass(frozen=True)
class Stores:
    """The clients, the table, and the queues' URLs by name."""

    dynamodb: Any
    sqs: Any
    table: str
    queues: Mapping[str, str]
    dead_letter_queues: Mapping[str, str]

    def table_items(self) -> Iterator[dict[str, Any]]:
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            yield from map(items.decode, page["Items"])

    def listed_incomplete(self) -> frozenset[str]:
        """The leads in the operators' list of incomplete ones."""
        listing, cursor, found = LeadList(Table(self.dynamodb, self.table)), None, set[str]()
        while True:
            page = listing.page(LeadFilter(status=LeadStatus.INCOMPLETE), PAGE, cursor)
            found |= {journey.lead.lead_id for journey in page.leads}
            cursor = page.cursor
            if cursor is None:
                return frozenset(found)

    def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter. They stay hidden for a moment."""
        return [letter for name, url in self.dead_letter_queues.items() for letter in self._letters(name, url)]

    def waiting(self) -> dict[str, int]:
        """The number of messages in each queue, including hidden ones, and of hidden dead letters."""
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = {}
        for name, url in self.queues.items():
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
            found[name] = sum(int(attributes[kind]) for kind in kinds)
        for name, url in self.dead_letter_queues.items():
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds[1:])["Attributes"]
            found[f"{name}, hidden dead letters"] = int(attributes[kinds[1]])
        return found

    def _letters(self, name: str, url: str) -> Iterator[DeadLetter]:
        seen: set[str] = set()
        receipts = []
        while True:
            found = self.sqs.receive_message(
                QueueUrl=url,
                MaxNumberOfMessages=10,
                VisibilityTimeout=60,
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=["All"],
            ).get("Messages", [])
            fresh = [message for message in found if message["MessageId"] not in seen]
            if not fresh:
                break
            for message in fresh:
                seen.add(message["MessageId"])
                receipts.append(message["ReceiptHandle"])
                yield parse_dead_letter(name, message)
        for receipt in receipts:
            with suppress(ClientError):  # moto refuses it for a letter of half a day; it is visible in a minute
                self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)


def read(
    stores: Stores,
    partner: Remote,
    posted: Sequence[Posted],
    settings: Settings,
    waiting: Mapping[str, int] | None = None,
    **noted: Any,
) -> Snapshot:
    """Everybody's word, as it is now. `waiting` is what queues hold that others than SQS keep; `noted` is the run's."""
    sources = settings.sources
    deduplicated = (name for name, one in sources.items() if one.dedup_days and one.on_repeat != "send")
    return Snapshot(
        posted=posted,
        partners=settings.partners,
        table=list(stores.table_items()),
        calls=[call for name in partner_profiles() for call in partner.calls(name, "create")],
        partner_records=list(all_partner_records(partner)),
        sent_messages=partner.messages(),
        queue_sizes=stores.waiting() if waiting is None else waiting,
        dead_letters=stores.dead_letters(),
        counted_sources=frozenset(name for name, source in sources.items() if source.per_minute),
        dedup_sources=frozenset(deduplicated),
        routes={
            name: Route(
                tuple(rule.partners for rule in source.partners),
                source.refuses_invalid,
                tuple(rule.weights for rule in source.partners),
            )
            for name, source in sources.items()
        },
        listed_incomplete=stores.listed_incomplete(),
        has_statistics=True,
        feedback=settings.feedback,
        tracker_events=partner.postbacks(),
        **noted,
    )


def all_partner_records(partner: Remote) -> Iterator[PartnerRecord]:
    for profile in partner_profiles().values():
        yield from profile.records(partner)
