"""From settings to librdkafka's properties, and from there to a client that prints nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from confluent_kafka import KafkaException

from atomwire._native import ProducerSession, SendQueue
from atomwire.bus.errors import BusError, SettingsError
from atomwire.bus.log import RateLimitedLog
from atomwire.bus.refusals import refusal
from atomwire.bus.security import security_properties
from atomwire.bus.settings import BusSettings

__all__ = [
    "bus_properties",
    "consumer_properties",
    "make_client",
    "make_session",
    "producer_properties",
]

Client = TypeVar("Client")


def producer_properties(brokers: str, settings: BusSettings) -> dict[str, Any]:
    """Return the properties of a producer that keeps every tenant's order, and is used alone."""
    idempotent = settings.acks == "all"
    properties: dict[str, Any] = {
        "bootstrap.servers": _checked("brokers", brokers),
        "acks": settings.acks,
        "enable.idempotence": idempotent,
        "partitioner": "fnv1a_random",
        "linger.ms": settings.linger_ms,
        "batch.num.messages": settings.batch_size,
        "compression.type": settings.compression,
        "queue.buffering.max.messages": settings.queue_size,
        "message.max.bytes": settings.max_event_bytes,
        # Never: an event that expires leaves a gap in its tenant's order. What bounds the wait
        # is the queue, and the time that close() gives.
        "message.timeout.ms": 0,
        "statistics.interval.ms": 1_000,
    }
    if not idempotent:
        # Without sequence numbers a retried request could overtake its successor.
        properties["max.in.flight.requests.per.connection"] = 1
    return properties | _chosen(settings)


def bus_properties(
    brokers: str, settings: BusSettings, topic_limit: int | None = None
) -> dict[str, Any]:
    """Return the properties of a producer that the bus feeds, and bounds by itself.

    `topic_limit` is the topic's `max.message.bytes`, where it is known.
    """
    limit = settings.max_event_bytes
    properties = producer_properties(brokers, settings) | {
        # The bus counts events and bytes. A second bound behind its own could refuse what it has
        # taken already.
        "queue.buffering.max.messages": 0,
        "queue.buffering.max.kbytes": 2_147_483_647,
        # Nor is the size of an event judged again here: one that another process has spooled may
        # be larger than what is allowed now, and the broker alone knows whether it takes it.
        "message.max.bytes": 1_000_000_000,
        # A batch that the broker finds too large fails as a whole.
        "batch.size": limit if topic_limit is None else max(min(limit, topic_limit), 1),
    }
    if settings.acks == "all":
        # A refused batch stops the producer, before what follows can pass it. Without sequence
        # numbers librdkafka has no such thing.
        properties["enable.gapless.guarantee"] = True
    return properties


def consumer_properties(brokers: str, group_id: str, settings: BusSettings) -> dict[str, Any]:
    """Return the properties of a consumer of low latency that commits only when told to."""
    properties: dict[str, Any] = {
        "bootstrap.servers": _checked("brokers", brokers),
        "group.id": _checked("group_id", group_id),
        "group.protocol": settings.group_protocol,
        "auto.offset.reset": settings.auto_offset_reset,
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "fetch.wait.max.ms": 10,
        # A consumer may come before its topic, and would find it after 5 minutes otherwise.
        "topic.metadata.refresh.interval.ms": 5_000,
    }
    return properties | _chosen(settings)


def make_client(
    kind: Callable[..., Client], properties: dict[str, Any], log: RateLimitedLog
) -> Client:
    """Make a client of confluent-kafka whose log lines go to `log`.

    Raises
    ------
    SettingsError
        librdkafka does not know a property, or refuses its value.
    """
    try:
        return kind(properties, logger=log)
    except KafkaException as error:
        reason = error.args[0].str()
    except TypeError as error:  # the name of a callback, with a text for a value
        reason = str(error)
    # Outside of the clause, so that librdkafka's own words are not in the chain.
    raise refusal(reason, properties)


def make_session(queue: SendQueue, properties: dict[str, Any], topic: str) -> ProducerSession:
    """Make the bus's own producer, for the events of `queue`.

    Raises
    ------
    SettingsError
        librdkafka does not know a property, or refuses its value.
    BusError
        There is no thread to be had now.
    """
    _checked("topic", topic)
    texts = {name: _text(value) for name, value in properties.items()}
    try:
        return ProducerSession(queue, texts, topic)
    except RuntimeError as error:
        raise BusError(f"no producer: {error}; try again when there are fewer threads") from error
    except ValueError as error:
        reason = str(error)
    raise refusal(reason, properties)


def _chosen(settings: BusSettings) -> dict[str, Any]:
    return security_properties(vars(settings)) | dict(settings.librdkafka)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _checked(name: str, value: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{name}={value!r}: must be a text that is not empty")
    return value
