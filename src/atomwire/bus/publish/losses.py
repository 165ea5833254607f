"""What was found unreadable on the disk, until somebody is told."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

__all__ = ["Losses", "LostEvent"]

# Kinds remembered one by one; a file full of damage must not fill the memory as well.
_MOST_KINDS = 1_000


class LostEvent(NamedTuple):
    """Events that the disk has not given back.

    Attributes
    ----------
    tenant_id : str or None
        Whose they were, None when that cannot be read either.
    count : int
        How many at most. 0 where only a file is told of, and nothing in it is known to be lost.
    reason : str
        What happened, and where what is left of them lies.
    """

    tenant_id: str | None
    count: int  # type: ignore[assignment]  # nobody counts in this tuple
    reason: str


class Losses:
    """Counts losses of a kind together."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str | None, str]] = Counter()

    def note(self, tenant_id: str | None, count: int, reason: str) -> None:
        """Remember a loss."""
        if len(self._counts) >= _MOST_KINDS and (tenant_id, reason) not in self._counts:
            tenant_id, reason = None, "there was more that cannot be read"
        self._counts[tenant_id, reason] += count

    def take(self) -> list[LostEvent]:
        """Return what was noted since the last call."""
        taken, self._counts = self._counts, Counter()
        return [LostEvent(tenant_id, n, reason) for (tenant_id, reason), n in taken.items()]
