"""Publishing durably: an event is accepted when the disk has it, and its publisher waits for that.

No state: the queue knows who waits for what, and nothing is held meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from atomwire._native import AWAITS_DISK, FULL, Claim
from atomwire.bus.errors import PublishError, SpoolError
from atomwire.bus.publish.draining import SLICE_SECONDS
from atomwire.bus.publish.parts import Parts
from atomwire.bus.publish.words import NO_THREAD, Words
from atomwire.bus.publish.worker import Gate

if TYPE_CHECKING:
    from atomwire._native import Headers

__all__ = ["Durable"]

_Outcome = tuple[int, int, int] | None
_UntilTaken = Callable[[_Outcome, Callable[[], _Outcome], Callable[[], None]], int]


class Durable:
    """Waits for the disk.

    Parameters
    ----------
    parts : Parts
        Of the bus.
    words : Words
        For refusals.
    attend : Callable[[], None]
        Begins the threads that have not begun.
    ended : Gate
        Open when the bus is closed.
    """

    def __init__(self, parts: Parts, words: Words, attend: Callable[[], None], ended: Gate) -> None:
        self._queue = parts.queue
        self._outbox = parts.outbox
        self._words = words
        self._attend = attend
        self._ended = ended

    def store(
        self,
        event: bytes,
        tenant_id: str | None,
        own: Headers | None,
        wanted: bool,
        claim: Claim | None,
        until_taken: _UntilTaken,
    ) -> int:
        """Have an event written, and wait for it; return its number, 0 when it was dropped."""
        claim = claim or Claim()
        assert self._outbox is not None
        seconds = 0.0 if self._outbox.worker.is_current() else SLICE_SECONDS

        def offer() -> _Outcome:
            return self._queue.offer(event, tenant_id, own, wanted, 0, claim, seconds)

        try:
            return until_taken(offer(), offer, self._queue.drop)
        except BaseException:
            # A signal handler may have raised before anybody knew the number.
            self._queue.withdraw_claim(claim)
            raise

    def await_disk(self, number: int) -> int:
        """Wait for the commit that has the event; nothing is held meanwhile.

        Who calls it withdraws the event when it raises.
        """
        outbox = self._outbox
        assert outbox is not None
        if outbox.worker.is_current():
            self._queue.accept_unstored(number)
            return number
        while True:
            ended = bool(self._ended)  # before the look: what was stored until then is seen
            stored = self._queue.await_stored(number, SLICE_SECONDS)
            if stored:
                return number
            if stored is False:
                raise SpoolError(outbox.error or "the event could not be written to the spool")
            if ended:
                raise self._words.closed()
            if not self._queue.attended:
                self._attend()
                if not self._queue.attended:
                    raise SpoolError(f"the spool is not there: {NO_THREAD}")

    def store_many(
        self, events: list[bytes], own: list[Headers] | None, until_taken: _UntilTaken
    ) -> int:
        """Have all events written together, and wait for the last of them."""
        numbers: list[int] = []
        claim = Claim()
        stored = 0
        refused: tuple[int, int, int] | None = None
        try:
            for index, event in enumerate(events):
                headers = None if own is None else own[index]
                after = numbers[-1] if numbers else 0
                outcome = self._queue.offer(event, None, headers, False, after, claim)
                while outcome[0] == FULL and stored < len(numbers):
                    self.await_disk(numbers[stored])  # which makes room
                    stored += 1
                    outcome = self._queue.offer(event, None, headers, False, after, claim)
                if outcome[0] == AWAITS_DISK:
                    numbers.append(outcome[1])
                    continue
                if outcome[0] != FULL:
                    refused = outcome
                    break  # those before it are waited for
                numbers.append(
                    until_taken(
                        outcome,
                        lambda e=event, h=headers: self._queue.offer(  # type: ignore[misc]
                            e, None, h, False, 0, claim
                        ),
                        self._queue.drop,
                    )
                )
                stored += 1
            for number in numbers[stored:]:
                self.await_disk(number)
                stored += 1
            if refused is not None:
                raise self._words.refusal(refused[0], refused[2])
        except BaseException as error:
            for number in numbers[stored:]:
                self._queue.withdraw(number)
            self._queue.withdraw_claim(claim)
            if isinstance(error, PublishError):
                error.accepted = stored
            raise
        return stored
