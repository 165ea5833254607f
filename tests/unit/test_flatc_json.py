"""flatc itself prints what went in."""

import json
import subprocess

import pytest
from support import golden, official


def as_json(fields):
    """Return an event as flatc prints it, absent fields left out."""

    def cell(each):
        named = each._asdict()
        named["coordinate_hash"] = list(each.coordinate_hash.to_bytes(16, "little"))
        return {name: value for name, value in named.items() if value is not None}

    named = {name: value for name, value in vars(fields).items() if value is not None}
    if fields.molecules is not None:
        named["molecules"] = [cell(each) for each in fields.molecules]
    return named


@pytest.mark.parametrize("name", golden.EVENTS)
def test_flatc_prints_what_went_in(name, tmp_path):
    buf = golden.golden(name, "atomwire")
    message = tmp_path / "event.bin"
    message.write_bytes(buf)
    command = [official.flatc(), "--json", "--strict-json", "--raw-binary", "-o", str(tmp_path)]
    subprocess.run([*command, str(official.SCHEMA), "--", str(message)], check=True)
    printed = json.loads((tmp_path / "event.json").read_bytes())
    fields = golden.EVENTS[name]
    wanted = as_json(fields)
    wanted.setdefault("event_id", "0197a1b2-c3d4-7e5f-8123-456789abcdef")
    wanted.setdefault("timestamp", 0)
    # flatc names the types that its schema knows.
    names = ["UNKNOWN", "MOLECULE_WRITE", "CALC_REQUEST", "SCHEMA_CHANGE", "HEARTBEAT"]
    wanted["type"] = names[fields.type] if fields.type < len(names) else fields.type
    assert printed == wanted
