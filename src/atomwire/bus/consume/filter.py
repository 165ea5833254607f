"""Which events a consumer wants, decided by a look at the envelope."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from atomwire._native import peek_region, peek_type
from atomwire.bus.errors import SettingsError

__all__ = ["EventFilter"]

T = TypeVar("T")


class EventFilter:
    """Lets events pass by type and by region, without decoding them.

    An event that names no region holds cells of several, so it passes whatever the regions are.

    Parameters
    ----------
    types : Iterable[int], optional
        Wanted event types; all when left out.
    regions : Iterable[str], optional
        Wanted regions; all when left out.

    Raises
    ------
    SettingsError
        Nothing at all is wanted.
    """

    def __init__(
        self, types: Iterable[int] | None = None, regions: Iterable[str] | None = None
    ) -> None:
        if isinstance(regions, str):
            raise SettingsError(f"regions={regions!r}: must be a collection, such as [{regions!r}]")
        self._types = _wanted("types", types)
        self._regions = _wanted("regions", regions)

    def passes(self, event: bytes) -> bool:
        """Whether `event` is wanted.

        Raises
        ------
        InvalidEventError
            The envelope cannot be read.
        """
        if self._types is not None and peek_type(event) not in self._types:
            return False
        if self._regions is None:
            return True
        region = peek_region(event)
        return region is None or region in self._regions


def _wanted(name: str, values: Iterable[T] | None) -> frozenset[T] | None:
    if values is None:
        return None
    wanted = frozenset(values)
    if not wanted:
        raise SettingsError(f"{name} is empty, so no event would pass; leave it out to get all")
    return wanted
