"""Results that other threads compute in advance: in order, and a limited number at once."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice, repeat
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor

T = TypeVar("T")

#: Seconds before an interrupt is noticed: without a limit, waiting cannot be interrupted by Ctrl-C on Windows.
_PATIENCE: Final = 0.2


@contextmanager
def threads(count: int) -> Iterator[Executor]:
    """Lend threads; at the end, what is under way is finished, and what has not begun is not done."""
    pool = ThreadPoolExecutor(max_workers=count, thread_name_prefix="paragon-video")
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def completed(result: T) -> Future[T]:
    """Return a future that has this result already."""
    future: Future[T] = Future()
    future.set_result(result)
    return future


def result_of(future: Future[T]) -> T:
    """Wait for a future's result and return it; Ctrl-C is noticed meanwhile."""
    while True:
        try:
            return future.result(timeout=_PATIENCE)
        except TimeoutError:
            if future.done():
                return future.result()


def in_order(futures: Iterable[Future[T]], *, at_once: int) -> Iterator[T]:
    """Yield the results of futures in their order, with at most ``at_once`` pending; futures are taken as needed."""
    pending: deque[Future[T]] = deque()
    for future in futures:
        pending.append(future)
        if len(pending) >= at_once:
            yield result_of(pending.popleft())
    while pending:
        yield result_of(pending.popleft())


def prefetch(items: Iterator[T], executor: Executor, *, at_once: int) -> Iterator[T]:
    """Yield items that a thread computes in advance, at most ``at_once`` of them; the executor has one thread."""
    futures = (executor.submit(lambda: list(islice(items, 1))) for _ in repeat(None))
    for item in in_order(futures, at_once=at_once):
        if not item:
            return
        yield item[0]
