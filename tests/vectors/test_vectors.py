"""The shared vectors are what the script makes, and say what this package reads."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

import atomwire
from vectors import regenerate

HERE = Path(__file__).parent
MANIFEST = json.loads((HERE / "manifest.json").read_text(encoding="utf-8"))
TEXTS = ("event_id", "trace_id", "tenant_id", "user_id", "schema_payload", "region")
NUMBERS = ("numeric_value", "date_value", "boolean_value", "timestamp", "security_mask")


def by_file(entries):
    return pytest.mark.parametrize("entry", entries, ids=[each["file"] for each in entries])


def column(molecules, name, row):
    """A molecule's field as the manifest has it."""
    values = getattr(molecules, name)
    if values is None or values[row] is None or values[row] is np.ma.masked:
        return None
    if name == "numeric_value":
        return struct.pack(">d", values[row]).hex()
    return str(int(values[row])) if name in NUMBERS else values[row]


def test_the_files_are_what_the_script_makes():
    files = regenerate.vectors()
    for name, content in files.items():
        assert (HERE / name).read_bytes() == content, name
    kept = {
        f"{folder}/{path.name}"
        for folder in regenerate.FOLDERS
        for path in (HERE / folder).iterdir()
    }
    assert kept == files.keys() - {"manifest.json"}


@by_file(MANIFEST["accepted"])
def test_accepted(entry):
    buffer = (HERE / entry["file"]).read_bytes()
    expected = entry["event"]
    event = atomwire.decode(buffer)
    assert {name: getattr(event, name) for name in TEXTS} == {
        name: expected.get(name) for name in TEXTS
    }
    assert event.timestamp == int(expected.get("timestamp", 0))
    assert event.type == int(expected.get("type", 0))
    molecules = event.molecules
    rows = expected.get("molecules", [])
    assert len(molecules) == len(rows)
    for row, cell in enumerate(rows):
        assert molecules.coordinate_hash[row].tobytes().hex() == cell["coordinate_hash"]
        assert atomwire.peek_coordinate_hash(buffer, row) == int.from_bytes(
            bytes.fromhex(cell["coordinate_hash"]), "little"
        )
        for name in (*NUMBERS, "text_commentary", "error_value"):
            assert column(molecules, name, row) == cell.get(name), (row, name)


@by_file(MANIFEST["refused"])
def test_refused(entry):
    with pytest.raises(atomwire.InvalidEventError) as error:
        atomwire.decode((HERE / entry["file"]).read_bytes())
    assert (error.value.field, error.value.position) == (entry["field"], entry["position"])
