"""Taking events in: what happens to one that finds no room, as `on_full` says.

No state: the queue says whether there is room, and nothing is held while somebody waits for it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from atomwire._native import AWAITS_DISK, FULL, Claim
from atomwire.bus.publish.draining import SLICE_SECONDS
from atomwire.bus.publish.durable import Durable
from atomwire.bus.publish.parts import Parts
from atomwire.bus.publish.words import Words

if TYPE_CHECKING:
    from atomwire._native import Headers

__all__ = ["Admission", "Outcome"]

# (verdict, number, size) of the queue; None for a cell that was taken.
Outcome = tuple[int, int, int] | None


class Admission:
    """Has events taken, or raises why not.

    Parameters
    ----------
    parts : Parts
        Of the bus.
    words : Words
        For refusals.
    durable : Durable
        For events that their publisher waits for.
    attend : Callable[[], None]
        Begins the threads that have not begun.
    """

    def __init__(
        self, parts: Parts, words: Words, durable: Durable, attend: Callable[[], None]
    ) -> None:
        self._queue = parts.queue
        self._settings = parts.settings
        self._words = words
        self._durable = durable
        self._attend = attend

    def take(
        self,
        event: bytes,
        tenant_id: str | None,
        own: Headers | None,
        wanted: bool = False,
        claim: Claim | None = None,
    ) -> int:
        """Take an event; return its number, 0 when it was dropped.

        `claim` has the number as well, as soon as there is one.
        """
        self._attend()
        if self._settings.durable:
            return self._durable.store(event, tenant_id, own, wanted, claim, self._until_taken)

        def offer() -> Outcome:
            return self._queue.offer(event, tenant_id, own, wanted, 0, claim)

        return self._until_taken(offer(), offer, self._queue.drop)

    def take_cell(self, outcome: Outcome, cell: tuple[Any, ...]) -> None:
        """Take a cell that found no room, or the first one."""
        self._attend()
        self._until_taken(
            outcome, lambda: self._queue.write(*cell), lambda: self._queue.drop_cells(cell[0])
        )

    def store_many(self, events: list[bytes], own: list[Headers] | None) -> int:
        """Have all events written together; return how many there are."""
        self._attend()
        return self._durable.store_many(events, own, self._until_taken)

    def _until_taken(
        self, outcome: Outcome, again: Callable[[], Outcome], drop: Callable[[], None]
    ) -> int:
        """Do as `on_full` says until an event is taken; return its number, 0 if it was dropped."""
        deadline: float | None = None
        while outcome is not None and outcome[0]:
            verdict, number, size = outcome
            if verdict == AWAITS_DISK:
                return self._durable.await_disk(number)
            if verdict != FULL:
                raise self._words.refusal(verdict, size)
            policy = self._settings.on_full
            if policy == "drop":
                drop()
                return 0
            now = time.monotonic()
            if deadline is None:
                deadline = now + self._settings.block_seconds
            # With a spool, what is full is the room in front of the disk: that is soon written.
            if policy == "raise" or now >= deadline or self._words.spool_error is not None:
                raise self._words.full()
            self._queue.await_room(number, min(deadline - now, SLICE_SECONDS))
            outcome = again()
        return 0 if outcome is None else outcome[1]
