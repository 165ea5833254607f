"""A consumer in a thread of its own, which keeps every message that it hears."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from confluent_kafka import Message

from atomwire import EventType, peek_type
from atomwire.bus import EventConsumer
from atomwire.cli.errors import CommandError

_PATIENCE: Final = 30.0
"""Seconds without any news after which the demo gives up."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message as it came out of the broker."""

    data: bytes
    partition: int
    received_ns: int


class Listener:
    """Hears a topic from its beginning, for as long as the context lasts.

    Heartbeats are counted, everything else is kept. A heartbeat published first tells that the
    consumer is at work (joining its group takes a while), one published last that all was heard.
    """

    def __init__(self, brokers: str, topic: str) -> None:
        self.arrivals: list[Arrival] = []
        self.batches = 0
        self.bytes = 0
        self._brokers = brokers
        self._topic = topic
        self._heartbeats = 0
        self._failure: BaseException | None = None
        self._leaving = threading.Event()
        self._news = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="atomwire-demo", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._leaving.set()
        self._thread.join()

    def wait_for_heartbeats(self, count: int) -> None:
        """Return as soon as `count` heartbeats were heard."""
        self._wait(lambda: self._heartbeats >= count)

    def wait_for_bytes(self, count: int) -> None:
        """Return as soon as `count` bytes of cells were heard."""
        self._wait(lambda: self.bytes >= count)

    def _wait(self, reached: Callable[[], bool]) -> None:
        with self._news:
            arrived = self._news.wait_for(lambda: self._failure or reached(), _PATIENCE)
        if self._failure:
            raise self._failure
        if not arrived:
            raise CommandError(f"the consumer has heard nothing for {_PATIENCE:.0f} s")

    def _run(self) -> None:
        try:
            self._listen()
        except BaseException as error:  # raised again in the thread that waits
            with self._news:
                self._failure = error
                self._news.notify_all()

    def _listen(self) -> None:
        # The newer group protocol: the older one takes the embedded broker 3 s to join.
        with EventConsumer(
            self._brokers, self._topic, "atomwire-demo", group_protocol="consumer"
        ) as consumer:
            # An idle topic yields empty batches, so the end is noticed soon.
            for batch in consumer.batches():
                self._take(batch.messages, time.perf_counter_ns())
                if self._leaving.is_set():
                    return

    def _take(self, messages: Sequence[Message], now: int) -> None:
        arrivals = []
        heartbeats = 0
        for message in messages:
            data = message.value() or b""
            if peek_type(data) == EventType.HEARTBEAT:
                heartbeats += 1
            else:
                arrivals.append(Arrival(data, message.partition() or 0, now))
        with self._news:
            self.arrivals += arrivals
            self.batches += bool(arrivals)
            self.bytes += sum(len(arrival.data) for arrival in arrivals)
            self._heartbeats += heartbeats
            self._news.notify_all()
