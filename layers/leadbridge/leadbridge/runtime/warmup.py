"""What every request of a function needs is made while the function starts.

Lambda lends a whole core to a start, and `MemorySize`/1769 of one to a handler: the same work takes a form's visitor
three times as long to wait for there.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from leadbridge.runtime.environment import is_lambda
from leadbridge.runtime.logs import logger

GC_THRESHOLD = 100_000  # objects between two collections


def warm_up(*makers: Callable[[], object]) -> None:
    """Call each maker, on Lambda; elsewhere, as in a test that imports a handler, do nothing.

    A maker keeps what it makes, reads no secret and asks nobody over the network. One that fails does not end the
    start: the first request that needs it makes it again, and fails as its flow has it.
    """
    if not is_lambda():
        return
    # What a start makes stays: collecting garbage meanwhile takes a tenth of the start. What is made later is freed by
    # its reference count; cycles are rare.
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    for make in makers:
        try:
            make()
        except Exception:  # noqa: BLE001 - the outermost edge of a start
            logger.warning("could not be prepared", exc_info=True)
