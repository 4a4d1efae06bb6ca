"""What of each lead is counted, and the transactions that count its changes.

pk         sk        item
LEAD#{id}  COUNTED   the facts about the lead that the counters contain, each with its item's version

One transaction replaces the records of up to some 90 leads, on the condition that no other worker replaced them, and
adds the differences to the counters. So a repeated, late or reordered change is counted exactly once.

Write units: two for the record, as it is below a kilobyte and in a transaction, and two for each counter item of the
transaction, which its leads share. So a counted change takes two to four units. A new lead whose submission ends before
the stream's batch closes is one change, and each later state or outcome is another one. With three statuses that is
9.3 units for a lead at a million leads a month (measured by quality/benchmarks/flow.py), and 8 with more leads.

A record expires with the lead's items and has nothing about the person. It survives an erasure, because what the lead
contributes stays counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import batched

from leadbridge.domain.statistics.contribution import (
    MAIN,
    Cell,
    CountedLead,
    Counts,
    DeliveryFacts,
    LeadChange,
    LeadFacts,
    added,
    difference,
)
from leadbridge.domain.transitions import Conflict
from leadbridge.runtime.aws_errors import Contended
from leadbridge.storage.items import Item, lead_id_of, lead_key
from leadbridge.storage.statistics.campaigns import CampaignNumbers, DayAndSource
from leadbridge.storage.statistics.counters import counter_write
from leadbridge.storage.statistics.records import LEAD_ATTRIBUTES, TOMBSTONE, lead_facts
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write, put

MAX_WRITES = 100  # of a transaction
MAX_LEADS = 90  # that are read and counted at once
MAX_NAMES = 200  # counts that a transaction changes in an item: DynamoDB accepts expressions of 4 KB
NEW_FOR = timedelta(days=60)  # a record lives for longer, because it is the least retention (template.yaml)
MAX_TRIES = 5  # to count leads whose records others replace at the same time
RETRY_FOR = 5.0  # seconds for which a transaction is retried while AWS is busy
UNPARSABLE = (LookupError, TypeError, ValueError, ArithmeticError)  # what a malformed item raises


@dataclass
class CountResult:
    """What was counted: the differences by lead. `failed` are leads that could not be counted now.

    `unreadable` are leads whose record or own item cannot be parsed.
    """

    differences: dict[str, Counts] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Pending:
    """A lead to count: its record before and after."""

    lead_id: str
    before: CountedLead
    after: CountedLead

    @property
    def difference(self) -> Counts:
        return difference(self.before, self.after)


class CountedLeads:
    """Counts changes of leads. Safe to repeat."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._campaigns = CampaignNumbers(table)

    def count(
        self, changes: Mapping[str, LeadChange], now: datetime, *, shard: int = 0, differences_only: bool = False
    ) -> CountResult:
        """Count the changes of some leads, by id.

        With `differences_only`, a lead whose counts stay the same is not written, even if its items have new versions.
        Raises botocore's errors that are not transient.
        """
        result = CountResult()
        for some in batched(changes.items(), MAX_LEADS, strict=False):
            try:
                self._count(dict(some), now, shard, differences_only, result)
            except UNPARSABLE:  # what is counted already is not counted again
                for lead_id, change in some:
                    try:
                        self._count({lead_id: change}, now, shard, differences_only, result)
                    except UNPARSABLE:
                        result.unreadable.add(lead_id)
        return result

    def read(self, lead_ids: Iterable[str], *, consistent: bool = True) -> dict[str, CountedLead]:
        """Return what of some leads is counted."""
        keys = [counted_key(lead_id) for lead_id in lead_ids]
        return {lead_id_of(values): counted_of(values) for values in self._table.batch_get(keys, consistent=consistent)}

    def _count(
        self, left: dict[str, LeadChange], now: datetime, shard: int, differences_only: bool, result: CountResult
    ) -> None:
        """Count the changes of a few leads, and add to the result. Raises an error of `UNPARSABLE`."""
        try:
            for number in range(MAX_TRIES):
                if left:
                    left = self._try(left, now, shard, differences_only, result, is_retry=number > 0)
        except Contended:
            left = {lead_id: change for lead_id, change in left.items() if lead_id not in result.differences}
        result.failed |= left.keys()

    def _try(
        self,
        changes: dict[str, LeadChange],
        now: datetime,
        shard: int,
        differences_only: bool,
        result: CountResult,
        *,
        is_retry: bool,
    ) -> dict[str, LeadChange]:
        """Read, compute and write once; return the leads whose records were replaced meanwhile."""
        pending = self._numbered(self._pending(changes, now, consistent=is_retry))
        if differences_only:
            pending = [one for one in pending if one.difference]
        conflicts: dict[str, LeadChange] = {}
        for group in _grouped(pending):
            writes = [_counted_write(one) for one in group]
            total = added((one.difference, 1) for one in group)
            last = {} if differences_only else _last_received(group, changes)
            writes += [counter_write(cell, counts, shard, last.get(cell, 0)) for cell, counts in total.items()]
            try:
                self._table.transact(writes, or_conflict=True, retry_for=RETRY_FOR)
            except Conflict:
                conflicts |= {one.lead_id: changes[one.lead_id] for one in group}
            else:
                result.differences |= {one.lead_id: one.difference for one in group}
        return conflicts

    def _pending(self, changes: dict[str, LeadChange], now: datetime, *, consistent: bool) -> list[_Pending]:
        """Return the leads whose records a change replaces."""
        counted = self.read(changes, consistent=consistent)
        new = [lead_id for lead_id, one in changes.items() if lead_id not in counted and one.lead is None]
        keys = [lead_key(lead_id) for lead_id in new]
        found = {lead_id_of(values): values for values in self._table.batch_get(keys, attributes=LEAD_ATTRIBUTES)}
        pending = []
        for lead_id, change in changes.items():
            before, new_facts = counted.get(lead_id), change
            if before is None:
                before, new_facts = _first(change, found.get(lead_id), now)
            after = before.merged(new_facts)
            if not after.has_same_facts(before) or not before.version:
                pending.append(_Pending(lead_id, before, after))
        return pending

    def _numbered(self, pending: list[_Pending]) -> list[_Pending]:
        """Return the leads with the numbers of their campaigns."""
        wanted: dict[DayAndSource, set[str]] = {}
        for one in pending:
            if (lead := one.after.lead) is not None and lead.campaign and lead.campaign_number is None:
                wanted.setdefault((lead.day, lead.source), set()).add(lead.campaign)
        if not wanted:
            return pending
        numbers = self._campaigns.numbers(wanted)
        return [
            replace(one, before=_with_number(one.before, numbers), after=_with_number(one.after, numbers))
            for one in pending
        ]


def counted_key(lead_id: str) -> dict[str, str]:
    """The key of the record of what is counted of a lead."""
    return {"pk": f"LEAD#{lead_id}", "sk": "COUNTED"}


def counted_item(lead_id: str, counted: CountedLead) -> Item:
    """The record of what is counted of a lead, as it is stored."""
    lead = counted.lead
    if lead is None:
        raise ValueError("a lead without facts is not counted")
    item: Item = {
        **counted_key(lead_id),
        "version": counted.version,
        "lead_version": lead.version,
        "day": lead.day,
        "source": lead.source,
        "campaign": lead.campaign or None,
        "campaign_number": lead.campaign_number,
        "problems": list(lead.problems) or None,
        "is_counted": None if lead.is_counted else False,
        "deliveries": {
            name: [one.version, one.state, one.outcome, one.submitted, one.approved, one.issued]
            for name, one in counted.deliveries.items()
        },
        "expires_at": counted.expires_at or None,
    }
    return {name: value for name, value in item.items() if value is not None}


def counted_of(values: Item) -> CountedLead:
    """The record that a decoded item holds."""
    lead = LeadFacts(
        int(values["lead_version"]),
        values["day"],
        values["source"],
        values.get("campaign", ""),
        int(values["campaign_number"]) if "campaign_number" in values else None,
        tuple(values.get("problems", ())),
        values.get("is_counted", True),
    )
    deliveries = {name: DeliveryFacts(int(version), *facts) for name, (version, *facts) in values["deliveries"].items()}
    return CountedLead(lead, deliveries, int(values["version"]), int(values.get("expires_at", 0)))


def _first(change: LeadChange, lead: Item | None, now: datetime) -> tuple[CountedLead, LeadChange]:
    """Return what is counted of a lead without a record, and the change with the lead's own facts.

    A lead that is older than `NEW_FOR` was counted before, and its record has expired. Only deliveries that were opened
    later are new. The present retention does not matter: it may have been shorter when the record was written.
    """
    facts = change.lead if change.lead is not None else lead_facts(lead) if lead is not None else None
    oldest = (now - NEW_FOR).date().isoformat()
    if facts is not None and facts.day >= oldest:
        expires = max(change.expires_at, int(lead.get("expires_at", 0)) if lead is not None else 0)
        return CountedLead(), replace(change, lead=facts, expires_at=expires)
    known = {name: one for name, one in change.deliveries.items() if change.opened.get(name, "") < oldest}
    counted = facts or LeadFacts(TOMBSTONE, change.day, change.source)
    return CountedLead(replace(counted, is_counted=False), known), change


def _grouped(pending: list[_Pending]) -> Iterator[list[_Pending]]:
    """Yield the leads of each transaction. Leads of one counter item are together, so that few items are written."""
    group: list[_Pending] = []
    names: dict[Cell, set[str]] = {}
    for one in sorted(pending, key=lambda one: _order_of(one.after)):
        own = {cell: set(found) for cell, found in one.difference.items()}
        is_full = len(group) + 1 + len(names.keys() | own.keys()) > MAX_WRITES
        if group and (is_full or any(len(names.get(cell, set()) | new) > MAX_NAMES for cell, new in own.items())):
            yield group
            group, names = [], {}
        group.append(one)
        for cell, new in own.items():
            names[cell] = names.get(cell, set()) | new
    if group:
        yield group


def _last_received(group: Iterable[_Pending], changes: Mapping[str, LeadChange]) -> dict[Cell, int]:
    """Return the times at which the last of the leads that are new were received, by the cell that counts them."""
    last: dict[Cell, int] = {}
    for one in group:
        lead = one.after.lead
        if lead is not None and lead.is_counted and not one.before.version:
            cell = (lead.day, lead.source, MAIN)
            last[cell] = max(last.get(cell, 0), changes[one.lead_id].received_at)
    return last


def _counted_write(one: _Pending) -> Write:
    item = counted_item(one.lead_id, replace(one.after, version=one.before.version + 1))
    if one.before.version:
        return put(item, version=one.before.version)
    return put(item, "attribute_not_exists(pk)")


def _with_number(counted: CountedLead, numbers: Mapping[tuple[str, str, str], int]) -> CountedLead:
    """Return a record with the number of its campaign, if it has none and the number is given."""
    lead = counted.lead
    if lead is None or lead.campaign_number is not None:
        return counted
    number = numbers.get((lead.day, lead.source, lead.campaign))
    return replace(counted, lead=replace(lead, campaign_number=number))


def _order_of(counted: CountedLead) -> tuple[str, str, int]:
    lead = counted.lead
    return ("", "", 0) if lead is None else (lead.day, lead.source, lead.campaign_number or 0)
