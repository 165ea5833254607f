"""The event bus: AtomEvents through Kafka."""

from atomwire.bus.consume.batch import EventBatch
from atomwire.bus.consume.consumer import EventConsumer
from atomwire.bus.consume.stream import BatchStream
from atomwire.bus.errors import (
    BusClosedError,
    BusError,
    BusFullError,
    ConsumerError,
    DeliveryError,
    EventTooLargeError,
    PublishError,
    SettingsError,
    SpoolError,
)
from atomwire.bus.publish.event_bus import EventBus
from atomwire.bus.publish.stats import BusStats
from atomwire.bus.settings import BusSettings

__all__ = [
    "BatchStream",
    "BusClosedError",
    "BusError",
    "BusFullError",
    "BusSettings",
    "BusStats",
    "ConsumerError",
    "DeliveryError",
    "EventBatch",
    "EventBus",
    "EventConsumer",
    "EventTooLargeError",
    "PublishError",
    "SettingsError",
    "SpoolError",
]
