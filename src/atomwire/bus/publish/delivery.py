"""What became of events, told to who asked: futures, log lines, and the recovery.

State: futures and outcomes are dicts that any thread changes in single steps; a lock would be held
by a thread that a signal handler interrupts. `settle` may run in several threads, and inside
itself: what the queue hands out once is kept until it was told, so it does not matter who tells it.
"""

from __future__ import annotations

import contextlib
import logging
import traceback
from concurrent.futures import Future, InvalidStateError

from confluent_kafka import KafkaError

from atomwire._native import SendQueue, check_no_lock, reason_of
from atomwire.bus.errors import DeliveryError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.position import Position
from atomwire.bus.publish.recovery import Recovery
from atomwire.bus.publish.worker import Gate, Worker

__all__ = ["Delivery", "promise"]

_AFTER_FAILURE_SECONDS = 0.1

_Outcome = Position | DeliveryError


class Delivery:
    """The thread that hears of delivered and failed events, and looks after the producer.

    Parameters
    ----------
    queue : SendQueue
        Tells what became of events.
    recovery : Recovery
        Told when the producer has failed.
    log : RateLimitedLog
        For what was given up.
    """

    def __init__(self, queue: SendQueue, recovery: Recovery, log: RateLimitedLog) -> None:
        self._queue = queue
        self._recovery = recovery
        self._log = log
        # By the event's number: who waits for it, and what became of it. Either may come first.
        self._futures: dict[int, Future[Position]] = {}
        self._outcomes: dict[int, _Outcome] = {}
        self._stopping = Gate()
        self.worker = Worker(self._run, "atomwire-delivery")

    def owe(self, number: int, future: Future[Position]) -> None:
        """Have a future told of the event's acknowledgement, which may have come already.

        An outcome of which nobody asks to be told would be kept for ever.
        """
        if future.done():
            return
        self._futures[number] = future
        if number in self._outcomes:
            self._tell(number)

    def turn(self) -> None:
        """Do what there is to do now."""
        self.settle()
        self._log.speak()
        self._recovery.step()
        self._log.speak()

    def settle(self) -> None:
        """Tell what the queue and the producer have to tell."""
        self._recovery.hear()
        acknowledged, given_up, beside, broken = self._queue.take_news()
        if broken:
            self._recovery.broke(broken)
        self._outcomes.update(
            (number, Position(partition, offset)) for number, partition, offset in acknowledged
        )
        for number, tenant_id, error in given_up:
            self._give_up(number, tenant_id, _words(error))
        if beside:
            self._log.later(logging.ERROR, "%d more events were not delivered", beside)
        for number in tuple(self._outcomes):
            self._tell(number)

    def stop(self, seconds: float) -> bool:
        """End the thread; False when it is still at something of the program's."""
        self._stopping.open()
        self._queue.waken()
        return self.worker.join(seconds)

    def end_futures(self, message: str) -> None:
        """Resolve the futures that are left; their events wait in the spool."""
        for number in tuple(self._futures):
            self._outcomes.setdefault(number, DeliveryError(message, 1, {}))
            self._tell(number)

    # ---- Inside.

    def _run(self) -> None:
        while not self._stopping:
            try:
                self._queue.await_news(self._recovery.pause())
                if not self._stopping:
                    self.turn()
            except BaseException:  # a callback's SystemExit, too: others wait for this thread
                self._log.later(
                    logging.ERROR,
                    "telling what became of events failed; going on: %s",
                    traceback.format_exc(),
                )
                self._stopping.wait(_AFTER_FAILURE_SECONDS)

    def _give_up(self, number: int, tenant_id: str, reason: str) -> None:
        # The reason first: one line of a kind, not one of each tenant.
        self._log.later(
            logging.ERROR, "an event was not delivered: %s (tenant %r)", reason, tenant_id
        )
        if number:
            message = f"an event of tenant {tenant_id!r} was not delivered: {reason}"
            self._outcomes[number] = DeliveryError(message, 1, {tenant_id: 1})

    def _tell(self, number: int) -> None:
        future = self._futures.get(number)
        outcome = self._outcomes.get(number)
        # The publisher may not have asked for its future yet; another thread may have told it.
        if future is None or outcome is None:
            return
        try:
            _resolve(future, outcome)
        finally:
            if future.done():  # or a signal handler has raised: the next one tells it
                self._futures.pop(number, None)
                self._outcomes.pop(number, None)


def promise() -> Future[Position]:
    """Return a future that the bus is going to resolve, and nobody can cancel."""
    future: Future[Position] = Future()
    future.set_running_or_notify_cancel()
    return future


def _words(error: int) -> str:
    if error == KafkaError._DESTROY:
        return "the bus was closed"
    return reason_of(error) if error else "its outcome was never reported"


def _resolve(future: Future[Position], outcome: _Outcome) -> None:
    # Callbacks are the program's; an exception of theirs is logged by the future itself.
    check_no_lock("calling back")
    with contextlib.suppress(InvalidStateError):  # it is done already
        if isinstance(outcome, Position):
            future.set_result(outcome)
        else:
            future.set_exception(outcome)
