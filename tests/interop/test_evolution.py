"""The schema may only grow: older readers read today's events, and we read tomorrow's.

One change is allowed beside: a cell's value became optional, which changes no byte of an event.
"""

import json
import subprocess
import sys
import tomllib

import languages
import model
import pytest

import atomwire

ROOT = languages.ROOT
RELEASED = sorted((ROOT / "schema" / "released").glob("*.fbs"))
CURRENT = languages.SCHEMA.read_text()
# Writes or reads the fields that both schemas know, and `extra` where the schema has it.
READER = """
import json, sys
from event.v1.AtomEvent import AtomEvent
event = AtomEvent.GetRootAs(sys.stdin.buffer.read())
rows = [event.Molecules(row) for row in range(event.MoleculesLength())]
print(json.dumps({
    "names": sorted(name for name in dir(event) if name in ("TenantId", "Region")),
    "tenant_id": event.TenantId().decode(),
    "user_id": event.UserId().decode(),
    "type": event.Type(),
    "timestamp": event.Timestamp(),
    "numbers": [row.NumericValue() for row in rows],
    "hashes": [[row.CoordinateHash(i) for i in range(16)] for row in rows],
}))
"""
WRITER = """
import sys, flatbuffers
from event.v1 import AtomEvent, FlatMolecule
builder = flatbuffers.Builder(0)
extra, tenant = builder.CreateString("tomorrow"), builder.CreateString("acme")
coordinate = builder.CreateByteVector(bytes(range(16)))
FlatMolecule.Start(builder)
FlatMolecule.AddCoordinateHash(builder, coordinate)
FlatMolecule.AddNumericValue(builder, 1.5)
FlatMolecule.AddExtra(builder, 7)
row = FlatMolecule.End(builder)
AtomEvent.StartMoleculesVector(builder, 1)
builder.PrependUOffsetTRelative(row)
rows = builder.EndVector()
AtomEvent.Start(builder)
AtomEvent.AddTenantId(builder, tenant)
AtomEvent.AddMolecules(builder, rows)
AtomEvent.AddExtra(builder, extra)
AtomEvent.AddType(builder, 99)
builder.Finish(AtomEvent.End(builder))
sys.stdout.buffer.write(builder.Output())
"""
TOMORROW = CURRENT.replace(
    "region: string (id: 8);", "region: string (id: 8);\n  extra: string (id: 9);"
).replace("security_mask: ulong (id: 7);", "security_mask: ulong (id: 7);\n  extra: ulong (id: 8);")
# A cell's value, whose default 0 or false became `null`; flatc calls that a changed default.
BECAME_OPTIONAL = {
    "numeric_value: double (id: 1)": "numeric_value: double = null (id: 1)",
    "date_value: long (id: 3)": "date_value: long = null (id: 3)",
    "boolean_value: bool (id: 4)": "boolean_value: bool = null (id: 4)",
}
BREAKING = {
    "a type changed": ("numeric_value: double", "numeric_value: float"),
    "a value has a default again": ("double = null", "double"),
    "a date has a default again": ("date_value: long = null", "date_value: long"),
    "a boolean has a default again": ("bool = null", "bool"),
    "a time became optional": ("  timestamp: long (id: 6)", "  timestamp: long = null (id: 6)"),
    "a mask became optional": ("security_mask: ulong", "security_mask: ulong = null"),
    "an event's time became optional": ("long (id: 2)", "long = null (id: 2)"),
    "ids swapped": ("user_id: string (id: 5)", "user_id: string (id: 4)"),
    "a field taken out": ("  region: string (id: 8);\n", ""),
    "an enum value changed": ("HEARTBEAT = 4", "HEARTBEAT = 5"),
    "a default changed": ("bool = null", "bool = true"),
    "a scalar became a string": ("security_mask: ulong", "security_mask: string"),
}


def conform(released, schema, folder):
    """Ask flatc; in the released schema's copy the three values are optional already."""
    text = released.read_text()
    for had_default, optional in BECAME_OPTIONAL.items():
        text = text.replace(had_default, optional)
    copy = folder / "released.fbs"
    copy.write_text(text)
    done = subprocess.run(
        [languages.flatc(), "--conform", str(copy), str(schema)],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def python_accessors(schema, folder):
    generated = folder / "generated"
    languages.run(folder, languages.flatc(), "--python", "-o", str(generated), str(schema))
    return generated


def run_with(generated, script, data=b""):
    code = f"import sys; sys.path.insert(0, {str(generated)!r})\n{script}"
    done = subprocess.run([sys.executable, "-c", code], input=data, capture_output=True, check=True)
    return done.stdout


def test_the_version_that_ships_next_is_kept():
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert (ROOT / "schema" / "released" / f"{version}.fbs").read_text() == CURRENT


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.name)
def test_the_schema_conforms_to_every_released_one(released, tmp_path):
    conforms, why = conform(released, languages.SCHEMA, tmp_path)
    assert conforms, why


def breaks(change, released):
    return change != "a field taken out" or "region" in released.read_text()


@pytest.mark.parametrize(
    ("change", "released"),
    [(each, released) for each in BREAKING for released in RELEASED if breaks(each, released)],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_breaking_change_is_noticed(change, released, tmp_path):
    old, new = BREAKING[change]
    assert CURRENT.count(old) == 1
    text = CURRENT.replace(old, new)
    if change == "ids swapped":
        text = text.replace("tenant_id: string (id: 4)", "tenant_id: string (id: 5)")
    schema = tmp_path / "changed.fbs"
    schema.write_text(text)
    conforms, why = conform(released, schema, tmp_path)
    assert not conforms, f"flatc --conform let pass: {change}"
    assert "schemas don't conform" in why, why


def test_appended_fields_are_no_breaking_change(tmp_path):
    schema = tmp_path / "tomorrow.fbs"
    schema.write_text(TOMORROW)
    for released in RELEASED:
        conforms, why = conform(released, schema, tmp_path)
        assert conforms, why


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.name)
def test_older_readers_read_todays_events(released, tmp_path):
    pytest.importorskip("flatbuffers")
    generated = python_accessors(released, tmp_path)
    hashes = [bytes(range(row, row + 16)) for row in range(3)]
    event = atomwire.encode(
        "acme",
        atomwire.Molecules(hashes, [1.5, 2.5, 3.5]),
        user_id="somebody",
        region="EMEA",
        timestamp=12345,
    )
    assert atomwire.peek_region(event) == "EMEA"
    found = json.loads(run_with(generated, READER, event))
    knows_region = released.name != "before-region.fbs"
    assert found == {
        "names": ["Region", "TenantId"] if knows_region else ["TenantId"],
        "tenant_id": "acme",
        "user_id": "somebody",
        "type": 1,
        "timestamp": 12345,
        "numbers": [1.5, 2.5, 3.5],
        "hashes": [list(each) for each in hashes],
    }


@pytest.mark.parametrize("released", RELEASED, ids=lambda path: path.name)
def test_flatc_with_an_older_schema_prints_todays_events(released, tmp_path):
    for number, event in enumerate(model.random_events(5, 20)):
        path = tmp_path / f"{number}.bin"
        path.write_bytes(model.encode(event))
        options = ("--json", "--raw-binary", "--strict-json", "-o", str(tmp_path))
        languages.run(tmp_path, languages.flatc(), *options, str(released), "--", str(path))
        assert (tmp_path / f"{number}.json").stat().st_size > 0


def test_we_read_events_with_fields_of_tomorrow(tmp_path):
    pytest.importorskip("flatbuffers")
    schema = tmp_path / "tomorrow.fbs"
    schema.write_text(TOMORROW)
    buffer = run_with(python_accessors(schema, tmp_path), WRITER)
    event = atomwire.decode(buffer)
    assert event.tenant_id == "acme"
    assert int(event.type) == 99
    assert event.molecules.numeric_value.tolist() == [1.5]
    assert event.molecules.coordinate_hash.tobytes() == bytes(range(16))
