"""Work that goes on in other threads while its results are taken in order.

pyarrow and numpy let other threads run while they work, so that reading, parsing and counting share
all processors. Results come in the order of what they were made from, whatever finished first:
what a run reports does not depend on how many threads there were.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

import pyarrow as pa  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only in the containers

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
#: What is under way is in memory: more threads than this gain little.
_MOST_THREADS = 4


def ahead(items: Iterable[_Item]) -> Generator[_Item, None, None]:
    """The same items; the next one is made while this one is used."""
    source = iter(items)
    end: Any = object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, end)
        while (item := coming.result()) is not end:
            coming = thread.submit(next, source, end)
            yield item


def in_order(
    function: Callable[[_Item], _Result], items: Iterable[_Item]
) -> Generator[_Result, None, None]:
    """What the function makes of each item, a few of them at once."""
    count = min(_MOST_THREADS, pa.cpu_count())
    waiting: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(count) as threads:
        for item in items:
            waiting.append(threads.submit(function, item))
            if len(waiting) > count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
