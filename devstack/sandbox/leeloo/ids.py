"""Ids, and looking up what has one."""

import itertools
import secrets
from collections.abc import Mapping

from devstack.sandbox.leeloo.refusals import not_found
from devstack.sandbox.partner import Clock
from devstack.sandbox.rows import Rows


class Ids:
    """24 hex digits each: the second, a part of this run, a counter. None repeats, also after a reset."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._run = secrets.token_hex(5)
        self._count = itertools.count(1)

    def new(self) -> str:
        return f"{int(self._clock()) & 0xFFFFFFFF:08x}{self._run}{next(self._count) & 0xFFFFFF:06x}"


def find[Thing](things: Mapping[str, Thing] | Rows[str, Thing], thing_id: str, field: str) -> Thing:
    """Return what has this id. Raises `Refusal`, a 404 that names the field of the request."""
    thing = things.get(thing_id)
    if thing is None:
        raise not_found(field)
    return thing
