"""What a bus has done so far, in numbers."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BusStats"]


@dataclass(frozen=True, slots=True)
class BusStats:
    """What became of the events of one bus since it was opened.

    Always ``accepted == delivered + failed + queued + spooled``.

    Attributes
    ----------
    accepted : int
        Taken by `publish` and its siblings, made of gathered cells, or adopted from the spool of
        an earlier process.
    delivered : int
        Acknowledged by the broker. An acknowledgement counts once its report has been served,
        so this never runs ahead of the truth.
    failed : int
        Given up: refused by the broker, or still undelivered when a bus without spool was closed.
    queued : int
        With the producer; without a spool, those that wait for it, too.
    spooled : int
        Waiting to be handed over, on the disk or on the way there.
    dropped : int
        Found no room under ``on_full="drop"``; not accepted.
    gathering : int
        Cells that wait for others of their tenant, and are no event yet.
    """

    accepted: int
    delivered: int
    failed: int
    queued: int
    spooled: int = 0
    dropped: int = 0
    gathering: int = 0
