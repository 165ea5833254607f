"""Where an event is in its topic."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["Position"]


class Position(NamedTuple):
    """The place of one event in its topic.

    Attributes
    ----------
    partition : int
        From 0.
    offset : int
        Of the message in the partition.
    """

    partition: int
    offset: int
