"""A process that publishes, for being killed: it tells what the bus took, event by event.

``python -m tests.broker.publisher BROKERS TOPIC SETTINGS FILE_BYTES`` publishes until the end of
its input and then closes the bus. SETTINGS is JSON; no file may grow beyond FILE_BYTES, if any.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import atomwire
from atomwire.bus import BusFullError, EventBus, SpoolError

_ROOT = Path(__file__).resolve().parents[2]
_TENANTS = 5
_TICK_SECONDS = 0.002
_PATIENCE_SECONDS = 60.0
_REFUSED = "refused"


class Publisher:
    """Starts the process and gathers what it tells.

    Attributes
    ----------
    published : dict[str, list[str]]
        Event ids by tenant, in order.
    refusals : int
        How often the bus took no event; it was then tried again.
    """

    def __init__(
        self, brokers: str, topic: str, *, file_bytes: int = 0, **settings: object
    ) -> None:
        command = [sys.executable, "-m", "tests.broker.publisher", brokers, topic]
        self._process = subprocess.Popen(
            [*command, json.dumps(settings, default=str), str(file_bytes)],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.published: dict[str, list[str]] = {}
        self.refusals = 0
        self._count = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def more(self, events: int = 1_000) -> None:
        """Wait until so many more events were taken."""
        wanted = self._count + events
        self._wait(lambda: self._count >= wanted)

    def refused(self) -> None:
        """Wait until the bus takes no more."""
        wanted = self.refusals + 1
        self._wait(lambda: self.refusals >= wanted)

    def kill(self) -> None:
        """End it without a warning (SIGKILL), and read what it had told before."""
        self._process.kill()
        self._end()

    def finish(self) -> None:
        """Let it close its bus and end."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._end()
        assert self._process.returncode == 0

    def give_room(self) -> None:
        """Take the bound of `file_bytes` away."""
        self._process.send_signal(signal.SIGUSR1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self.kill()

    def _wait(self, done: Callable[[], bool]) -> None:
        with self._changed:
            reached = self._changed.wait_for(lambda: done() or self._ended, _PATIENCE_SECONDS)
            assert reached, f"the publisher is stuck after {self._count} events"
            assert done(), "the publisher ended"

    def _end(self) -> None:
        self._process.wait(_PATIENCE_SECONDS)
        self._thread.join()
        for stream in (self._process.stdin, self._process.stdout):
            assert stream is not None
            stream.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                break  # killed in the middle of it
            tenant, _, event_id = line.rstrip("\n").partition(" ")
            with self._changed:
                if tenant == _REFUSED:
                    self.refusals += 1
                else:
                    self.published.setdefault(tenant, []).append(event_id)
                    self._count += 1
                self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()


def main(brokers: str, topic: str, settings: str, file_bytes: str) -> None:
    if int(file_bytes):
        _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(file_bytes), most))
        signal.signal(
            signal.SIGUSR1, lambda *_: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        )
    bus = EventBus(brokers, topic, **json.loads(settings))
    encoders = {f"tenant-{n}": atomwire.Encoder(f"tenant-{n}") for n in range(_TENANTS)}
    number = 0
    while not _input_ended(_TICK_SECONDS):
        for tenant, encoder in encoders.items():
            event = encoder.cell(number, float(number))
            while not _took(bus, event):
                _tell(_REFUSED)
                if _input_ended(_TICK_SECONDS * 10):
                    break
            else:
                _tell(f"{tenant} {atomwire.peek_event_id(event)}")
        number += 1
    bus.close(_PATIENCE_SECONDS)


def _took(bus: EventBus, event: bytes) -> bool:
    try:
        bus.publish(event)
    except (BusFullError, SpoolError):
        return False
    return True


def _input_ended(seconds: float) -> bool:
    return bool(select.select([0], [], [], seconds)[0])


def _tell(what: str) -> None:
    # At once and past every buffer: what was not told when the kill came was not promised.
    os.write(1, f"{what}\n".encode())


if __name__ == "__main__":
    main(*sys.argv[1:])
