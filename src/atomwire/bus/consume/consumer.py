"""The way out: events of a topic, in small batches as soon as they arrive."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from atomwire._native import verify
from atomwire.bus.connection import Connection
from atomwire.bus.consume.batch import EventBatch
from atomwire.bus.consume.dead_letters import DeadLetters
from atomwire.bus.consume.filter import EventFilter
from atomwire.bus.consume.stream import BatchStream
from atomwire.bus.errors import BusClosedError, ConsumerError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.properties import consumer_properties, make_client
from atomwire.bus.setting_rules import OneOf
from atomwire.bus.settings import BusSettings
from atomwire.codec.errors import InvalidEventError

__all__ = ["EventConsumer"]

_ON_INVALID = OneOf(("raise", "skip", "dead-letter"))

# How long close() may have to wait for a consumer that is waiting for events.
_SLICE_SECONDS = 0.1

# Waiting does not mend these; librdkafka goes on trying after all others.
_HOPELESS = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.INVALID_GROUP_ID,
        KafkaError.UNSUPPORTED_VERSION,
    }
)


class EventConsumer:
    """Reads events of a topic as a member of a consumer group, at least once each.

    Parameters
    ----------
    brokers : str
        Addresses, ``host:port``, separated by commas.
    topic : str
        The topic.
    group_id : str
        The group; its members share the partitions and the committed offsets.
    types : Iterable[EventType], optional
        Only events of these types.
    regions : Iterable[str], optional
        Only events of these regions, and events of mixed regions, which name none.
    settings : BusSettings, optional
        How to read.
    on_invalid : {"raise", "skip", "dead-letter"}
        What to do about a message that is no valid AtomEvent: raise `InvalidEventError`, after
        the events before it were handed out, each time it is met; log it and go on; or publish it
        to the topic ``<topic>.dead-letter``, as it is and with the reason in its headers. Then a
        batch is committed only when the broker has acknowledged its dead letters.
    **overrides
        Single settings, by name, that replace those of `settings`.

    Raises
    ------
    SettingsError
        An argument or a setting is unknown or not allowed.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        group_id: str,
        *,
        types: Iterable[int] | None = None,
        regions: Iterable[str] | None = None,
        settings: BusSettings | None = None,
        on_invalid: Literal["raise", "skip", "dead-letter"] = "raise",
        **overrides: Any,
    ) -> None:
        _ON_INVALID.check("on_invalid", on_invalid)
        self._topic = topic
        self._group_id = group_id
        self._filter = EventFilter(types, regions)
        self._skip_invalid = on_invalid == "skip"
        self._log = RateLimitedLog()
        self._connection = Connection(self._log.log)
        chosen = (settings or BusSettings()).replace(**overrides)
        properties = consumer_properties(brokers, group_id, chosen)
        properties["error_cb"] = self._connection.on_error
        self._dead_letters: DeadLetters | None = None
        if on_invalid == "dead-letter":
            self._dead_letters = DeadLetters(brokers, topic, chosen, self._log)
        self._consumer = make_client(Consumer, properties, self._log)
        self._consumer.subscribe([topic])
        self._received: deque[Message] = deque()
        self._closed = False
        # The consumer must not be closed while another thread waits in it.
        self._lock = threading.Lock()

    def batches(self, max_events: int = 1000, max_wait: float = 0.01) -> BatchStream:
        """Iterate over batches of events, with ``for`` or ``async for``, until `close`.

        A batch is handed out as soon as there is an event, with all those that have arrived by
        then. An idle topic yields an empty batch every `max_wait` seconds, so that the loop
        keeps control and can stop.

        Parameters
        ----------
        max_events : int
            Most messages that one batch takes in, from 1 to 1,000,000.
        max_wait : float
            Longest wait for the first event of a batch, in seconds.

        Returns
        -------
        BatchStream
            An iterator and asynchronous iterator of `EventBatch`. It raises `InvalidEventError`
            as `on_invalid` says, and `ConsumerError` when the broker turns the consumer away.

        Raises
        ------
        BusClosedError
            The consumer was closed.
        ValueError
            An argument is out of its range.
        """
        if not 1 <= max_events <= 1_000_000:
            raise ValueError(f"max_events={max_events!r}: must be from 1 to 1,000,000")
        if not 0 <= max_wait < 1_000_000:
            raise ValueError(
                f"max_wait={max_wait!r}: must be seconds, from 0 to less than 1,000,000"
            )
        self._check_open()
        return BatchStream(lambda: self._fetch(max_events, max_wait))

    def close(self) -> None:
        """Leave the group; iterations end. What was not committed will be delivered again."""
        self._closed = True
        with self._lock:
            self._consumer.close()
        if self._dead_letters is not None:
            self._dead_letters.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<EventConsumer topic={self._topic!r} group_id={self._group_id!r} {state}>"

    def _fetch(self, max_events: int, max_wait: float) -> EventBatch | None:
        if not self._received:
            self._receive(max_events, max_wait)
        if self._closed:
            return None
        return self._take(max_events)

    def _receive(self, max_events: int, max_wait: float) -> None:
        deadline = time.monotonic() + max_wait
        while not self._closed:
            remaining = max(0.0, deadline - time.monotonic())
            with self._lock:
                if self._closed:
                    return
                # Not consume(n, t): that waits for all n, or for the whole of t.
                first = self._consumer.poll(min(remaining, _SLICE_SECONDS))
                if first is not None:
                    self._received.append(first)
                    self._received.extend(self._consumer.consume(max_events - 1, 0))
                    return
            if remaining <= _SLICE_SECONDS:
                return

    def _take(self, max_events: int) -> EventBatch:
        wanted: list[Message] = []
        offsets: dict[int, int] = {}
        for _ in range(min(max_events, len(self._received))):
            message = self._received[0]
            try:
                passes = self._passes(message)
            except (ConsumerError, InvalidEventError) as error:
                if offsets and not self._may_skip(error):
                    break  # first what came before it; the next fetch meets it again
                self._skip_or_raise(error, message)
                passes = False
            self._received.popleft()
            partition, offset = message.partition(), message.offset()
            if partition is not None and offset is not None and message.error() is None:
                offsets[partition] = offset + 1
            if passes:
                wanted.append(message)
        return EventBatch(wanted, offsets, self._commit)

    def _passes(self, message: Message) -> bool:
        error = message.error()
        if error is not None:
            self._on_error(error)
            return False
        value = message.value()
        if value is None:
            raise InvalidEventError("message", 0, "has no value")
        if not self._filter.passes(value):
            return False
        verify(value)
        return True

    def _may_skip(self, error: Exception) -> bool:
        may_go_on = self._skip_invalid or self._dead_letters is not None
        return may_go_on and isinstance(error, InvalidEventError)

    def _skip_or_raise(self, error: Exception, message: Message) -> None:
        if self._may_skip(error):
            what = "skipped a message"
            if self._dead_letters is not None:
                self._dead_letters.send(message, error)
                what = "a message became a dead letter"
            self._log.log(logging.WARNING, "%s: %s in %s", what, error, _place(message))
            return
        if isinstance(error, InvalidEventError):
            ways_out = "on_invalid='skip' passes over it, 'dead-letter' sets it apart"
            error.add_note(f"in {_place(message)}; {ways_out}")
        else:
            self._received.popleft()
        raise error

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _HOPELESS:
            raise ConsumerError(
                f"the broker turned group {self._group_id!r} of topic {self._topic!r} away: "
                f"{error.str()}"
            )
        self._connection.on_error(error)

    def _commit(self, offsets: Mapping[int, int]) -> None:
        if self._dead_letters is not None:
            self._dead_letters.await_acknowledgement()
        positions = [TopicPartition(self._topic, *item) for item in offsets.items()]
        try:
            with self._lock:
                self._check_open()
                committed = self._consumer.commit(offsets=positions, asynchronous=False)
        except KafkaException as error:
            raise self._commit_error(error.args[0]) from None
        for position in committed or ():
            if position.error is not None:
                raise self._commit_error(position.error)

    def _commit_error(self, error: KafkaError) -> ConsumerError:
        return ConsumerError(
            f"commit of group {self._group_id!r} in topic {self._topic!r} refused: {error.str()}; "
            "the events will be delivered again"
        )

    def _check_open(self) -> None:
        if self._closed:
            raise BusClosedError(
                f"the consumer of topic {self._topic!r} is closed; open a new EventConsumer"
            )


def _place(message: Message) -> str:
    return f"topic {message.topic()!r}, partition {message.partition()}, offset {message.offset()}"
