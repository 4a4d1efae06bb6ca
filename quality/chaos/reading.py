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
WAITING = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


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
        listing, cursor, found = LeadList(Table(self.dynamodb, self.table)), None, set[str]()
        while True:
            page = listing.page(LeadFilter(status=LeadStatus.INCOMPLETE), PAGE, cursor)
            found |= {journey.lead.lead_id for journey in page.leads}
            cursor = page.cursor
            if cursor is None:
                return frozenset(found)

    def waiting(self) -> dict[str, int]:
        """The number of messages in each queue, including hidden ones, and of hidden dead letters."""
        hidden = {f"{name}, hidden dead letters": url for name, url in self.dead_letter_queues.items()}
        sizes = {name: sum(self._sizes(url, WAITING)) for name, url in self.queues.items()}
        return sizes | {name: sum(self._sizes(url, WAITING[1:])) for name, url in hidden.items()}

    def _sizes(self, url: str, kinds: tuple[str, ...]) -> list[int]:
        found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(kinds))["Attributes"]
        return [int(found[kind]) for kind in kinds]

    def dead_letters(self) -> list[DeadLetter]:
        """Every dead letter. They stay hidden for a moment."""
        return [letter for name, url in self.dead_letter_queues.items() for letter in self._letters(name, url)]

    def _letters(self, name: str, url: str) -> Iterator[DeadLetter]:
        receipts: dict[str, str] = {}
        options: Any = {"MessageSystemAttributeNames": ["SentTimestamp"], "MessageAttributeNames": ["All"]}
        options |= {"MaxNumberOfMessages": 10, "VisibilityTimeout": 60}
        while True:
            found = self.sqs.receive_message(QueueUrl=url, **options).get("Messages", [])
            fresh = [message for message in found if message["MessageId"] not in receipts]
            if not fresh:
                break
            for message in fresh:
                receipts[message["MessageId"]] = message["ReceiptHandle"]
                yield parse_dead_letter(name, message)
        for receipt in receipts.values():
            with suppress(ClientError):  # moto refuses it for a letter of half a day; it is visible in a minute
                self.sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=receipt, VisibilityTimeout=0)
