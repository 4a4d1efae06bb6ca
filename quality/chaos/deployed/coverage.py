"""Whether what was planned to go wrong did: a run to which nothing happens proves nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from quality.chaos.counters import Tally
from quality.chaos.deployed.processes import PROC

MANY = 3  # times that something was planned, from which on once at least it must have happened
SHARE = 4  # of so many workers to be killed, or faults to be armed, one at least was, or fired

# What the tally calls each kind of the plan. Messages are lost only where some wait.
COUNTED_AS = {
    "post_again": ("forms posted again",),
    "queue_messages": ("queue messages sent again",),
    "bus_events": ("bus events sent again",),
    "stream_records": ("stream records sent again",),
    "strike": ("schedules overlapping",),
    "acts": ("operators answered 2",),
    "close_door": ("partners' front killed",),
    "rotate": ("secret of ",),
    "flip_status": ("statuses that flip back",),
}
BY_PROCESSES = {"kill_worker": " killed", "freeze_something": " frozen"}


def lacking(
    planned: Mapping[str, int], tally: Tally, calls: Sequence[Mapping[str, Any]], *, has_proc: bool | None = None
) -> Iterator[str]:
    """What was planned, and did not happen, or hardly; `planned` by the names of the kinds.

    Workers' deaths, and faults in the partners' log of `calls`, must have come in proportion. Where there is no /proc,
    no process is killed or frozen.
    """
    for kind, beginnings in COUNTED_AS.items():
        if planned.get(kind, 0) >= MANY and not any(name.startswith(beginnings) for name in +tally.counted):
            yield f"{kind} was planned {planned[kind]} times, and never happened"
    for kind, ending in BY_PROCESSES.items() if (PROC.exists() if has_proc is None else has_proc) else ():
        names = [name for name in tally.counted if name.endswith(ending) and not name.startswith("partners' front")]
        number, least = sum(tally.counted[name] for name in names), _least(planned.get(kind, 0), kind == "kill_worker")
        if number < least:
            yield f"{kind} was planned {planned[kind]} times, and happened {number} times"
    fired = sum(call["fault"] is not None for call in calls)
    if fired < _least(planned.get("break_partner", 0), True):
        yield f"break_partner was planned {planned['break_partner']} times, and {fired} calls met a fault"


def _least(planned: int, in_proportion: bool) -> int:
    if planned < MANY:
        return 0
    return max(1, planned // SHARE) if in_proportion else 1
