"""Waiting until every event is out, for `flush` and for `close`."""

from __future__ import annotations

import time
from collections.abc import Callable

from atomwire._native import Flush
from atomwire.bus.publish.parts import Parts
from atomwire.bus.publish.worker import Gate

__all__ = ["SLICE_SECONDS", "drain"]

# How long a wait goes without a look at signals and at everything else.
SLICE_SECONDS = 0.1


def drain(
    parts: Parts, deadline: Callable[[], float], is_closing: Callable[[], bool], ended: Gate
) -> int:
    """Wait until nothing is on its way, or the time is over; return how much still is.

    Parameters
    ----------
    parts : Parts
        Of the bus.
    deadline : Callable[[], float]
        The end of the wait, in the time of `time.monotonic`; it may change meanwhile.
    is_closing : Callable[[], bool]
        Whether the bus is being closed.
    ended : Gate
        Open when it is closed.
    """
    queue, delivery = parts.queue, parts.delivery
    flush = Flush(queue)
    try:
        flush.begin()
        while True:
            remaining = max(deadline() - time.monotonic(), 0.0)
            waiting = queue.await_empty(min(remaining, SLICE_SECONDS))
            if not waiting or not remaining or ended:
                return waiting
            if delivery.worker.is_current():
                if is_closing():
                    return waiting  # the thread that closes the bus waits for this one
                delivery.turn()  # nobody else would
    finally:
        flush.end()
