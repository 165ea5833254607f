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
        How many events of the same call were taken before this one: always 0 for `publish`, the
        length of the accepted prefix for `publish_many`.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.accepted = 0


class BusFullError(PublishError):
    """The queue is full: the broker is slower than the publisher, or away."""


class EventTooLargeError(PublishError, ValueError):
    """An event is larger than a message may be."""


class DeliveryError(BusError):
    """A bus was closed before the broker had acknowledged every event.

    Attributes
    ----------
    undelivered : int
        Events that were accepted and not acknowledged.
    by_tenant : Mapping[str, int]
        The same, by tenant.
    """

    def __init__(self, message: str, undelivered: int, by_tenant: Mapping[str, int]) -> None:
        super().__init__(message)
        self.undelivered = undelivered
        self.by_tenant = dict(by_tenant)


class ConsumerError(BusError):
    """The broker refused the consumer, or a commit."""
