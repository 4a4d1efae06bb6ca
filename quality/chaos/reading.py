"""Reading a stack's table, queues and dead letters."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from leadbridge.domain.acceptance.status import LeadStatus
from leadbridge.services.dead_letters.queues import DeadLetter, parse_dead_letter
from leadbridge.storage import items
from leadbridge.storage.leads import LeadRepository
from leadbridge.storage.queries.lead_filter import LeadFilter
from leadbridge.storage.queries.lead_list import LeadList
from leadbridge.storage.table import Table

PAGE = 100  # leads of one page of the list
VISIBLE, HIDDEN = "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"
RECEIVE: dict[str, Any] = {"MaxNumberOfMessages": 10, "VisibilityTimeout": 60}
RECEIVE |= {"MessageSystemAttributeNames": ["SentTimestamp"], "MessageAttributeNames": ["All"]}


@dataclass(frozen=True)
class Stores:
    """The clients, the table, and the queues' URLs by name."""

    dynamodb: Any
    sqs: Any
    table: str
    queues: Mapping[str, str]
    dead_letter_queues: Mapping[str, str]

    @property
    def leads(self) -> LeadRepository:
        return LeadRepository(Table(self.dynamodb, self.table))

    def table_items(self) -> Iterator[dict[str, Any]]:
        for page in self.dynamodb.get_paginator("scan").paginate(TableName=self.table, ConsistentRead=True):
            yield from map(items.decode, page["Items"])

    def listed_incomplete(self) -> frozenset[str]:
        """The leads in the operators' list of incomplete ones."""
        listing, wanted = LeadList(Table(self.dynamodb, self.table)), LeadFilter(status=LeadStatus.INCOMPLETE)
        pages = [listing.page(wanted, PAGE, None)]
        while pages[-1].cursor is not None:
            pages.append(listing.page(wanted, PAGE, pages[-1].cursor))
        return frozenset(journey.lead.lead_id for page in pages for journey in page.leads)

    def waiting(self) -> dict[str, int]:
        """The number of messages in each queue, including hidden ones, and of hidden dead letters."""
        hidden = {f"{name}, hidden": self._size(url, HIDDEN) for name, url in self.dead_letter_queues.items()}
        return {name: self._size(url, VISIBLE, HIDDEN) for name, url in self.queues.items()} | hidden

    def _size(self, url: str, *kinds: str) -> int:
        return sum(map(int, self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"].values()))

    def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter. They stay hidden for a moment."""
        found: dict[str, DeadLetter] = {}
        for name, url in self.dead_letter_queues.items():
            before = -1
            while len(found) > before:
                before = len(found)
                for message in self.sqs.receive_message(QueueUrl=url, **RECEIVE).get("Messages", []):
                    found.setdefault(message["MessageId"], parse_dead_letter(name, message))
        for letter in found.values():
            url = self.dead_letter_queues[letter.queue]
            with suppress(ClientError):  # it is visible in a minute anyway
                self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=letter.receipt, VisibilityTimeout=0)
        return list(found.values())
