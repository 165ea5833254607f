"""What the demo found out: plain values, for a person's eyes or as JSON."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np


@dataclass(frozen=True, slots=True)
class Latency:
    """From the call of ``publish`` to the consumer's hand, in milliseconds."""

    p50_ms: float
    p99_ms: float
    max_ms: float

    @classmethod
    def of(cls, nanoseconds: Sequence[int]) -> Self:
        """Sum up the latencies of all events."""
        p50, p99, longest = np.percentile(nanoseconds, [50, 99, 100]) / 1e6
        return cls(float(p50), float(p99), float(longest))


@dataclass(frozen=True, slots=True)
class Example:
    """One row, and where and how it came out again.

    Attributes
    ----------
    members : dict
        The row's member of each dimension.
    event, molecule : int
        Where it was found: which event, and which molecule in it, counted from 0.
    region : str or None
        The region that the message's envelope names.
    coordinate_hash : str
        The hash that a peek found there, as 32 hexadecimal digits.
    sent, read : float
        The value in the file, and the value read back.
    """

    members: dict[str, str]
    event: int
    molecule: int
    region: str | None
    coordinate_hash: str
    sent: float
    read: float


@dataclass(frozen=True, slots=True)
class Result:
    """The demo's outcome: what was sent, what arrived, and how long it took.

    `cells` are the different coordinates among the rows; `equal` counts the rows that came back
    as they were sent.
    """

    file: str
    about: str
    topic: str
    partition: int
    rows: int
    cells: int
    equal: int
    events: int
    molecules: int
    arrived: int
    bytes: int
    batches: int
    seconds: float
    encode_ns_per_molecule: float
    linger_ms: float
    latency: Latency
    examples: list[Example]

    @property
    def complete(self) -> bool:
        """Whether every row came back, and nothing else."""
        return self.equal == self.rows == self.arrived
