"""What encode writes, read back field by field by the official Python flatbuffers."""

import time
import uuid

import numpy as np
import pytest
from support import cells, golden, official
from support.cells import Cell

import atomwire
from atomwire import EventType, Molecules

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
EVENT_ID = "0197a1b2-c3d4-7e5f-8123-456789abcdef"
INT64_ENDS = [-(2**63), -1, 0, 1, 2**63 - 1]


def written(*args, **kwargs):
    return official.read(atomwire.encode(*args, **kwargs))


def one(**columns):
    """Encode one cell and return it as the official reader sees it."""
    fields = written("acme", Molecules([7], **{name: [it] for name, it in columns.items()}))
    (cell,) = fields.molecules
    return cell


# ---- The envelope.


@pytest.mark.parametrize("name", golden.EVENTS)
def test_every_golden_event_reads_back_equal(name):
    buf = golden.golden(name, "atomwire")
    fields = official.read(buf)
    wanted = golden.EVENTS[name]
    assert fields.tenant_id == wanted.tenant_id
    assert fields.type == (wanted.type or 0)
    assert fields.trace_id == wanted.trace_id
    assert fields.user_id == wanted.user_id
    assert fields.schema_payload == wanted.schema_payload
    assert fields.region == wanted.region
    assert (fields.molecules is None) == (wanted.molecules is None)
    assert cells.comparable(fields.molecules or ()) == cells.comparable(wanted.molecules or ())


@pytest.mark.parametrize("name", ["trace_id", "user_id", "schema_payload", "region", "event_id"])
def test_each_text_of_the_envelope_alone(name):
    value = {"trace_id": TRACE_ID, "event_id": EVENT_ID}.get(name, "Süd 南 😀")
    fields = written("acme", type=EventType.HEARTBEAT, **{name: value})
    others = {"trace_id", "user_id", "schema_payload", "region"} - {name}
    assert getattr(fields, name) == value
    assert [getattr(fields, other) for other in others] == [None] * len(others)
    assert fields.molecules is None


def test_all_fields_of_the_envelope_together():
    fields = written(
        "ténant",
        Molecules([1]),
        type=EventType.CALC_REQUEST,
        event_id=EVENT_ID,
        trace_id=TRACE_ID,
        timestamp=-5,
        user_id="u",
        schema_payload="{}",
        region="",
    )
    assert fields == cells.Fields(
        tenant_id="ténant",
        type=2,
        timestamp=-5,
        event_id=EVENT_ID,
        trace_id=TRACE_ID,
        user_id="u",
        molecules=(Cell(1),),
        schema_payload="{}",
        region="",
    )


@pytest.mark.parametrize("kind", list(EventType))
def test_every_event_type(kind):
    assert written("acme", type=kind).type == int(kind)


@pytest.mark.parametrize("number", [-128, -1, 5, 127])
def test_a_type_that_only_newer_schemas_know(number):
    assert written("acme", type=number).type == number


def test_the_type_is_told_by_what_the_event_carries():
    assert written("acme", Molecules([1])).type == EventType.MOLECULE_WRITE
    assert written("acme", schema_payload="{}").type == EventType.SCHEMA_CHANGE
    assert written("acme", Molecules([1]), schema_payload="{}").type == EventType.MOLECULE_WRITE


@pytest.mark.parametrize("nanoseconds", INT64_ENDS)
def test_the_timestamp_of_the_event(nanoseconds):
    assert written("acme", type=4, timestamp=nanoseconds).timestamp == nanoseconds


def test_the_timestamp_is_now_when_not_given():
    before = time.time_ns()
    found = written("acme", type=4).timestamp
    assert before <= found <= time.time_ns()


def test_an_event_id_is_made_when_not_given():
    first = uuid.UUID(written("acme", type=4).event_id)
    second = uuid.UUID(written("acme", type=4).event_id)
    assert first.version == second.version == 7
    assert first != second


def test_an_event_id_as_uuid_object():
    given = uuid.uuid4()
    assert written("acme", type=4, event_id=given).event_id == str(given)


def test_an_empty_vector_of_molecules_is_there_and_none_is_not():
    assert written("acme", Molecules([])).molecules == ()
    assert written("acme", type=1).molecules is None


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 8, 9, 255, 256, 65_536, 1_000_000])
def test_texts_of_every_padding(length):
    fields = written("t" * length, type=4, user_id="u" * (length - 1), region="r" * (length + 1))
    assert fields.tenant_id == "t" * length
    assert fields.user_id == "u" * (length - 1)
    assert fields.region == "r" * (length + 1)


def test_nul_characters_are_kept():
    assert written("a\0b", type=4, region="\0").tenant_id == "a\0b"
    assert written("a\0b", type=4, region="\0").region == "\0"


# ---- The molecules, field by field.


@pytest.mark.parametrize(
    "value",
    [0.0, -0.0, 1.5, -1e308, 5e-324, float("inf"), float("-inf")],
)
def test_numbers(value):
    assert cells.bits(one(numeric_value=value).numeric_value) == cells.bits(value)


@pytest.mark.parametrize("pattern", [0x7FF8000000000000, 0xFFF8000000000001, 0x7FF0000000000001])
def test_every_bit_of_a_nan_is_kept(pattern):
    values = np.array([pattern, 0], np.uint64).view(np.float64)
    buf = atomwire.encode("acme", Molecules([1, 2], numeric_value=values))
    found = atomwire.decode(buf).molecules.numeric_value
    assert found.view(np.uint64).tolist() == [pattern, 0]


@pytest.mark.parametrize(
    "value", ["", "a", "three", "seven77", "eight888", "Ä 東 😀", "\0", "x" * 999]
)
@pytest.mark.parametrize("field", ["text_commentary", "error_value"])
def test_texts(field, value):
    assert getattr(one(**{field: value}), field) == value


@pytest.mark.parametrize("value", INT64_ENDS)
@pytest.mark.parametrize("field", ["date_value", "timestamp"])
def test_times(field, value):
    assert getattr(one(**{field: value}), field) == value


@pytest.mark.parametrize("value", [True, False])
def test_booleans(value):
    assert one(boolean_value=value).boolean_value is value


@pytest.mark.parametrize("value", [0, 1, 2**63, 2**64 - 1])
def test_security_masks(value):
    assert one(security_mask=value).security_mask == value


@pytest.mark.parametrize("value", [0, 1, 2**64, 2**127, 2**128 - 1, 0x0F0E0D0C0B0A0908070605040302])
def test_hashes(value):
    buf = atomwire.encode("acme", Molecules([value]))
    assert official.read(buf).molecules == (Cell(value),)


ZEROS = {
    "numeric_value": 0.0,
    "text_commentary": "",
    "date_value": 0,
    "boolean_value": False,
    "error_value": "",
    "timestamp": 0,
    "security_mask": 0,
}


@pytest.mark.parametrize("field", ZEROS)
def test_zero_is_written_and_absent_is_not(field):
    assert getattr(one(**{field: ZEROS[field]}), field) == ZEROS[field]
    assert getattr(one(**{field: None}), field) is None
    rows = written("acme", Molecules([1, 2, 3], **{field: [ZEROS[field], None, ZEROS[field]]}))
    assert [getattr(row, field) for row in rows.molecules] == [ZEROS[field], None, ZEROS[field]]


@pytest.mark.parametrize("set_of_fields", range(128))
def test_every_set_of_fields(set_of_fields):
    values = (1.5, "text", -2, True, "#N/A", 3, 4)
    row = Cell(9, *(it if set_of_fields >> bit & 1 else None for bit, it in enumerate(values)))
    rows = (row, row._replace(coordinate_hash=10))
    assert official.read(cells.encode(cells.Fields(molecules=rows))).molecules == rows


def test_every_set_of_fields_in_one_event():
    values = (1.5, "text", -2, True, "#N/A", 3, 4)
    rows = tuple(
        Cell(number, *(it if number >> bit & 1 else None for bit, it in enumerate(values)))
        for number in range(128)
    )
    assert official.read(cells.encode(cells.Fields(molecules=rows))).molecules == rows


@pytest.mark.parametrize("count", [1, 2, 255, 256, 257, 511, 512, 513, 999, 1000, 1001, 3000])
def test_any_number_of_molecules(count):
    hashes = np.arange(2 * count, dtype=np.uint64).reshape(count, 2)
    numbers = np.arange(count) / 3
    masks = np.ma.MaskedArray(np.arange(count), np.arange(count) % 3 == 1)
    texts = [None if row % 4 else f"text {row % 50}" for row in range(count)]
    buf = atomwire.encode(
        "acme",
        Molecules(hashes, numeric_value=numbers, security_mask=masks, text_commentary=texts),
    )
    rows = official.read(buf).molecules
    assert rows == tuple(
        Cell(
            2 * row | (2 * row + 1) << 64,
            numeric_value=row / 3,
            text_commentary=texts[row],
            security_mask=None if row % 3 == 1 else row,
        )
        for row in range(count)
    )


def test_one_value_for_all_rows():
    given = Molecules(
        [1, 2, 3],
        numeric_value=1.5,
        text_commentary="same",
        date_value=5,
        boolean_value=False,
        error_value="#N/A",
        timestamp=6,
        security_mask=7,
    )
    assert written("acme", given).molecules == tuple(
        Cell(number, 1.5, "same", 5, False, "#N/A", 6, 7) for number in (1, 2, 3)
    )


def test_nothing_of_a_masked_value_leaves_the_process():
    secret = 0x5EC12E75EC12E75E
    masked = np.ma.MaskedArray(np.array([secret, 1], np.uint64), [True, False])
    dates = np.ma.MaskedArray(np.array([secret, 1], np.int64), [True, False])
    numbers = np.ma.MaskedArray(np.array([secret, 1], np.uint64).view(np.float64), [True, False])
    buf = atomwire.encode(
        "acme", Molecules([1, 2], numeric_value=numbers, date_value=dates, security_mask=masked)
    )
    assert secret.to_bytes(8, "little") not in buf


# ---- How many bytes, and how many molecules.


@pytest.mark.parametrize("name", golden.EVENTS)
def test_encoded_size_is_that_of_encode(name):
    fields = golden.EVENTS[name]
    arguments = {
        "type": fields.type,
        "trace_id": fields.trace_id,
        "user_id": fields.user_id,
        "schema_payload": fields.schema_payload,
        "region": fields.region,
    }
    molecules = None if fields.molecules is None else cells.columns(fields.molecules)
    size = atomwire.encoded_size("acme", molecules, **arguments)
    assert size == len(atomwire.encode("acme", molecules, **arguments))


def test_the_largest_event_and_one_molecule_more():
    hashes = np.broadcast_to(np.array([1, 2], np.uint64), (1_000_000, 2))
    buf = atomwire.encode("acme", Molecules(hashes[:999_999]))
    assert atomwire.peek_molecule_count(buf) == 999_999
    atomwire.verify(buf)
    message = (
        "molecules: 1000000 molecules, one event carries at most 999999; "
        "Encoder.split makes several events of them"
    )
    with pytest.raises(ValueError, match=message):
        atomwire.encode("acme", Molecules(hashes))


def test_shared_texts_that_readers_would_count_beyond_two_gigabytes():
    hashes = np.broadcast_to(np.array([1, 2], np.uint64), (3000, 2))
    given = Molecules(hashes, text_commentary="x" * 1_000_000)
    with pytest.raises(ValueError, match=r"3000 molecules make an event of 2 GiB or more.*split"):
        atomwire.encode("acme", given)


def test_equal_texts_are_written_once():
    hashes = np.broadcast_to(np.array([1, 2], np.uint64), (1000, 2))
    categories = [f"a long category of its own {row % 3}" for row in range(1000)]
    shared = atomwire.encode("acme", Molecules(hashes, text_commentary=categories))
    assert shared.count(b"a long category of its own") == 3


# ---- Errors: the type, and a message that names field, value and way out.


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tenant_id": None}, ValueError, "tenant_id: None, but every event needs one"),
        ({"tenant_id": ""}, ValueError, "tenant_id: '', but every event needs one"),
        ({"tenant_id": b"acme"}, TypeError, "tenant_id: b'acme' is a bytes, not a str"),
        ({"tenant_id": "\ud800"}, ValueError, r"tenant_id: '\\ud800' cannot be UTF-8"),
        ({"user_id": 5}, TypeError, "user_id: 5 is a int, not a str"),
        ({"user_id": "\udfff"}, ValueError, r"user_id: '\\udfff' cannot be UTF-8"),
        ({"region": 1.5}, TypeError, "region: 1.5 is a float, not a str"),
        ({"schema_payload": {}}, TypeError, "schema_payload: {} is a dict, not a str"),
        ({"event_id": "x"}, ValueError, "event_id: 'x' is not the 36 characters of a UUID"),
        ({"event_id": EVENT_ID + "\n"}, ValueError, "event_id: .* is not the 36 characters"),
        ({"event_id": 5}, TypeError, "event_id: 5 is a int, not the 36 characters of a UUID"),
        ({"trace_id": "x"}, ValueError, "trace_id: 'x' is not 32 hex characters"),
        ({"trace_id": "g" * 32}, ValueError, "trace_id: 'g+' is not 32 hex characters"),
        ({"trace_id": TRACE_ID.encode()}, TypeError, "trace_id: b'.*' is a bytes, not 32 hex"),
        ({"timestamp": "now"}, TypeError, "timestamp: 'now' is a str, not Unix nanoseconds"),
        ({"timestamp": 1.5}, TypeError, "timestamp: 1.5 is a float, not Unix nanoseconds"),
        ({"timestamp": 2**63}, ValueError, "timestamp: 9223372036854775808 is outside the range"),
        ({"type": None}, ValueError, "type: not given, and neither molecules nor a schema_payload"),
        ({"type": 128}, ValueError, "type: 128 does not fit into a byte"),
        ({"type": -129}, ValueError, "type: -129 does not fit into a byte"),
        ({"type": "HEARTBEAT"}, TypeError, "type: 'HEARTBEAT' is a str, not an EventType"),
        ({"type": True}, TypeError, "type: True is a bool, not an EventType"),
        ({"molecules": [1]}, TypeError, r"molecules: \[1\] is a list, not an atomwire.Molecules"),
    ],
)
def test_errors_name_the_argument_and_the_value(arguments, error, message):
    arguments = {"tenant_id": "acme", "type": EventType.HEARTBEAT, **arguments}
    with pytest.raises(error, match=message):
        atomwire.encode(**arguments)
    with pytest.raises(error, match=message):
        atomwire.encoded_size(**arguments)
    with pytest.raises(error, match=message):
        atomwire.encode_into(bytearray(1000), **arguments)


def test_an_error_in_a_row_of_text_names_the_row():
    given = Molecules([1, 2], text_commentary=["fine", "\ud83d"])
    with pytest.raises(ValueError, match=r"text_commentary\[1\]: '\\ud83d' cannot be UTF-8"):
        atomwire.encode("acme", given)
