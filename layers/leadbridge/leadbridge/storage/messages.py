"""Where messages to people are kept: beside their lead, or beside the account that an operator wrote to.

pk                 sk                     item
LEAD#{lead_id}     MESSAGE#{message_id}   a message
LEAD#{lead_id}     LINE#{line}            how many sends of messages about statuses were started
LEAD#{lead_id}     CONTACT                the person's account at Leeloo, once it is known
LEAD#{lead_id}     FORMER#{account_id}    an account that was the person's contact before
ACCOUNT#{id}       MESSAGE#{message_id}   a message to an account without a lead
CLOSED#{hash}      ACCOUNT                for an hour after an erasure: no message to this account is stored
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.message import Message, MessageChange, MessageCode, MessageState
from leadbridge.storage import items
from leadbridge.storage.items import Entry, Item
from leadbridge.storage.table import (
    RETRY_FOR,
    Conflict,
    defer,
    expires_at,
    is_late,
    put,
    transact,
    transact_beside,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DUE_PARTITION = "messages"  # where messages stand in the index `due`
LINE = "LINE#"  # how the keys of lines begin
MOST_MESSAGES = 1000  # of one owner that are read; nobody is told more
CLOSED_FOR = 3600  # seconds; a request that found no lead of an account before an erasure has ended long before
# Writes in a lead's first hours do not prolong its item (`writing.FRESH`). A message that is written then and not
# settled within this time prolongs it.
SETTLES_WITHIN = timedelta(hours=1)

_TIMES = ("created_at", "first_attempt_at", "next_attempt_at", "lease_until", "sent_at", "retried_at", "due_at")
_COUNTS = ("version", "attempts", "delivery_version")
_TEXTS = (
    "owner",
    "message_id",
    "partner",
    "partner_status",
    "account_id",
    "template_id",
    "text",
    "last_error",
    "last_error_code",
)


class OutOfTurn(Conflict):
    """Another message of the line was started since the line was read."""


@dataclass(frozen=True)
class Contact:
    """Where a lead's person can be written to. `asked_at` is when they were invited by text message."""

    account_id: str | None = None
    person_id: str | None = None
    locale: str | None = None
    asked_at: datetime | None = None
    lead_received_at: datetime | None = field(default=None, compare=False)


def partition(owner: str) -> str:
    """The partition that an owner's messages lie in."""
    return f"LEAD#{owner}" if owner.startswith("ld_") else f"ACCOUNT#{owner}"


def contact_key(lead_id: str) -> dict[str, str]:
    """The key of what is known of the account of a lead's person."""
    return {"pk": f"LEAD#{lead_id}", "sk": "CONTACT"}


def closed_key(account_id: str) -> dict[str, str]:
    """The key of the mark that no message to an account is stored. It names the account by a hash."""
    return {"pk": f"CLOSED#{hashlib.sha256(account_id.encode()).hexdigest()}", "sk": "ACCOUNT"}


def message_item(message: Message) -> Item:
    """A message as it is stored. It stands in the index `due` for as long as it is not settled."""
    times = {name: getattr(message, name) for name in _TIMES}
    return items.encode(
        {
            "pk": partition(message.owner),
            "sk": f"MESSAGE#{message.message_id}",
            **{name: getattr(message, name) for name in (*_TEXTS, *_COUNTS)},
            **{name: to_text(moment) for name, moment in times.items() if moment is not None},
            "variables": message.variables or None,
            "is_mirror": message.is_mirror or None,
            "state": message.state.value,
            "last_error_data": message.last_error_data,
            "code": message.code.value if message.code else None,
            "due_partner": DUE_PARTITION if message.due_at is not None else None,
        }
    )


def message_of(values: dict[str, Any]) -> Message:
    """The message that a decoded item holds."""
    known: dict[str, Any] = {name: values[name] for name in _TEXTS if name in values}
    known |= {name: int(values[name]) for name in _COUNTS if name in values}
    known |= {name: from_text(values[name]) for name in _TIMES if name in values}
    return Message(
        state=MessageState(values["state"]),
        variables=dict(values.get("variables", {})),
        is_mirror=bool(values.get("is_mirror", False)),
        code=MessageCode(values["code"]) if "code" in values else None,
        last_error_data=items.error_data_of(values),
        **known,
    )


def message_writes(table: str, change: MessageChange) -> list[Any]:
    """The writes of a message's change: the message, and its line in the lead's timeline."""
    after = change.after
    writes = [put(table, message_item(after), version=change.before.version)]
    if change.what is not None and after.owner.startswith("ld_"):
        entry = Entry(change.at, change.what, "leeloo", change.detail, change.data)
        writes.append(put(table, items.entry_item(after.owner, entry, f"{after.message_id}#{after.version}")))
    if change.also is not None:
        writes.append(put(table, message_item(change.also.after), version=change.also.before.version))
    return writes


def _turn_write(table: str, owner: str, line: str, turn: int) -> Any:
    """Count a started send of a line, on the condition that none was started since the line was read."""
    values = {":turn": turn, ":next": turn + 1, ":expires_at": expires_at()}
    return {
        "Update": {
            "TableName": table,
            "Key": items.encode({"pk": partition(owner), "sk": f"{LINE}{line}"}),
            "UpdateExpression": "SET #turn = :next, expires_at = :expires_at",
            "ConditionExpression": "#turn = :turn" if turn else "attribute_not_exists(#turn)",
            "ExpressionAttributeNames": {"#turn": "turn"},
            "ExpressionAttributeValues": items.encode({k: v for k, v in values.items() if turn or k != ":turn"}),
        }
    }


class MessageRepository:
    """Messages in the table. Every method may raise botocore's errors when AWS does not answer."""

    def __init__(self, client: DynamoDBClient, table: str) -> None:
        self._client = client
        self._table = table

    def add(self, message: Message, entry: Entry | None = None) -> bool:
        """Store a new message, with a line in its lead's timeline; False if it is here already.

        Raises Conflict if the person was erased, of the lead or of the account; Contended.
        """
        writes = [put(self._table, message_item(message), "attribute_not_exists(pk)")]
        if entry is not None:
            writes.append(put(self._table, items.entry_item(message.owner, entry, message.message_id)))
        if message.owner.startswith("ld_"):
            refused = transact_beside(self._client, self._table, writes, message.owner)
        else:
            refused = transact(self._client, [*writes, self._unless_closed(message.owner)])
        if refused == len(writes):
            raise Conflict
        return refused is None

    def apply(self, change: MessageChange, *, retry_for: float = RETRY_FOR) -> Message:
        """Write a message's change, and its line in the lead's timeline; retry transient errors for so many seconds.

        Nothing is begun to be said to a person who was erased, and nothing is told of them. Raises Conflict, Contended;
        OutOfTurn if the change starts a message and another one of its line was started meanwhile.
        """
        before, after, of_lead = change.before, change.after, change.after.owner.startswith("ld_")
        writes = message_writes(self._table, change)
        starts = after.state is MessageState.SENDING
        takes_turn = starts and of_lead and before.turn is not None and after.delivery_version is not None
        if takes_turn:
            writes.append(_turn_write(self._table, after.owner, after.line, before.turn or 0))
        try:
            if of_lead and (change.what is not None or starts or is_late(after.created_at, change.at, SETTLES_WITHIN)):
                transact_beside(self._client, self._table, writes, after.owner, or_conflict=True, retry_for=retry_for)
            else:
                transact(self._client, writes, or_conflict=True, retry_for=retry_for)
        except Conflict as conflict:
            if takes_turn and conflict.failed == {len(writes) - 1}:
                raise OutOfTurn(failed=conflict.failed) from None
            raise
        return after

    def defer(self, message: Message, due_at: datetime) -> None:
        """Move the time at which a message is due, unless it has changed or was deferred since. Raises Contended."""
        key = {"pk": partition(message.owner), "sk": f"MESSAGE#{message.message_id}"}
        defer(self._client, self._table, key, message.version, message.due_at, due_at)

    def messages(self, owner: str) -> list[Message]:
        """The messages of one owner, the latest thousand of them, oldest first."""
        turns = self._turns(owner)  # before the messages: a send that starts between the two reads must be noticed
        pages = self._client.get_paginator("query").paginate(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
            ExpressionAttributeValues=items.encode({":pk": partition(owner), ":kind": "MESSAGE#"}),
            ConsistentRead=True,
            ScanIndexForward=False,
            PaginationConfig={"MaxItems": MOST_MESSAGES},
        )
        found = [message_of(items.decode(item)) for page in pages for item in page["Items"]][::-1]
        return [replace(one, turn=turns.get(one.line, 0)) for one in found]

    def _turns(self, owner: str) -> dict[str, int]:
        """How many sends each line of a lead's messages has started."""
        if not owner.startswith("ld_"):
            return {}  # what operators write to an account is never replaced by something newer
        answer = self._client.query(
            TableName=self._table,
            KeyConditionExpression="pk = :pk AND begins_with(sk, :kind)",
            ExpressionAttributeValues=items.encode({":pk": partition(owner), ":kind": LINE}),
            ConsistentRead=True,
        )
        found = [items.decode(item) for item in answer["Items"]]
        return {str(values["sk"]).removeprefix(LINE): int(values["turn"]) for values in found}

    def message(self, owner: str, message_id: str) -> Message | None:
        """One message."""
        values = self._get({"pk": partition(owner), "sk": f"MESSAGE#{message_id}"})
        return message_of(values) if values is not None else None

    def contact(self, lead_id: str) -> Contact:
        """What is known of the person's account."""
        values = self._get(contact_key(lead_id)) or {}
        # A worker that was lost while inviting may have invited.
        asked_at = values.get("asked_at") or values.get("inviting_since")
        return Contact(
            values.get("account_id"),
            values.get("person_id"),
            values.get("locale"),
            from_text(asked_at) if asked_at else None,
        )

    def claim(self, lead_id: str, now: datetime, until: datetime, *, to_invite: bool) -> bool:
        """Be the one who makes or invites the person until then; False if somebody else is, or it has been done.

        Nobody is for a person who was erased. Raises Contended.
        """
        item = {**contact_key(lead_id), "lead_id": lead_id, "claimed_until": to_text(until)}
        write = put(
            self._table,
            items.encode(item | ({"inviting_since": to_text(now)} if to_invite else {})),
            "attribute_not_exists(pk) OR (claimed_until <= :now AND attribute_not_exists(account_id)"
            " AND attribute_not_exists(asked_at) AND attribute_not_exists(inviting_since))",
        )
        write["Put"]["ExpressionAttributeValues"] = items.encode({":now": to_text(now)})
        return transact_beside(self._client, self._table, [write], lead_id) is None

    def forget(self, lead_id: str) -> None:
        """Delete the person's contact, and release a claim.

        The account is noted as a former contact, so that an erasure deletes the messages to it.
        """
        former = self.contact(lead_id).account_id
        delete = {"Delete": {"TableName": self._table, "Key": items.encode(contact_key(lead_id))}}
        writes: list[Any] = [delete]
        if former is not None:
            note = {"pk": f"LEAD#{lead_id}", "sk": f"FORMER#{former}", "lead_id": lead_id, "account_id": former}
            writes.append(put(self._table, items.encode(note)))
        transact_beside(self._client, self._table, writes, lead_id)

    def remember(self, lead_id: str, contact: Contact) -> None:
        """Note where the person can be written to, unless they were erased.

        That they were invited is noted only while no account is known.
        """
        received_at = contact.lead_received_at
        item = {
            **contact_key(lead_id),
            "lead_id": lead_id,
            "account_id": contact.account_id,
            "contact_account": contact.account_id,
            "received_key": items.received_key(received_at, lead_id) if received_at else None,
            "person_id": contact.person_id,
            "locale": contact.locale,
            "asked_at": to_text(contact.asked_at) if contact.asked_at else None,
        }
        write = put(self._table, items.encode(item), None if contact.account_id else "attribute_not_exists(account_id)")
        transact_beside(self._client, self._table, [write], lead_id)

    def _unless_closed(self, account_id: str) -> Any:
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": items.encode(closed_key(account_id)),
                "ConditionExpression": "attribute_not_exists(pk) OR expires_at <= :now",
                "ExpressionAttributeValues": items.encode({":now": int(time.time())}),
            }
        }

    def _get(self, key: dict[str, str]) -> dict[str, Any] | None:
        got = self._client.get_item(TableName=self._table, Key=items.encode(key), ConsistentRead=True)
        return items.decode(got["Item"]) if "Item" in got else None
