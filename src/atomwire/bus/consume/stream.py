"""Batches one after the other, for `for` and for `async for`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator

from atomwire.bus.consume.batch import EventBatch

__all__ = ["BatchStream"]


class BatchStream(Iterator[EventBatch], AsyncIterator[EventBatch]):
    """Iterates over what `fetch` returns, until it returns None."""

    def __init__(self, fetch: Callable[[], EventBatch | None]) -> None:
        self._fetch = fetch
        self._fetching: asyncio.Future[EventBatch | None] | None = None

    def __next__(self) -> EventBatch:
        batch = self._fetch()
        if batch is None:
            raise StopIteration
        return batch

    async def __anext__(self) -> EventBatch:
        if self._fetching is None:
            loop = asyncio.get_running_loop()
            self._fetching = loop.run_in_executor(None, self._fetch)
        # A thread cannot be cancelled. If this task is, the fetch goes on, and what it brings
        # is handed to the next caller instead of being lost.
        batch = await asyncio.shield(self._fetching)
        self._fetching = None
        if batch is None:
            raise StopAsyncIteration
        return batch
