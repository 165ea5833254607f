"""A process that publishes while everything around it breaks, and logs what its bus accepted.

``python -m tests.broker.chaos_publisher BROKERS TOPIC SETTINGS NAME LIFE LOG`` publishes until the
end of its input and then closes the bus. SETTINGS is JSON. What is in LOG was accepted.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import atomwire
from atomwire.bus import EventBus, PublishError, SpoolError
from tests.broker.writer import Line, Writer

_ROOT = Path(__file__).resolve().parents[2]
_TENANTS = 5
_TICK_SECONDS = 0.02
_CLOSE_SECONDS = 120.0


class ChaosPublisher:
    """Starts the process, again and again, and reads what it logged.

    Parameters
    ----------
    name : str
        Part of the names of its tenants.
    folder : Path
        Where it logs.
    brokers, topic : str
        Where it publishes.
    settings : Any
        Of its bus.

    Attributes
    ----------
    accepted : dict[Line, dict[int, str]]
        What every life that has ended had accepted: event ids by number.
    killed : set[str]
        The lives that were killed.
    """

    def __init__(self, name: str, folder: Path, brokers: str, topic: str, **settings: Any) -> None:
        self.name = name
        self.durable = bool(settings.get("durable"))
        self.accepted: dict[Line, dict[int, str]] = {}
        self.killed: set[str] = set()
        self._folder = folder
        self._arguments = [brokers, topic, json.dumps(settings, default=str), name]
        self._lives = 0
        self.start()

    @property
    def _life(self) -> str:
        return f"{self.name}.{self._lives}"

    def start(self) -> None:
        self._lives += 1
        command = [sys.executable, "-m", "tests.broker.chaos_publisher", *self._arguments]
        with open(self._file("err"), "wb") as errors:
            self._process = subprocess.Popen(
                [*command, self._life, str(self._file("log"))],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stderr=errors,
            )

    def check(self) -> None:
        """Assert that it runs."""
        assert self._process.poll() is None, self._tail()

    def kill(self) -> None:
        self.check()
        self._process.kill()
        self.killed.add(self._life)
        self._ended()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def ask_to_end(self) -> None:
        """Let it close its bus."""
        self.check()
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait_end(self) -> None:
        """Wait until it has closed its bus."""
        self._process.wait(_CLOSE_SECONDS + 30.0)
        assert self._process.returncode == 0, self._tail()
        self._ended()

    def destroy(self) -> None:
        """Leave nothing behind, whatever happened."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _ended(self) -> None:
        self._process.wait()
        assert self._process.stdin is not None
        self._process.stdin.close()
        # Killed at once, it may have published and told of nothing.
        self.accepted.update({Line(each, self._life): {} for each in tenants(self.name)})
        log = self._file("log")
        text = log.read_text() if log.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):  # else killed in the middle of it
                tenant, number, event_id = line.split()
                self.accepted[Line(tenant, self._life)][int(number)] = event_id

    def _file(self, kind: str) -> Path:
        return self._folder / f"{self._life}.{kind}"

    def _tail(self) -> str:
        return f"{self._life}:\n{self._file('err').read_text()[-4000:]}"


def tenants(name: str) -> list[str]:
    return [f"{name}-{number}" for number in range(_TENANTS)]


def main(brokers: str, topic: str, settings: str, name: str, life: str, log: str) -> None:
    told = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    bus = _open(brokers, topic, json.loads(settings))
    writer = Writer(life, tenants(name))
    together = False
    while not _input_ended(_TICK_SECONDS):
        together = not together
        waiting = [(line.tenant, *writer.next(line)) for line in writer.lines]
        while waiting:
            taken = _publish(bus, [event for _, _, event in waiting], together)
            # At once and past every buffer, so that a kill takes back no promise.
            lines = (f"{t} {n} {atomwire.peek_event_id(e)}\n" for t, n, e in waiting[:taken])
            os.write(told, "".join(lines).encode())
            waiting = waiting[taken:]
            # What was not taken is tried again, so that no number is missing between others.
            if waiting and _input_ended(_TICK_SECONDS):
                break
    bus.close(_CLOSE_SECONDS)


def _open(brokers: str, topic: str, settings: dict[str, Any]) -> EventBus:
    while True:
        try:
            return EventBus(brokers, topic, **settings)
        except SpoolError:  # the disk is full
            time.sleep(_TICK_SECONDS)


def _publish(bus: EventBus, events: list[bytes], together: bool) -> int:
    """Return how many of some events the bus takes."""
    taken = 0
    try:
        if together:
            bus.publish_many(events)
        else:
            for event in events:
                bus.publish(event)
                taken += 1
    except PublishError as error:  # the queue or the disk is full
        return taken + error.accepted
    return len(events)


def _input_ended(seconds: float) -> bool:
    return bool(select.select([0], [], [], seconds)[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
