"""What the example engines have on the disk: cells by tenant and hash, and how far they are."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

RUST_CELL = np.dtype(
    [
        ("low", "<u8"),
        ("high", "<u8"),
        ("tenant", "<u8"),
        ("mask", "<u8"),
        ("number", "<f8"),
        ("present", "<u8"),
    ]
)


class State(NamedTuple):
    """The lattices of all partitions together."""

    cells: dict[tuple[str, int], tuple[float | None, int]]  # a number or none, and the mask
    positions: dict[int, int]
    applied: int


def rust(folder: Path) -> State:
    """Read the files of the engine in Rust."""
    state = State({}, {}, 0)
    for path in folder.glob("*.lattice"):
        data = path.read_bytes()
        position, applied, tenants, cells = np.frombuffer(data, "<u8", 4).tolist()
        at, names = 32, []
        for _ in range(tenants):
            size = int.from_bytes(data[at : at + 8], "little")
            names.append(data[at + 8 : at + 8 + size].decode())
            at += 8 + size
        for low, high, tenant, mask, number, present in np.frombuffer(
            data, RUST_CELL, cells, at
        ).tolist():
            state.cells[names[tenant], low | high << 64] = (number if present else None, mask)
        state.positions[int(path.stem)] = position
        state = state._replace(applied=state.applied + applied)
    return state


def python(folder: Path) -> State:
    """Read the files of the engine in Python."""
    state = State({}, {}, 0)
    for path in folder.glob("*.npz"):
        with np.load(path) as saved:
            position, applied = saved["counts"].tolist()
            names = saved["tenants"].tolist()
            keys = saved["keys"].view(np.uint64).reshape(-1, 3).tolist()
            cells = saved["cells"][: len(keys)].tolist()
        for (tenant, low, high), (number, present, mask) in zip(keys, cells, strict=True):
            state.cells[names[tenant], low | high << 64] = (number if present else None, mask)
        state.positions[int(path.stem)] = position
        state = state._replace(applied=state.applied + applied)
    return state
