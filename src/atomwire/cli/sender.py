"""Hand events to the bus, and know how many the broker has acknowledged."""

import time
from typing import Final

from atomwire.bus import BusFullError, EventBus
from atomwire.cli.console import counted
from atomwire.cli.errors import CommandError
from atomwire.cli.events import CellEvent

_IN_FLIGHT: Final = 64
"""Events that may be under way at once: bounds the memory that a large file takes."""

_PAUSE: Final = 0.002

PATIENCE: Final = 30.0
"""Seconds without an acknowledgement after which the broker counts as gone."""


class Sender:
    """Publishes the events of one tenant, in order."""

    def __init__(self, bus: EventBus, tenant: str) -> None:
        self._bus = bus
        self._tenant = tenant
        self._molecules: list[int] = []
        self.bytes = 0

    @property
    def events(self) -> int:
        """Events that were handed to the bus."""
        return len(self._molecules)

    @property
    def molecules(self) -> int:
        """Molecules in these events."""
        return sum(self._molecules)

    def send(self, event: CellEvent) -> None:
        """Publish one event; waits while many are still under way."""
        self._wait_until_queued(_IN_FLIGHT)
        while True:
            try:
                self._bus.publish(event.data, tenant_id=self._tenant)
                break
            except BusFullError:
                # The user's queue_size is smaller than what we would have under way.
                self._wait_until_queued(0)
        self._molecules.append(event.molecules)
        self.bytes += len(event.data)

    def finish(self) -> None:
        """Wait until the broker has acknowledged everything."""
        self._wait_until_queued(0)

    def delivered(self) -> str:
        """Say how much the broker has, for an error message."""
        events = self._bus.stats().delivered
        # One tenant is one partition, and a partition acknowledges in order.
        molecules = sum(self._molecules[:events])
        text = (
            f"{counted(events, 'event')} ({counted(molecules, 'molecule')}) "
            f"{'was' if events == 1 else 'were'} already delivered before that"
            if events
            else "nothing was delivered before that"
        )
        unsure = self.events - events
        return f"{text}, {counted(unsure, 'event')} may have been" if unsure else text

    def _wait_until_queued(self, limit: int) -> None:
        """Wait until at most `limit` events are unacknowledged."""
        delivered, deadline = -1, 0.0
        while (stats := self._bus.stats()).queued > limit:
            if stats.delivered != delivered:
                delivered, deadline = stats.delivered, time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                raise CommandError(f"the broker has acknowledged nothing for {PATIENCE:.0f} s")
            time.sleep(_PAUSE)
        if stats.failed:
            raise CommandError(f"the broker refused {counted(stats.failed, 'event')}")
