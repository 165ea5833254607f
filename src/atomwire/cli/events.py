"""Encode cells as events that a broker takes."""

from collections.abc import Iterator
from dataclasses import dataclass

from atomwire import Encoder, peek_molecule_count
from atomwire.bus import BusSettings
from atomwire.cli.cells import RegionCells


@dataclass(frozen=True, slots=True)
class CellEvent:
    """One message that is ready to go, and how many molecules it carries."""

    data: bytes
    molecules: int


def room_for_event(settings: BusSettings) -> int:
    """Return how many bytes an event may have; key, headers and framing need the rest."""
    return settings.max_event_bytes * 95 // 100


def encode_cells(tenant: str, cells: RegionCells, max_bytes: int) -> Iterator[CellEvent]:
    """Encode `cells` as one event, or as several in order when one would be too large."""
    for data in Encoder(tenant, region=cells.region).split(cells.molecules, max_bytes):
        yield CellEvent(data, peek_molecule_count(data))
