"""Hold what arrived against the file: every row, value for value."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from atomwire import decode, peek_coordinate_hash, peek_coordinate_hashes, peek_region
from atomwire.cli.demo.listener import Arrival
from atomwire.cli.demo.result import Example
from atomwire.cli.demo.sample import Sample
from atomwire.cli.rows import read_rows
from atomwire.coordinates import coordinate_hashes


@dataclass(frozen=True, slots=True)
class Side:
    """Cells of one side, in order, with the region of each."""

    regions: list[str]
    hashes: npt.NDArray[np.uint64]
    values: npt.NDArray[np.float64]

    def by_region(self, numbers: dict[str, int]) -> npt.NDArray[np.intp]:
        """Return the order that brings regions together and keeps the order within each."""
        return np.argsort(
            [numbers.setdefault(region, len(numbers)) for region in self.regions], kind="stable"
        )


class Comparison:
    """The rows of the file beside the molecules that arrived.

    Events are grouped by region, so the two sides are compared region by region; within a
    region the order must be that of the file.

    Attributes
    ----------
    rows, cells : int
        Rows of the file, and the different coordinates among them.
    arrived, equal : int
        Molecules that arrived, and those that are equal to the rows sent.
    """

    def __init__(self, sample: Sample, arrivals: Sequence[Arrival]) -> None:
        self._dimensions = sample.layout.dimensions
        self._members, self._sent = _sent(sample)
        self._arrivals = arrivals
        self._starts, self._arrived = _arrived(arrivals)
        numbers: dict[str, int] = {}
        self._sent_order = self._sent.by_region(numbers)
        self._arrived_order = self._arrived.by_region(numbers)
        self.rows = len(self._sent_order)
        self.arrived = len(self._arrived_order)
        self.cells = len(set(self._sent.hashes.view("V16").ravel().tolist()))
        self.equal = self._count_equal()

    def examples(self, count: int) -> list[Example]:
        """Pick some rows, spread over the regions, and look each up in the raw messages."""
        both = min(self.rows, self.arrived)
        return [self._example((2 * n + 1) * both // (2 * count)) for n in range(min(count, both))]

    def _count_equal(self) -> int:
        both = min(self.rows, self.arrived)
        sent, arrived = self._sent_order[:both], self._arrived_order[:both]
        same = (self._sent.hashes[sent] == self._arrived.hashes[arrived]).all(axis=1)
        same &= self._sent.values[sent] == self._arrived.values[arrived]
        return int(np.count_nonzero(same))

    def _example(self, position: int) -> Example:
        row, cell = int(self._sent_order[position]), int(self._arrived_order[position])
        event = int(np.searchsorted(self._starts, cell, side="right")) - 1
        molecule = cell - int(self._starts[event])
        message = self._arrivals[event].data
        return Example(
            members={
                name: column[row]
                for name, column in zip(self._dimensions, self._members, strict=True)
            },
            event=event,
            molecule=molecule,
            region=peek_region(message),
            coordinate_hash=f"{peek_coordinate_hash(message, molecule):032x}",
            sent=float(self._sent.values[row]),
            read=float(self._arrived.values[cell]),
        )


def _sent(sample: Sample) -> tuple[list[list[str]], Side]:
    """Read the file once more, independently of the way that the events were made."""
    layout = sample.layout
    assert layout.region is not None  # every sample has one
    columns: dict[str, list[str]] = {name: [] for name in layout.columns}
    for rows in read_rows(sample.path(), layout.columns):
        for name, column in columns.items():
            column += rows.columns[name]
    members = [columns[name] for name in layout.dimensions]
    values = np.array(list(map(float, columns[layout.value])))
    return members, Side(columns[layout.region], coordinate_hashes(*members), values)


def _arrived(arrivals: Sequence[Arrival]) -> tuple[npt.NDArray[np.intp], Side]:
    """Peek and decode every message; the first result is where each message's cells start."""
    hashes = [peek_coordinate_hashes(arrival.data) for arrival in arrivals]
    values = [decode(arrival.data).molecules.to_numpy()["numeric_value"] for arrival in arrivals]
    regions = [
        region
        for arrival, cells in zip(arrivals, hashes, strict=True)
        for region in [peek_region(arrival.data) or ""] * len(cells)
    ]
    starts = np.cumsum([0] + [len(cells) for cells in hashes])
    return starts[:-1], Side(regions, np.concatenate(hashes), np.concatenate(values))
