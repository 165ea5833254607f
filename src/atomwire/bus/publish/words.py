"""What a bus says when it cannot do as it was told: the errors, and the ways out.

No state: what is said is what the parts are like at the moment.
"""

from __future__ import annotations

from collections import Counter

from atomwire._native import CLOSED, NO_MEMORY, TOO_LARGE
from atomwire.bus.errors import (
    BusClosedError,
    BusFullError,
    DeliveryError,
    EventTooLargeError,
    SpoolError,
)
from atomwire.bus.publish.parts import Parts
from atomwire.bus.publish.stats import BusStats

__all__ = ["NO_THREAD", "Words"]

NO_THREAD = "the system has no thread to give; the bus tries again with the next call"
_TENANTS_NAMED = 5
# What a message needs beside its key, value and the contract's headers.
_MESSAGE_OVERHEAD = 64
_CONTRACT_HEADERS = 256


class Words:
    """The errors of one bus; they are returned, and the caller raises them.

    Parameters
    ----------
    parts : Parts
        Of the bus.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._settings = parts.settings

    @property
    def spool_error(self) -> str | None:
        """The trouble with the disk, None while there is none."""
        outbox = self._parts.outbox
        return None if outbox is None else outbox.error

    def because(self) -> str:
        """Return what keeps events from going out, in brackets; nothing if that is not known."""
        recovery = self._parts.recovery
        reason = self.spool_error or recovery.last_error or recovery.reason
        return f" ({reason})" if reason else ""

    def refusal(self, verdict: int, size: int) -> Exception:
        """Return what the queue's verdict means, other than that it is full."""
        if verdict == CLOSED:
            return self.closed()
        if verdict == TOO_LARGE:
            return self._too_large(size)
        if verdict == NO_MEMORY:
            return MemoryError()
        return SpoolError(
            self.spool_error
            or "the event, or one before it in the same call, could not be written to the spool"
        )

    def closed(self) -> BusClosedError:
        """Return the error of a call that comes too late."""
        topic = self._parts.topic
        return BusClosedError(f"the bus to topic {topic!r} is closed; open a new EventBus")

    def full(self) -> BusFullError:
        """Return the error of an event that finds no room."""
        settings = self._settings
        return BusFullError(
            f"the queue is full (queue_size={settings.queue_size:,} events, "
            f"queue_bytes={settings.queue_bytes:,}): {self._parts.brokers} does not keep up"
            f"{self.because()}; flush() and publish again, or raise queue_size or queue_bytes, "
            "or give the bus a spool_dir with room"
        )

    def room_for_event(self, tenant_id: str) -> int:
        """Return how many bytes an event of this tenant may have."""
        beside = len(tenant_id.encode()) + _MESSAGE_OVERHEAD
        if self._settings.headers:
            beside += _CONTRACT_HEADERS
        return max(self._parts.queue.event_limit - beside, 0)

    def too_large_cell(self, error: ValueError, room: int) -> EventTooLargeError:
        """Return the error of a cell that is more than an event may have, from the encoder's."""
        limit, way_out = self._limit()
        cell = str(error).removeprefix(f"max_bytes: {room}, but ")
        return EventTooLargeError(
            f"{cell}, and beside key and headers {limit} leaves room for {room:,}; {way_out}"
        )

    def undelivered(self, stats: BusStats) -> DeliveryError:
        """Return the error of a bus that has given events up."""
        by_tenant = self._parts.queue.given_up()
        named = ", ".join(f"{t!r} {n:,}" for t, n in Counter(by_tenant).most_common(_TENANTS_NAMED))
        more = len(by_tenant) - _TENANTS_NAMED
        return DeliveryError(
            f"{stats.failed:,} of {stats.accepted:,} events were not delivered to topic "
            f"{self._parts.topic!r} at {self._parts.brokers}{self.because()}; tenants: {named}"
            f"{f' and {more:,} more' if more > 0 else ''}; publish them again when the broker "
            "answers, or give close() a longer timeout, or the bus a spool_dir",
            stats.failed,
            by_tenant,
        )

    def _too_large(self, size: int) -> EventTooLargeError:
        limit, way_out = self._limit()
        return EventTooLargeError(
            f"an event of {size:,} bytes with its key and headers does not fit {limit}; split it "
            f"with Encoder.split(), or {way_out}"
        )

    def _limit(self) -> tuple[str, str]:
        """Return what bounds an event, and what to do about it."""
        limit = self._parts.queue.event_limit
        if limit < self._settings.max_event_bytes:
            return f"the topic's max.message.bytes={limit:,}", "raise the topic's limit"
        way_out = "raise max_event_bytes and the broker's message.max.bytes"
        return f"max_event_bytes={limit:,}", way_out
