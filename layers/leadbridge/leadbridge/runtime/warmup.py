"""Create what every request needs while the function starts.

Lambda gives a starting function a whole core, and a handler `MemorySize`/1769 of one: there the same work takes three
times as long.
"""

from __future__ import annotations

import gc
from collections.abc import Callable

from leadbridge.runtime import dataclass_code
from leadbridge.runtime.environment import is_lambda

GC_THRESHOLD = 100_000  # objects between two collections

# A function imports this module before all others (`force-to-top` in pyproject.toml). Garbage collection would take a
# tenth of the start, and free nothing. Later objects are freed by their reference counts; cycles are rare.
if is_lambda():
    gc.set_threshold(GC_THRESHOLD, 10, 10)
    dataclass_code.install()


def warm_up(*makers: Callable[[], object]) -> None:
    """Call each maker. Outside Lambda, such as in tests, do nothing.

    A maker caches its result, reads no secret and makes no network call. A failure does not stop the start: the first
    request calls the maker again.
    """
    if not is_lambda():
        return
    for make in makers:
        try:
            make()
        except Exception:  # noqa: BLE001 - the outermost edge of a start
            from leadbridge.runtime.logs import logger

            logger.warning("a warm-up step failed", exc_info=True)
