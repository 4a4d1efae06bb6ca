"""Make calls concurrently, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from concurrent.futures import Future

MAX_THREADS = 64


def in_parallel[I, O](
    items: Iterable[I], call: Callable[[I], O], workers: int, may_start: Callable[[], bool]
) -> Iterator[tuple[I, O]]:
    """Yield each item with the result of its call, as calls end. Items that were not started are left out.

    At most `workers` calls run at a time. No call starts after `may_start` returned False; those that run are awaited.
    `call` must not raise, and must end in bounded time.
    """
    workers = min(workers, MAX_THREADS)
    if workers == 1:
        for item in items:
            if not may_start():
                return
            yield item, call(item)
        return
    from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

    left, is_open = iter(items), True
    running: dict[Future[O], I] = {}
    with ThreadPoolExecutor(workers, thread_name_prefix="check") as pool:
        while True:
            while is_open and len(running) < workers:
                if not (is_open := may_start()):
                    break
                try:
                    item = next(left)
                except StopIteration:
                    is_open = False
                    break
                running[pool.submit(call, item)] = item
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                yield running.pop(future), future.result()
