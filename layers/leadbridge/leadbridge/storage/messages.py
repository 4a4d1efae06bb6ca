"""Messages to people: beside their lead, or beside the account that an operator wrote to.

pk                 sk                     item
LEAD#{lead_id}     MESSAGE#{message_id}   a message
LEAD#{lead_id}     GROUP#{group}          how many sends of a group of messages about statuses were started
LEAD#{lead_id}     CONTACT                the person's account at Leeloo, once it is known
LEAD#{lead_id}     FORMER#{account_id}    an account that was the person's contact before
ACCOUNT#{id}       MESSAGE#{message_id}   a message to an account without a lead
CLOSED#{hash}      ACCOUNT                for an hour after an erasure: no message to this account is stored
"""

from __future__ import annotations

import hashlib
import time
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.message import Message, MessageChange, MessageState
from leadbridge.domain.recipient import Contact
from leadbridge.domain.shards import sharded
from leadbridge.domain.timeline import LEELOO, Entry
from leadbridge.domain.transitions import Conflict, OutOfOrder
from leadbridge.runtime.aws_errors import RETRY_FOR
from leadbridge.storage import items
from leadbridge.storage.items import Item
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import Write, check, delete, expires_at, is_late, put, update

DUE_PARTITION = "messages"  # the partition of the index `due` that holds messages
GROUP = "GROUP#"  # prefix of the sort keys that count the sends of a group
MAX_MESSAGES = 1000  # of one owner that are read, and of its lines
CLOSED_FOR = 3600  # seconds; a request that found no lead of an account before an erasure has ended long before
# Writes in a lead's first hours do not prolong its item (`writes.FRESH`). A message that is written then and not
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
    """A message as it is stored. It is in the index `due` until it is settled."""
    times = {name: getattr(message, name) for name in _TIMES}
    return items.present(
        {
            "pk": partition(message.owner),
            "sk": f"MESSAGE#{message.message_id}",
            **{name: getattr(message, name) for name in (*_TEXTS, *_COUNTS)},
            **{name: to_text(moment) for name, moment in times.items() if moment is not None},
            "variables": message.variables or None,
            "is_crm_note": message.is_crm_note or None,
            "state": message.state.value,
            "last_error_data": message.last_error_data,
            "due_shard": sharded(DUE_PARTITION, message.owner) if message.due_at is not None else None,
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
        is_crm_note=bool(values.get("is_crm_note", False)),
        last_error_data=items.error_data_of(values),
        **known,
    )


def message_writes(change: MessageChange) -> list[Write]:
    """The writes of a message's change: the message, and its entry in the lead's timeline."""
    after = change.after
    writes = [put(message_item(after), version=change.before.version)]
    if change.what is not None and after.owner.startswith("ld_"):
        entry = Entry(change.at, change.what, LEELOO, change.detail, change.data)
        writes.append(put(items.entry_item(after.owner, entry, f"{after.message_id}#{after.version}")))
    if change.also is not None:
        writes.append(put(message_item(change.also.after), version=change.also.before.version))
    return writes


def _count_send(owner: str, group: str, started: int) -> Write:
    """Count a started send of a group, on the condition that none was started since the group was read."""
    return update(
        {"pk": partition(owner), "sk": f"{GROUP}{group}"},
        "SET started_sends = :next, expires_at = :expires_at",
        "started_sends = :started" if started else "attribute_not_exists(started_sends)",
        values={":started": started or None, ":next": started + 1, ":expires_at": expires_at()},
    )


def _unless_closed(account_id: str) -> Write:
    """Fail the transaction while no message to an account may be stored."""
    condition = "attribute_not_exists(pk) OR expires_at <= :now"
    return check(closed_key(account_id), condition, {":now": int(time.time())})


class MessageRepository:
    """Messages in the table. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def add(self, message: Message, entry: Entry | None = None) -> bool:
        """Store a new message, with an entry in its lead's timeline; return False if it is stored already.

        Raises Conflict if the person of the lead or of the account was erased.
        """
        writes = [put(message_item(message), "attribute_not_exists(pk)")]
        if entry is not None:
            writes.append(put(items.entry_item(message.owner, entry, message.message_id)))
        if message.owner.startswith("ld_"):
            refused = self._table.transact_unless_erased(writes, message.owner)
        else:
            refused = self._table.transact([*writes, _unless_closed(message.owner)])
        if refused == len(writes):
            raise Conflict
        return refused is None

    def apply(self, change: MessageChange, *, retry_for: float = RETRY_FOR) -> Message:
        """Write a message's change and its entry in the lead's timeline. Raises Contended after `retry_for` seconds.

        After the person was erased, no message starts and no entry is written. Raises Conflict; OutOfOrder if the
        change starts a message and another one of its group was started meanwhile.
        """
        before, after, of_lead = change.before, change.after, change.after.owner.startswith("ld_")
        writes = message_writes(change)
        starts = after.state is MessageState.SENDING
        counts_send = starts and of_lead and before.started_sends is not None and after.delivery_version is not None
        if counts_send:
            writes.append(_count_send(after.owner, after.group, before.started_sends or 0))
        try:
            if of_lead and (change.what is not None or starts or is_late(after.created_at, change.at, SETTLES_WITHIN)):
                self._table.transact_unless_erased(writes, after.owner, or_conflict=True, retry_for=retry_for)
            else:
                self._table.transact(writes, or_conflict=True, retry_for=retry_for)
        except Conflict as conflict:
            if counts_send and conflict.failed == {len(writes) - 1}:
                raise OutOfOrder(failed=conflict.failed) from None
            raise
        return after

    def defer(self, message: Message, due_at: datetime) -> None:
        """Move the time at which a message is due, unless it has changed or was deferred since it was read."""
        key = {"pk": partition(message.owner), "sk": f"MESSAGE#{message.message_id}"}
        self._table.defer(key, message.version, message.due_at, due_at)

    def messages(self, owner: str) -> list[Message]:
        """The messages of one owner, the latest thousand of them, oldest first."""
        started = self._started_sends(
            owner
        )  # before the messages: a send that starts between the two reads must be noticed
        found = self._table.query(_of_kind(owner, "MESSAGE#", newest_first=True), limit=MAX_MESSAGES)
        messages = [message_of(values) for values in found][::-1]
        return [replace(one, started_sends=started.get(one.group, 0)) for one in messages]

    def _started_sends(self, owner: str) -> dict[str, int]:
        """How many sends each group of a lead's messages has started."""
        if not owner.startswith("ld_"):
            return {}  # a newer message does not replace what an operator writes to an account
        found = self._table.query(_of_kind(owner, GROUP), limit=MAX_MESSAGES)
        return {str(values["sk"]).removeprefix(GROUP): int(values["started_sends"]) for values in found}

    def message(self, owner: str, message_id: str) -> Message | None:
        """One message."""
        values = self._table.get({"pk": partition(owner), "sk": f"MESSAGE#{message_id}"})
        return message_of(values) if values is not None else None

    def contact(self, lead_id: str) -> Contact:
        """What is known of the person's account."""
        values = self._table.get(contact_key(lead_id)) or {}
        # A worker that was lost while inviting may have invited.
        asked_at = values.get("asked_at") or values.get("inviting_since")
        return Contact(
            values.get("account_id"),
            values.get("person_id"),
            values.get("locale"),
            from_text(asked_at) if asked_at else None,
        )

    def claim(self, lead_id: str, now: datetime, until: datetime, *, to_invite: bool) -> bool:
        """Claim the right to create or invite the person's account until then.

        Returns False if another worker has the claim, if it is done already, or if the person was erased.
        """
        item = {**contact_key(lead_id), "lead_id": lead_id, "claimed_until": to_text(until)}
        write = put(
            item | ({"inviting_since": to_text(now)} if to_invite else {}),
            "attribute_not_exists(pk) OR (claimed_until <= :now AND attribute_not_exists(account_id)"
            " AND attribute_not_exists(asked_at) AND attribute_not_exists(inviting_since))",
            values={":now": to_text(now)},
        )
        return self._table.transact_unless_erased([write], lead_id) is None

    def forget(self, lead_id: str) -> None:
        """Delete the person's contact, and release a claim.

        The account is noted as a former contact, so that an erasure deletes the messages to it.
        """
        former = self.contact(lead_id).account_id
        writes = [delete(contact_key(lead_id))]
        if former is not None:
            note = {"pk": f"LEAD#{lead_id}", "sk": f"FORMER#{former}", "lead_id": lead_id, "account_id": former}
            writes.append(put(note))
        self._table.transact_unless_erased(writes, lead_id)

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
        write = put(items.present(item), None if contact.account_id else "attribute_not_exists(account_id)")
        self._table.transact_unless_erased([write], lead_id)


def _of_kind(owner: str, kind: str, *, newest_first: bool = False) -> Query:
    """Query the items of an owner whose sort keys begin with `kind`."""
    values = {":pk": partition(owner), ":kind": kind}
    return Query("pk = :pk AND begins_with(sk, :kind)", values, newest_first=newest_first)
