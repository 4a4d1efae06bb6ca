"""The state of a partner: one item per partner, written only when its state changes.

pk                   sk       item
PARTNER#{partner}    STATE    `pause`: reason, operator and time; `admits_since`: when the partner last got leads again;
                              the circuit: `failures` with `failed_lead` and `circuit_code`; `opened_until`,
                              `circuit_since` and `open_for` (seconds) unless it is closed; `probe` (a random id) and
                              `probe_until` while one delivery is attempted
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from math import ceil
from uuid import uuid4

from leadbridge.domain.admission import Circuit, PartnerState, Pause
from leadbridge.domain.clock import from_text, to_text
from leadbridge.domain.transitions import Conflict
from leadbridge.storage.items import Item
from leadbridge.storage.links import cap_counts, cap_key
from leadbridge.storage.table import Table
from leadbridge.storage.writes import Write, put, update

_CLOSED = "attribute_not_exists(opened_until)"


def state_key(partner: str) -> dict[str, str]:
    """Return the key of a partner's state."""
    return {"pk": f"PARTNER#{partner}", "sk": "STATE"}


def state_of(values: Item | None, counts: Mapping[str, int] | None = None) -> PartnerState:
    """Return the state that a decoded item holds, with counts of its caps; a new partner has no item."""
    counts = counts or {}
    if values is None:
        return PartnerState(counts=counts)
    pause = values.get("pause")
    return PartnerState(
        pause=None if pause is None else Pause(pause["reason"], pause["operator"], from_text(pause["at"])),
        circuit=Circuit(
            failures=int(values.get("failures", 0)),
            code=values.get("circuit_code"),
            since=_time(values, "circuit_since"),
            opened_until=_time(values, "opened_until"),
            open_for=timedelta(seconds=int(values.get("open_for", 0))),
            probe_until=_time(values, "probe_until"),
        ),
        admits_since=_time(values, "admits_since"),
        counts=counts,
        is_stored=True,
    )


def _time(values: Item, name: str) -> datetime | None:
    return from_text(values[name]) if name in values else None


class PartnerStates:
    """The states of all partners. Every method may raise Contended, and botocore's errors."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def load(
        self, partners: Iterable[str], windows: Mapping[str, Collection[str]] | None = None
    ) -> dict[str, PartnerState]:
        """Return the states of partners, with the counts of `windows` of their caps, by partner.

        A partner that has no `windows`, and whose state was never written, is left out.
        """
        keys = [state_key(partner) for partner in partners]
        keys += [cap_key(partner, key) for partner, names in (windows or {}).items() for key in names]
        states: dict[str, Item | None] = dict.fromkeys(windows or ())
        counters: dict[str, list[Item]] = {}
        for values in self._table.batch_get(keys):
            partner = values["pk"].partition("#")[2]
            if values["sk"] == "STATE":
                states[partner] = values
            else:
                counters.setdefault(partner, []).append(values)
        return {partner: state_of(values, cap_counts(counters.get(partner, ()))) for partner, values in states.items()}

    def create(self, partner: str) -> None:
        """Store the state of a partner that has none."""
        with suppress(Conflict):
            self._table.write(put(state_key(partner), "attribute_not_exists(pk)", ttl=False))

    def pause(self, partner: str, pause: Pause) -> PartnerState:
        """Pause a partner; of a paused one replace the reason. Returns the new state."""
        stored = {"reason": pause.reason, "operator": pause.operator, "at": to_text(pause.at)}
        return self._changed(partner, "SET pause = :pause", {":pause": stored})

    def resume(self, partner: str, now: datetime) -> PartnerState:
        """End the pause of a partner, if there is one. Returns the new state."""
        return self._changed(partner, "SET admits_since = :now REMOVE pause", {":now": to_text(now)})

    def _changed(self, partner: str, expression: str, values: Item) -> PartnerState:
        write = Write("Update", state_key(partner), None, values, {}, expression)
        return state_of(self._table.write(write, returns_new=True))

    def count_failure(self, partner: str, lead_id: str, code: str) -> int:
        """Count a failed attempt while the circuit is closed; return the number of consecutive failures.

        The failures of one lead in a row count once: another lead may be fine. Returns 0 for what is not counted.
        """
        expression = "SET failures = if_not_exists(failures, :zero) + :one, failed_lead = :lead, circuit_code = :code"
        condition = f"{_CLOSED} AND (attribute_not_exists(failed_lead) OR failed_lead <> :lead)"
        values = {":zero": 0, ":one": 1, ":lead": lead_id, ":code": code}
        try:
            stored = self._table.write(
                update(state_key(partner), expression, condition, values=values), returns_new=True
            )
        except Conflict:
            return 0
        return int(stored["failures"])

    def reset_failures(self, partner: str) -> None:
        """Note a success while the circuit is closed."""
        self._write(partner, "REMOVE failures, failed_lead, circuit_code", _CLOSED, {})

    def open_circuit(self, partner: str, now: datetime, open_for: timedelta, code: str) -> bool:
        """Open a closed circuit; return whether this call opened it."""
        expression = "SET opened_until = :until, circuit_since = :now, open_for = :seconds, circuit_code = :code"
        values = {**_opening(now, open_for, code), ":now": to_text(now)}
        return self._write(partner, expression, _CLOSED, values)

    def start_probe(self, partner: str, circuit: Circuit, now: datetime, until: datetime) -> str | None:
        """Start the only probe of a half-open circuit; return its id, None if the circuit changed or another one runs.

        After `until` another probe may start.
        """
        probe = uuid4().hex
        condition = "opened_until = :seen AND (attribute_not_exists(probe_until) OR probe_until <= :now)"
        values = {
            ":probe": probe,
            ":until": to_text(until),
            ":now": to_text(now),
            ":seen": None if circuit.opened_until is None else to_text(circuit.opened_until),
        }
        write = update(
            state_key(partner), "SET probe = :probe, probe_until = :until", condition, values=values, returns_found=True
        )
        try:
            self._table.write(write)
        except Conflict as conflict:
            if conflict.found[0].get("probe") != probe:  # else a try took effect, and its answer was lost
                return None
        return probe

    def end_probe(self, partner: str, probe: str) -> None:
        """End a probe that showed nothing: another one may start at once."""
        self._write(partner, "REMOVE probe, probe_until", "probe = :probe", {":probe": probe})

    def reopen_circuit(self, partner: str, probe: str, now: datetime, open_for: timedelta, code: str) -> bool:
        """Open the circuit again after a failed probe; return whether the probe was still the running one."""
        expression = "SET opened_until = :until, open_for = :seconds, circuit_code = :code REMOVE probe, probe_until"
        return self._write(partner, expression, "probe = :probe", {**_opening(now, open_for, code), ":probe": probe})

    def close_circuit(self, partner: str, probe: str, now: datetime) -> bool:
        """Close the circuit after a successful probe; return whether the probe was still the running one."""
        circuit = "failures, failed_lead, circuit_code, circuit_since, opened_until, open_for, probe, probe_until"
        expression = f"SET admits_since = :now REMOVE {circuit}"
        return self._write(partner, expression, "probe = :probe", {":now": to_text(now), ":probe": probe})

    def _write(self, partner: str, expression: str, condition: str, values: Item) -> bool:
        try:
            self._table.write(update(state_key(partner), expression, condition, values=values))
        except Conflict:
            return False
        return True


def _opening(now: datetime, open_for: timedelta, code: str) -> Item:
    seconds = ceil(open_for.total_seconds())
    return {":until": to_text(now + timedelta(seconds=seconds)), ":seconds": seconds, ":code": code}
