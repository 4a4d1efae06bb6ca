"""Whether the planned faults occurred; without them a run proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quality.chaos.counters import Counters
from quality.chaos.deployed.processes import PROC

MANY = 3  # a fault that was planned so often must have occurred
SHARE = 4  # one of so many kills and partner faults must have occurred

# The counters of each planned fault, except lost messages, which need a message in the queue.
COUNTED_AS = {
    "post_again": ("forms posted again",),
    "queue_messages": ("queue messages sent again",),
    "bus_events": ("bus events sent again",),
    "stream_records": ("stream records sent again",),
    "overlap_schedules": ("schedules overlapping",),
    "act": ("operators answered 2",),
    "kill_proxy": ("partners' proxy killed",),
    "rotate": ("secret of ",),
    "flip_status": ("statuses that flip back",),
    "next_outage": ("outages of ",),
    "break_tracker": ("tracker fails",),
}
BY_PROCESSES = {"kill_worker": " killed", "freeze_process": " frozen"}


def uncovered(
    planned: Mapping[str, int], counters: Counters, calls: Sequence[Mapping[str, Any]], *, has_proc: bool | None = None
) -> Iterator[str]:
    """What was planned, and did not post_leads, or hardly; `planned` by the names of the kinds.

    Workers' deaths, and faults in the partners' log of `calls`, must have come in proportion. Where there is no /proc,
    no process is killed or frozen.
    """
    for kind, beginnings in COUNTED_AS.items():
        if planned.get(kind, 0) >= MANY and not any(name.startswith(beginnings) for name in +counters.counts):
            yield f"{kind} was planned {planned[kind]} times, and never occurred"
    for kind, ending in BY_PROCESSES.items() if (PROC.exists() if has_proc is None else has_proc) else ():
        names = [name for name in counters.counts if name.endswith(ending) and not name.startswith("partners' proxy")]
        number, least = (
            sum(counters.counts[name] for name in names),
            _least(planned.get(kind, 0), kind == "kill_worker"),
        )
        if number < least:
            yield f"{kind} was planned {planned[kind]} times, and occurred {number} times"
    fired = sum(call["fault"] is not None for call in calls)
    if fired < _least(planned.get("break_partner", 0), True):
        yield f"break_partner was planned {planned['break_partner']} times, and {fired} calls got a fault"


def _least(planned: int, in_proportion: bool) -> int:
    if planned < MANY:
        return 0
    return max(1, planned // SHARE) if in_proportion else 1
