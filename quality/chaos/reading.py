"""Reading the books: the table, the queues and the dead letters of a stack, and the sandbox's own logs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from devstack.sandbox.profile import Made, profiles
from devstack.sandbox.remote import Remote
from leadbridge.services.dead_letters import DeadLetter, parse_dead_letter
from leadbridge.settings import Settings
from leadbridge.storage import items
from quality.chaos.reconciliation import Books, Posted


@dataclass(frozen=True)
class Stores:
    """Where the books of one stack are: the clients, the table, and the queues' addresses by name."""

    dynamodb: Any
    sqs: Any
    table: str
    queues: Mapping[str, str]
    dead_letter_queues: Mapping[str, str]

    def table_items(self) -> Iterator[dict[str, Any]]:
        """Every item, decoded."""
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            yield from map(items.decode, page["Items"])

    def letters(self) -> list[DeadLetter]:
        """Every dead letter; they are hidden from others for a moment."""
        return [letter for name, url in self.dead_letter_queues.items() for letter in self._letters(name, url)]

    def waiting(self) -> dict[str, int]:
        """How many messages each queue holds, hidden ones too, and how many letters somebody has in hand."""
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = {}
        for name, url in self.queues.items():
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
            found[name] = sum(int(attributes[kind]) for kind in kinds)
        for name, url in self.dead_letter_queues.items():
            attributes = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds[1:])["Attributes"]
            found[f"{name}, letters held"] = int(attributes[kinds[1]])
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
            self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)


def read(
    stores: Stores,
    partner: Remote,
    posted: Sequence[Posted],
    settings: Settings,
    waiting: Mapping[str, int] | None = None,
    **noted: Any,
) -> Books:
    """Everybody's word, as it is now. `waiting` is what queues hold that others than SQS keep; `noted` is the run's."""
    sources = settings.sources
    deduplicated = (name for name, one in sources.items() if one.dedup_days and one.on_repeat != "send")
    return Books(
        posted=posted,
        partners=settings.partners,
        table=list(stores.table_items()),
        calls=[call for name in profiles() for call in partner.calls(name, "create")],
        made=list(all_made(partner)),
        sent=partner.messages(),
        waiting=stores.waiting() if waiting is None else waiting,
        letters=stores.letters(),
        counted_sources=frozenset(name for name, source in sources.items() if source.per_minute),
        dedup_sources=frozenset(deduplicated),
        **noted,
    )


def all_made(partner: Remote) -> Iterator[Made]:
    """All that partners have made."""
    for profile in profiles().values():
        yield from profile.made(partner)
