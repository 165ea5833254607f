"""The end of a bus: everything is released, whatever fails, and what was given up is told once.

State: whether closing has begun, until when the broker is waited for, and the errors on the way.
All of it is changed in single steps by whoever closes; the worker runs the end itself.
"""

from __future__ import annotations

import logging
import math
import threading
import time
import traceback
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError

from atomwire.bus.errors import DeliveryError, SpoolError
from atomwire.bus.publish.draining import SLICE_SECONDS, drain
from atomwire.bus.publish.outbox import Outbox
from atomwire.bus.publish.parts import Parts
from atomwire.bus.publish.words import Words
from atomwire.bus.publish.worker import Gate, Worker

__all__ = ["Closing"]

# What a thread of the bus gets to end; it may be in the middle of something of the program's, or
# the disk may hold it.
_THREAD_SECONDS = 12.0
# A storm of signals whose handlers raise must not keep a closing bus for ever.
_MOST_INTERRUPTS = 1_000


class Closing:
    """Closes a bus once, whoever asks for it and however many do so at a time.

    Parameters
    ----------
    parts : Parts
        Of the bus.
    words : Words
        For what was given up.
    forget : Callable[[], None]
        Told when it is closed, before those who wait are.

    Attributes
    ----------
    is_begun : bool
        Whether the bus takes nothing more.
    ended : Gate
        Open when everything is released.
    """

    def __init__(self, parts: Parts, words: Words, forget: Callable[[], None]) -> None:
        self._parts = parts
        self._words = words
        self._forget = forget
        # Signal handlers run in the main thread, and what they raise must not end this halfway.
        self._worker = Worker(self._end, "atomwire-closing")
        self._close_by = math.inf
        self._nobody_waits = False
        self._end_told = threading.Lock()
        self._errors: list[BaseException] = []
        self.is_begun = False
        self.ended: Gate = Gate()

    def at_once(self) -> None:
        """Release what there is, in this thread: the bus was not open, and has no threads."""
        self.is_begun = True
        self._close_by = 0.0
        self._worker.run_here()

    def close(self, timeout: float) -> None:
        """Do as `EventBus.close` says."""
        if self.ended:
            self._tell_at_end()
            return
        self._close_by = min(self._close_by, time.monotonic() + timeout)
        self.is_begun = True
        if self._parts.is_own_thread:
            self._nobody_waits = True
            self._worker.begin()
            return
        try:
            self._worker.begin()
        except RuntimeError:  # no thread to be had; at the end of the process, say
            self._worker.run_here()
        if not self._worker.is_current():  # or this is a signal handler in the middle of it
            self._raise_at_end(self._await_end())

    # ---- The end itself.

    def _end(self) -> None:
        """Do all that has to be done at the end, whatever fails, and nothing of the program's."""
        for step in self._steps():
            try:
                step()
            except BaseException as error:  # the rest has to be done
                self._errors.append(error)
        self._forget()
        self.ended.open()
        if self._nobody_waits:
            try:
                self._tell_at_end()
                self._raise_at_end(None)
            except DeliveryError as error:
                self._parts.log.log(logging.ERROR, "%s", error)

    def _steps(self) -> Iterable[Callable[[], object]]:
        queue, outbox = self._parts.queue, self._parts.outbox
        yield queue.close
        yield lambda: queue.attended and self._drain()
        yield lambda: self._parts.delivery.stop(_THREAD_SECONDS)
        yield self._parts.recovery.close
        yield queue.stop_sender
        yield queue.end_gathering
        if outbox is not None:
            yield lambda: self._end_outbox(outbox)
        yield lambda: queue.give_up_all(KafkaError._DESTROY)

    def _drain(self) -> int:
        return drain(self._parts, lambda: self._close_by, lambda: self.is_begun, self.ended)

    def _end_outbox(self, outbox: Outbox) -> None:
        before = -1
        while not outbox.stop(_THREAD_SECONDS):
            # It may be slow, where others keep the interpreter; it is stuck when nothing moves.
            waiting = self._parts.queue.counts()[4]
            if waiting == before:
                return
            before = waiting
        outbox.finish()

    # ---- Who waits for it.

    def _await_end(self) -> BaseException | None:
        """Wait until all is done and told; return what a signal handler has raised meanwhile."""
        interrupt = None
        for _ in range(_MOST_INTERRUPTS):
            try:
                while not self.ended.wait(SLICE_SECONDS):
                    pass
                self._tell_at_end()
                break
            except BaseException as error:
                interrupt = error
                self._close_by = 0.0
        return interrupt

    def _tell_at_end(self) -> None:
        delivery = self._parts.delivery
        delivery.settle()
        what = (
            "its outcome is not known"
            if self._parts.outbox is None
            else "the event waits in the spool"
        )
        delivery.end_futures(f"the bus was closed; {what}")
        self._parts.log.speak()

    def _raise_at_end(self, interrupt: BaseException | None) -> None:
        if not self._end_told.acquire(blocking=False):
            if interrupt is not None:
                raise interrupt
            return
        self._say_what_is_left()
        final = self._parts.stats()
        undelivered = self._words.undelivered(final) if final.failed else None
        for error in self._errors:
            if not isinstance(error, SpoolError):
                text = "".join(traceback.format_exception(error))
                self._parts.log.log(logging.ERROR, "closing the bus met an error: %s", text)
        if interrupt is not None:
            if undelivered is not None:
                interrupt.add_note(str(undelivered))
            raise interrupt
        if undelivered is not None:
            raise undelivered

    def _say_what_is_left(self) -> None:
        parts = self._parts
        left = parts.outbox.left if parts.outbox is not None else 0
        if left:
            parts.log.log(
                logging.WARNING,
                "%d events for topic %r at %s wait in spool_dir=%r for the next bus%s",
                left,
                parts.topic,
                parts.brokers,
                str(parts.settings.spool_dir),
                self._words.because(),
            )
