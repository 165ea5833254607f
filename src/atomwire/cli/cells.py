"""Turn rows of a table into molecules: one cell for each row."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from atomwire import Molecules
from atomwire.cli.errors import CommandError
from atomwire.cli.rows import Rows
from atomwire.coordinates import MemberError, coordinate_hashes


@dataclass(frozen=True, slots=True)
class TableLayout:
    """Which columns of a table make a cell.

    Attributes
    ----------
    dimensions : tuple of str
        The columns whose members make the coordinate, in the order of the cube.
    value : str
        The column of the numbers.
    region : str or None
        The column by which cells are grouped, so that an event has one region.
    """

    dimensions: tuple[str, ...]
    value: str
    region: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that is read, each once."""
        region = () if self.region is None else (self.region,)
        return tuple(dict.fromkeys((*self.dimensions, self.value, *region)))


@dataclass(frozen=True, slots=True)
class RegionCells:
    """Molecules that may share an event, and the region they have in common."""

    region: str | None
    molecules: Molecules


def cells(path: Path, rows: Rows, layout: TableLayout) -> Iterator[RegionCells]:
    """Turn one chunk of rows into molecules, grouped by region.

    Rows of one coordinate stay in the order of the file. A row with an empty value becomes a
    cell without a value ('not set'); rows with an empty region share events without a region.

    Raises
    ------
    CommandError
        If a value is no finite number or a member cannot be hashed; names the line.
    """
    hashes = _hashes(path, rows, layout)
    molecules = Molecules(coordinate_hash=hashes, numeric_value=_values(path, rows, layout))
    if layout.region is None:
        yield RegionCells(None, molecules)
        return
    for region, picked in _by_region(rows.columns[layout.region], hashes):
        yield RegionCells(region or None, molecules[np.array(picked)])


def _hashes(path: Path, rows: Rows, layout: TableLayout) -> npt.NDArray[np.uint64]:
    try:
        return coordinate_hashes(*(rows.columns[name] for name in layout.dimensions))
    except MemberError as error:
        line = rows.lines[error.row or 0]
        column = layout.dimensions[error.dimension]
        raise CommandError(
            f"{path}, line {line}: {column} is {error.member!r}, which {error.reason}"
        ) from error


def _values(path: Path, rows: Rows, layout: TableLayout) -> npt.NDArray[np.float64]:
    texts = rows.columns[layout.value]
    numbers = list(map(_number, texts))
    if None not in numbers:
        return np.array(numbers, dtype=np.float64)
    for line, text, number in zip(rows.lines, texts, numbers, strict=True):
        if number is None and text.strip():
            raise CommandError(
                f"{path}, line {line}: {layout.value} is {text!r}, not a number "
                "(write it like 1234.5, or leave it empty for a cell without a value)"
            )
    absent = [number is None for number in numbers]
    return np.ma.masked_array([number or 0.0 for number in numbers], mask=absent)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    # Python also reads 1_000, nan and inf as numbers; in a table they are slips.
    return number if math.isfinite(number) and "_" not in text else None


def _by_region(
    regions: Sequence[str], hashes: npt.NDArray[np.uint64]
) -> Iterator[tuple[str, list[int]]]:
    """Group the rows so that each group has one region and no cell's rows change places."""
    if _wander(regions, hashes):
        for region, run in groupby(range(len(regions)), key=regions.__getitem__):
            yield region, list(run)
        return
    groups: dict[str, list[int]] = {}
    for row, region in enumerate(regions):
        groups.setdefault(region, []).append(row)
    yield from groups.items()


def _wander(regions: Sequence[str], hashes: npt.NDArray[np.uint64]) -> bool:
    """Tell whether a cell occurs under several regions, so that grouping would reorder it.

    It cannot when the region is one of the dimensions, which it normally is.
    """
    coordinates = hashes.view("V16").ravel().tolist()
    return len(set(zip(coordinates, regions, strict=True))) > len(set(coordinates))
