"""What a bus has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BusStats"]


@dataclass(frozen=True, slots=True)
class BusStats:
    """Events of one bus since it was opened; ``accepted == delivered + failed + queued`` always.

    Attributes
    ----------
    accepted : int
        Taken by `publish` and `publish_many`.
    delivered : int
        Acknowledged by the broker. An acknowledgement counts once its report has been served,
        so this never runs ahead of the truth.
    failed : int
        Given up: refused by the broker, or still undelivered when the bus was closed.
    queued : int
        Waiting for the broker or for its acknowledgement.
    """

    accepted: int
    delivered: int
    failed: int
    queued: int
