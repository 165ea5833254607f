"""What the bus can raise; bytes that are no AtomEvent are `atomwire.InvalidEventError` instead."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = [
    "BusClosedError",
    "BusError",
    "BusFullError",
    "ConsumerError",
    "DeliveryError",
    "EventTooLargeError",
    "PublishError",
    "SettingsError",
    "SpoolError",
]


class BusError(Exception):
    """Base of every error of the event bus."""


class SettingsError(BusError, ValueError):
    """A setting is unknown, or its value is not allowed."""


class BusClosedError(BusError):
    """The bus or the consumer was used after `close`."""


class PublishError(BusError):
    """The bus did not take an event.

    Attributes
    ----------
    accepted : int
        How much of the same call was taken before: always 0 for `publish`, the length of the
        accepted prefix for `publish_many`, the number of molecules for `write_molecules`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.accepted = 0


class BusFullError(PublishError):
    """The queue is full: the broker is slower than the publisher, or away."""


class EventTooLargeError(PublishError, ValueError):
    """An event is larger than a message may be."""


class SpoolError(PublishError):
    """The spool cannot be used: its disk is full, say."""


class DeliveryError(BusError):
    """Events that the bus had accepted were not acknowledged by the broker, and were given up.

    Attributes
    ----------
    undelivered : int
        How many.
    by_tenant : Mapping[str, int]
        The same, by tenant.
    """

    def __init__(self, message: str, undelivered: int, by_tenant: Mapping[str, int]) -> None:
        super().__init__(message)
        self.undelivered = undelivered
        self.by_tenant = dict(by_tenant)

    def __reduce__(self) -> tuple[object, ...]:
        # By default, a copy is made of the message alone.
        return type(self), (str(self), self.undelivered, self.by_tenant), vars(self)


class ConsumerError(BusError):
    """The broker refused the consumer, or a commit."""
