"""What of the table needs a person, read from the index `listing`.

Of each partition the newest `limit` items are read, so a read costs the same for any number of leads. The index
has no errors, so the deliveries are read as well.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from leadbridge.domain.clock import from_text
from leadbridge.domain.delivery import Delivery, State
from leadbridge.domain.errors.error_codes import ErrorCode
from leadbridge.domain.inbox.trouble import MAX_TROUBLES, Trouble, TroubleKind
from leadbridge.domain.routing.fallback import NOT_DELIVERED, passed_on_to
from leadbridge.storage import items
from leadbridge.storage.fetches import fetch_key, fetch_of
from leadbridge.storage.items import Item, lead_id_of
from leadbridge.storage.queries.listing import listing_query, read_listing
from leadbridge.storage.table import Table

# The partitions of `listing`, and the kinds that each one holds.
PARTITIONS = {
    items.of_state(State.UNKNOWN.value): frozenset({TroubleKind.UNKNOWN}),
    items.of_state(State.FAILED.value): frozenset({TroubleKind.FAILED, TroubleKind.FETCH}),
    items.of_state(items.CORRECTABLE): frozenset({TroubleKind.REJECTED}),
    items.ATTENTION: frozenset({TroubleKind.ATTENTION}),
    items.INCOMPLETE: frozenset({TroubleKind.INCOMPLETE}),
}
MAX_NEXT_PARTNERS = 5  # of a lead that are looked at, one after the other
KINDS = frozenset[TroubleKind]().union(*PARTITIONS.values())


class TroubleReader:
    """Reads the troubles of leads. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def read(
        self, wanted: Collection[TroubleKind] = KINDS, *, limit: int = MAX_TROUBLES
    ) -> tuple[list[Trouble], frozenset[TroubleKind]]:
        """Return the newest troubles of some kinds, up to `limit` of each, and the kinds of which there are more."""
        listed: dict[str, list[Item]] = {}
        cut = frozenset[TroubleKind]()
        for partition, kinds in PARTITIONS.items():
            if kinds.isdisjoint(wanted):
                continue
            query = listing_query(newest_first=True)
            listed[partition] = list(read_listing(self._table, query, partition, limit=limit + 1))
            if len(listed[partition]) > limit:
                cut |= kinds
                listed[partition].pop()
        marks = [values for values in listed.pop(items.INCOMPLETE, ()) if values.get("problem_codes")]
        keys = {_key_of(values): values for some in listed.values() for values in some}
        wanted_keys = [{"pk": pk, "sk": sk} for pk, sk in keys]
        found = self._table.batch_get(wanted_keys, consistent=False) if wanted_keys else []
        troubles = [one for one in (*map(_incomplete, marks), *_of_items(found)) if one.kind in wanted]
        deliveries = [items.delivery_of(values) for values in found if values["sk"] != "FETCH"]
        placed = self._passed_on(deliveries) if TroubleKind.REJECTED in wanted else frozenset()
        return [
            one for one in troubles if one.kind is not TroubleKind.REJECTED or (one.lead_id, one.partner) not in placed
        ], cut

    def _passed_on(self, deliveries: list[Delivery]) -> frozenset[tuple[str, str]]:
        """Return the rejected deliveries instead of which a later partner has the lead, may get it or failed."""
        placed = frozenset[tuple[str, str]]()
        latest = {(one.lead_id, one.partner): one for one in deliveries}
        for _ in range(MAX_NEXT_PARTNERS):
            following = {key: (one.lead_id, name) for key, one in latest.items() if (name := passed_on_to(one))}
            if not following:
                break
            keys = [items.delivery_key(*key) for key in set(following.values())]
            found = map(items.delivery_of, self._table.batch_get(keys, consistent=False))
            by_key = {(one.lead_id, one.partner): one for one in found}
            latest = {key: by_key[name] for key, name in following.items() if name in by_key}
            placed |= {key for key, one in latest.items() if one.state not in NOT_DELIVERED}
        return placed


def _key_of(values: Item) -> tuple[str, str]:
    """Return the key of the delivery or the fetch of a listed item."""
    kind, _, partner = str(values["sk"]).partition("#")
    lead_id = lead_id_of(values)
    key = fetch_key(lead_id) if kind == "FETCH" else items.delivery_key(lead_id, partner)
    return key["pk"], key["sk"]


def _of_items(found: list[Item]) -> Iterator[Trouble]:
    """Yield the troubles of deliveries and fetches. The index may be a moment behind: what has moved on has none."""
    for values in found:
        if values["sk"] == "FETCH":
            fetch = fetch_of(values)
            if fetch.lead_state is State.FAILED:
                yield Trouble(
                    TroubleKind.FETCH,
                    fetch.first_attempt_at or fetch.received_at,
                    fetch.last_error_code,
                    source=fetch.source,
                    lead_id=fetch.lead_id,
                )
            continue
        delivery = items.delivery_of(values)
        kind = kind_of(delivery)
        if kind is not None:
            yield _of_delivery(kind, delivery)


def _of_delivery(kind: TroubleKind, delivery: Delivery) -> Trouble:
    code: str | None = delivery.last_error_code
    fields: tuple[str, ...] = tuple((delivery.last_error_data or {}).get("fields", ()))
    if kind is TroubleKind.ATTENTION:
        code, fields = delivery.attention, ()
    return Trouble(kind, delivery.changed_at, code, partner=delivery.partner, fields=fields, lead_id=delivery.lead_id)


def kind_of(delivery: Delivery) -> TroubleKind | None:
    """Return why a delivery needs a person; None if it does not, like that of a deployment's test lead."""
    if delivery.is_erased or delivery.last_error_code == ErrorCode.SELF_CHECK:
        return None
    match delivery.state:
        case State.UNKNOWN:
            return TroubleKind.UNKNOWN
        case State.FAILED:
            return TroubleKind.FAILED
        case State.REJECTED if delivery.needs_correction:
            return TroubleKind.REJECTED
        case _ if delivery.attention is not None:
            return TroubleKind.ATTENTION
    return None


def _incomplete(values: Item) -> Trouble:
    field, _, code = str(values["problem_codes"][0]).rpartition(" ")
    at = from_text(str(values["received_key"]).partition("#")[0])
    fields, source = (field,) if field else (), str(values["source"])
    return Trouble(TroubleKind.INCOMPLETE, at, code, source=source, fields=fields, lead_id=lead_id_of(values))
