"""Events of many tenants, published from a thread while things go wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import atomwire
from atomwire.bus import BusFullError, EventBus, SpoolError

_TICK_SECONDS = 0.005
_PATIENCE_SECONDS = 120.0


class Load:
    """Publishes one event of each tenant every 5 ms, and remembers what the bus accepted.

    Where the bus is full it tries the same event again, so that no tenant gets a gap.

    Attributes
    ----------
    published : dict[str, list[str]]
        Event ids by tenant, in order.
    refused : int
        How often the bus took no event: its queue or its disk was full.
    """

    def __init__(self, bus: EventBus, tenants: int = 10) -> None:
        self._bus = bus
        self._encoders = {
            f"tenant-{number}": atomwire.Encoder(f"tenant-{number}") for number in range(tenants)
        }
        self.published: dict[str, list[str]] = {tenant: [] for tenant in self._encoders}
        self.refused = 0
        self._count = 0
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)

    def more(self, events: int = 1_000) -> None:
        """Wait until so many more events were accepted."""
        wanted = self._count + events
        self._wait(lambda: self._count >= wanted)

    def is_refused(self) -> None:
        """Wait until the bus is full."""
        wanted = self.refused + 1
        self._wait(lambda: self.refused >= wanted)

    def delivered(self, events: int = 1_000) -> None:
        """Wait until so many more events were acknowledged, going on meanwhile."""
        wanted = self._bus.stats().delivered + events
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._bus.stats().delivered < wanted:
            assert time.monotonic() < deadline, f"no delivery: {self._bus.stats()}"
            self.go_on(_TICK_SECONDS)

    def go_on(self, seconds: float) -> None:
        """Let time pass under load."""
        self._stopping.wait(seconds)
        self._check()

    def stop(self) -> None:
        """Publish no more."""
        self._stopping.set()
        self._thread.join()
        self._check()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()
        if error is None:
            self._check()

    def _wait(self, reached: Callable[[], bool]) -> None:
        with self._changed:
            done = self._changed.wait_for(
                lambda: reached() or self._error is not None, _PATIENCE_SECONDS
            )
        self._check()
        assert done, f"after {self._count} events: {self._bus.stats()}"

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        number = 0
        try:
            while not self._stopping.wait(_TICK_SECONDS):
                for tenant, encoder in self._encoders.items():
                    self._publish(tenant, encoder.cell(number, float(number)))
                number += 1
        except Exception as error:  # told to whoever waits
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _publish(self, tenant: str, event: bytes) -> None:
        while True:
            try:
                self._bus.publish(event)
                break
            except (BusFullError, SpoolError):
                with self._changed:
                    self.refused += 1
                    self._changed.notify_all()
                if self._stopping.wait(_TICK_SECONDS):
                    return
        event_id = atomwire.peek_event_id(event)
        assert event_id is not None
        self.published[tenant].append(event_id)
        with self._changed:
            self._count += 1
            self._changed.notify_all()
