"""The same cells for atomwire and all its peers."""

from __future__ import annotations

import csv
import gzip
import importlib.util
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import atomwire
from atomwire.coordinates import coordinate_hashes

TENANT = "acme-planning"
EVENT_ID = "01926f5e-7c1d-7a3b-9c4d-2f6a8b1c0d3e"
NOW = 1_760_000_000_000_000_000

SIZES = (1, 100, 10_000, 100_000, 999_999)


@dataclass(frozen=True)
class Cells:
    """Columns; `absent` holds a bool array for each column that not every row has."""

    hashes: np.ndarray
    numbers: np.ndarray | None = None
    dates: np.ndarray | None = None
    booleans: np.ndarray | None = None
    texts: list[str | None] | None = None
    timestamps: np.ndarray | None = None
    masks: np.ndarray | None = None
    absent: dict[str, np.ndarray] = field(default_factory=dict)
    masked: dict[str, np.ma.MaskedArray] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, absent in self.absent.items():
            self.masked[name] = np.ma.MaskedArray(getattr(self, name), absent)

    def __len__(self) -> int:
        return len(self.hashes)

    def column(self, name: str) -> Any:
        """Return a column with its mask, as numpy users hold it."""
        return self.masked.get(name, getattr(self, name))

    def pair(self, name: str) -> tuple[np.ndarray, np.ndarray | None] | None:
        """Return a column as the native builder takes it."""
        values = getattr(self, name)
        return None if values is None else (values, self.absent.get(name))

    def molecules(self) -> atomwire.Molecules:
        """Return the cells as atomwire takes them."""
        return atomwire.Molecules(
            self.hashes,
            numeric_value=self.column("numbers"),
            date_value=self.column("dates"),
            boolean_value=self.column("booleans"),
            text_commentary=self.texts,
            timestamp=self.timestamps,
            security_mask=self.masks,
        )


@cache
def numeric(count: int) -> Cells:
    """Hash, value, timestamp and mask in every row: a spread or a paste of numbers."""
    random = np.random.default_rng(count)
    return Cells(
        hashes=random.integers(0, 2**64, (count, 2), np.uint64),
        numbers=random.normal(1000.0, 250.0, count),
        timestamps=NOW + np.arange(count, dtype=np.int64),
        masks=random.integers(1, 2**16, count, np.uint64),
    )


@cache
def with_zero_masks(count: int) -> Cells:
    """The same with a zero in every hundredth mask."""
    cells = numeric(count)
    assert cells.masks is not None
    masks = cells.masks.copy()
    masks[::100] = 0
    return replace(cells, masks=masks)


@cache
def mixed(count: int, *, with_texts: bool) -> Cells:
    """Rows of numbers, dates and booleans in turn (and texts), each with its timestamp."""
    random = np.random.default_rng(count + 1)
    kind = random.choice(4 if with_texts else 3, count)
    sentences = [f"Plan {number} was checked by controlling" for number in range(count)]
    return Cells(
        hashes=random.integers(0, 2**64, (count, 2), np.uint64),
        numbers=random.normal(1000.0, 250.0, count),
        dates=NOW + random.integers(0, 10**15, count),
        booleans=random.integers(0, 2, count).astype(bool),
        texts=[s if k == 3 else None for s, k in zip(sentences, kind, strict=True)]
        if with_texts
        else None,
        timestamps=NOW + np.arange(count, dtype=np.int64),
        absent={
            "numbers": kind != 0,
            "dates": kind != 1,
            "booleans": kind != 2,
        },
    )


@cache
def commented(count: int) -> Cells:
    """A number and its own comment in every row."""
    cells = numeric(count)
    return Cells(
        hashes=cells.hashes,
        numbers=cells.numbers,
        timestamps=cells.timestamps,
        texts=[f"Plan {number} was checked by controlling" for number in range(count)],
    )


@cache
def population() -> Cells:
    """Real cells: people by location, year, sex and age group (bokeh_sampledata), 346,332 rows."""
    package = importlib.util.find_spec("bokeh_sampledata")
    assert package is not None
    assert package.origin is not None
    path = Path(package.origin).parent / "_data" / "population.csv.gz"
    with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    members = [[row[name] for row in rows] for name in ("Location", "Year", "Sex", "AgeGrp")]
    return Cells(
        hashes=coordinate_hashes(*members),
        numbers=np.array([float(row["Value"]) for row in rows]),
        timestamps=np.full(len(rows), NOW, np.int64),
        masks=np.zeros(len(rows), np.uint64),
    )
