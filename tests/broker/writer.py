"""Events that are numbered, so that whoever reads them can tell what is missing or misplaced."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import atomwire


class Line(NamedTuple):
    """Whose events these are: those of a tenant in one publisher's life."""

    tenant: str
    life: str


class Writer:
    """Makes the events of one life, numbered by tenant."""

    def __init__(self, life: str, tenants: Iterable[str]) -> None:
        self._encoders = {
            Line(each, life): atomwire.Encoder(each, user_id=life) for each in tenants
        }
        self._next = dict.fromkeys(self._encoders, 0)

    @property
    def lines(self) -> list[Line]:
        return list(self._encoders)

    def next(self, line: Line) -> tuple[int, bytes]:
        """Return the next event of a line, with its number."""
        number = self._next[line]
        self._next[line] = number + 1
        return number, self._encoders[line].cell(number, float(number))
