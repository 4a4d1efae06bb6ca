"""The nightly comparison of the statistics with the leads. It corrects the differences and returns them.

A difference means that records of the stream were lost: the function failed for longer than they are retried. Leads of
the last three days are compared, and those received one, two and four weeks ago, whose deals have closed since.

pk     sk               item
STATS  RECONCILIATION   how far the comparison of a night has come

A run continues where the one before stopped. Items that were written within the last minutes are left to the stream, so
that a change that is still in the stream is neither corrected nor reported.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta

from leadbridge.domain.clock import to_text
from leadbridge.domain.shards import shards_of
from leadbridge.domain.statistics.contribution import CAMPAIGN, SEPARATOR, CountedLead, added
from leadbridge.runtime.aws_errors import Contended
from leadbridge.runtime.environment import retention_days
from leadbridge.storage import items
from leadbridge.storage.items import Item, delivery_key, lead_id_of, lead_key
from leadbridge.storage.statistics.counted import UNPARSABLE, CountedLeads, CountResult
from leadbridge.storage.statistics.records import LEAD_ATTRIBUTES, lead_change
from leadbridge.storage.table import Query, Table
from leadbridge.storage.writes import DAY, LEAD_OUTLIVES, put

AGES = (1, 2, 3, 7, 14, 28)  # days since the leads were received
SETTLED_AFTER = timedelta(minutes=30)  # since an item was written: the stream's delay is a minute
PAGE = 50  # leads that are compared at once
MAX_PAGES = 100_000  # of one run
CAMPAIGN_COUNTS = CAMPAIGN + SEPARATOR
KEY = {"pk": "STATS", "sk": "RECONCILIATION"}


@dataclass(frozen=True)
class Progress:
    """How far a night's comparison has come: the number of the partition, and the last lead that was compared."""

    night: str
    partition: int = 0
    after: str = ""


@dataclass
class Reconciled:
    """The result of a run. `corrections` are leads whose counts were wrong, by day of receipt.

    `differences` are the corrected counts, without those of campaigns. `unreadable` are leads
    with an item that cannot be parsed; they are not compared.
    """

    leads: int = 0
    is_done: bool = False
    corrections: Counter[str] = field(default_factory=Counter)
    differences: dict[str, dict[str, int]] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)

    def add(self, result: CountResult) -> None:
        """Add what was corrected."""
        self.unreadable += sorted(result.unreadable)
        for counts in result.differences.values():
            self.corrections.update({day for day, *_ in counts})
        for (day, source, _), found in added((counts, 1) for counts in result.differences.values()).items():
            of_day = self.differences.setdefault(day, {})
            for name, number in found.items():
                if name.startswith(CAMPAIGN_COUNTS):
                    continue
                of_day[f"{source} {name}"] = of_day.get(f"{source} {name}", 0) + number


class Reconciler:
    """Compares the statistics with the leads. Safe to repeat, and to run twice at once."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._counted = CountedLeads(table)

    def run(self, now: datetime, has_time: Callable[[], bool], done: Reconciled | None = None) -> Reconciled:
        """Compare until this night's work is done or there is no time. Raises Contended, and botocore's errors.

        The results are added to `done`, so that they are known after an error, too.
        """
        done = Reconciled() if done is None else done
        saved, partitions = self._progress(now.date()), list(_partitions(now.date()))
        progress = saved
        for _ in range(MAX_PAGES):
            done.is_done = progress.partition >= len(partitions)
            if done.is_done or not has_time():
                break
            listed, day = partitions[progress.partition]
            found = self._page(listed, day, progress.after)
            if found:
                done.leads += len(found)
                self._compare([lead_id_of(values) for values in found], now, done)
                progress = replace(progress, after=str(found[-1]["received_key"]))
            if len(found) < PAGE:
                progress = replace(progress, partition=progress.partition + 1, after="")
            if found:
                self._save(progress)
                saved = progress
        if progress != saved:
            self._save(progress)
        return done

    def _page(self, listed: str, day: date, after: str) -> list[Item]:
        """Read the next leads of a day in one shard, oldest first."""
        begin, end = to_text(datetime.combine(day, time(), UTC)), to_text(datetime.combine(day + _DAY, time(), UTC))
        # A space is less than any character of a key, so with it the lower end is exclusive.
        values = {":listed": listed, ":after": f"{after} " if after else begin, ":end": end}
        condition = "listed = :listed AND received_key BETWEEN :after AND :end"
        query = Query(condition, values, items.LISTING, attributes=("pk", "received_key"))
        return list(self._table.query(query, limit=PAGE))

    def _compare(self, lead_ids: list[str], now: datetime, done: Reconciled) -> None:
        """Compare some leads, and each one alone if they cannot be parsed. Raises Contended if some are left."""
        try:
            result = self._correct(lead_ids, now)
        except UNPARSABLE:
            if len(lead_ids) == 1:
                done.unreadable += lead_ids
                return
            for lead_id in lead_ids:
                self._compare([lead_id], now, done)
            return
        done.add(result)
        if result.failed:
            raise Contended

    def _correct(self, lead_ids: list[str], now: datetime) -> CountResult:
        """Compare some leads with what is counted of them, and correct it."""
        counted = self._counted.read(lead_ids, consistent=False)
        leads = self._read((lead_key(lead_id) for lead_id in lead_ids), LEAD_ATTRIBUTES)
        keys = [
            delivery_key(lead_id, partner)
            for lead_id in lead_ids
            for partner in sorted(_partners(leads.get(lead_id, []), counted.get(lead_id)))
        ]
        deliveries = self._read(keys)
        changes = {}
        for lead_id in lead_ids:
            every = [*leads.get(lead_id, []), *deliveries.get(lead_id, [])]
            change = lead_change(one for one in every if not is_fresh(one, now))
            if change is not None:
                changes[lead_id] = change
        return self._counted.count(changes, now, differences_only=True)

    def _read(self, keys: Iterable[dict[str, str]], attributes: tuple[str, ...] = ()) -> dict[str, list[Item]]:
        found: dict[str, list[Item]] = {}
        for values in self._table.batch_get(keys, attributes=attributes, consistent=False):
            found.setdefault(lead_id_of(values), []).append(values)
        return found

    def _progress(self, today: date) -> Progress:
        values = self._table.get(KEY)
        if values is None or values["night"] != today.isoformat():
            return Progress(today.isoformat())
        return Progress(values["night"], int(values["partition"]), values["after"])

    def _save(self, progress: Progress) -> None:
        self._table.write(put({**KEY, **vars(progress)}, ttl=False))


def is_fresh(values: Item, now: datetime) -> bool:
    """Return whether an item was written so recently that its record may still be in the stream.

    An item's lifetime begins when it is written. Of one whose lifetime is longer than that, nothing is known.
    """
    lifetime = retention_days() * DAY + (LEAD_OUTLIVES if values["sk"] == "LEAD" else 0)
    age = now.timestamp() - (int(values.get("expires_at", 0)) - lifetime)
    return 0 <= age < SETTLED_AFTER.total_seconds()


def _partitions(today: date) -> Iterator[tuple[str, date]]:
    """Yield the partitions of the index `listing` that a night compares, each with the day of its leads."""
    for age in AGES:
        for listed in shards_of(items.LEADS):
            yield listed, today - timedelta(days=age)


def _partners(lead: list[Item], counted: CountedLead | None) -> set[str]:
    """Return the partners to which a lead may have deliveries."""
    found = set() if counted is None else set(counted.deliveries)
    for values in lead:
        found |= {*values.get("partners", ())}
    return found


_DAY = timedelta(days=1)
