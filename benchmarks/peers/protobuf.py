"""Protocol Buffers with the upb runtime."""

from __future__ import annotations

import importlib
import sys
import tempfile
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from google.protobuf.internal import api_implementation
from grpc_tools import protoc

from benchmarks.data import EVENT_ID, NOW, TENANT, Cells


@cache
def generated() -> ModuleType:
    """Compile the .proto and return its module."""
    assert api_implementation.Type() == "upb"
    here = Path(__file__).parent
    folder = tempfile.mkdtemp(prefix="atomwire-bench-")
    status = protoc.main(["protoc", f"-I{here}", f"--python_out={folder}", "atom_event.proto"])
    assert status == 0
    sys.path.insert(0, folder)
    return importlib.import_module("atom_event_pb2")


def event(cells: Cells) -> Any:
    """Build the message."""
    message = generated().AtomEvent(event_id=EVENT_ID, timestamp=NOW, type=1, tenant_id=TENANT)
    columns = zip(
        cells.hashes,
        cells.numbers.tolist(),
        cells.timestamps.tolist(),
        cells.masks.tolist(),
        strict=True,
    )
    for h, n, t, m in columns:
        message.molecules.add(
            coordinate_hash=h.tobytes(), numeric_value=n, timestamp=t, security_mask=m
        )
    return message
