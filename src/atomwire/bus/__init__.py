"""The event bus: AtomEvents through Kafka."""

from atomwire.bus.batch import EventBatch
from atomwire.bus.consumer import EventConsumer
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
from atomwire.bus.producer import EventBus
from atomwire.bus.settings import BusSettings
from atomwire.bus.stats import BusStats
from atomwire.bus.stream import BatchStream

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
