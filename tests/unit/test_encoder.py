"""The encoder of one tenant: cells, molecules, and splitting what is too large."""

import contextlib
import datetime as dt
import threading
import time
import uuid

import numpy as np
import pytest
from support import cells, official
from support.cells import Cell

import atomwire
from atomwire import CellError, Encoder, Molecules

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
HASH = 0x0F0E0D0C0B0A09080706050403020100

NAT = np.datetime64("NaT", "ns")


def cell_of(buf):
    atomwire.verify(buf)
    (cell,) = official.read(buf).molecules
    return cell


def test_what_the_encoder_knows_is_in_every_event():
    encoder = Encoder("acme", user_id="jörg", region="Süd", trace_id=TRACE_ID)
    events = [
        encoder.cell(HASH, 1.5),
        encoder.molecules(Molecules([HASH], numeric_value=1.5)),
        *encoder.split(Molecules([HASH], numeric_value=1.5), 10_000),
    ]
    for buf in events:
        fields = official.read(buf)
        assert (fields.tenant_id, fields.user_id) == ("acme", "jörg")
        assert (fields.region, fields.trace_id) == ("Süd", TRACE_ID)
        assert fields.type == atomwire.EventType.MOLECULE_WRITE
        assert fields.molecules == (Cell(HASH, numeric_value=1.5),)
        assert fields.schema_payload is None


def test_what_it_was_not_told_is_absent():
    fields = official.read(Encoder("acme").cell(HASH, 1.5))
    assert (fields.user_id, fields.region, fields.trace_id) == (None, None, None)


def test_each_event_has_its_own_id_and_the_present_as_its_time():
    encoder = Encoder("acme")
    before = time.time_ns()
    events = [
        encoder.cell(1, 1.0),
        encoder.cell(1, 1.0),
        encoder.molecules(Molecules([1])),
        *encoder.split(Molecules([1, 2]), 250),
    ]
    after = time.time_ns()
    fields = [official.read(buf) for buf in events]
    ids = [uuid.UUID(each.event_id) for each in fields]
    assert [each.version for each in ids] == [7] * len(ids)
    assert sorted(set(ids)) == ids
    assert all(before <= each.timestamp <= after for each in fields)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, {"numeric_value": 1.5}),
        (0.0, {"numeric_value": 0.0}),
        (7, {"numeric_value": 7.0}),
        (np.float32(0.5), {"numeric_value": 0.5}),
        (np.float64(0.5), {"numeric_value": 0.5}),
        (np.int16(-3), {"numeric_value": -3.0}),
        ("text", {"text_commentary": "text"}),
        ("", {"text_commentary": ""}),
        ("Größe 売上 😀", {"text_commentary": "Größe 売上 😀"}),
        (np.str_("text"), {"text_commentary": "text"}),
        (True, {"boolean_value": True}),
        (False, {"boolean_value": False}),
        (np.True_, {"boolean_value": True}),
        (CellError("#DIV/0!"), {"error_value": "#DIV/0!"}),
        (dt.datetime(1970, 1, 2, tzinfo=dt.UTC), {"date_value": 86_400_000_000_000}),
        (dt.datetime(1970, 1, 1, 0, 0, 0, 1), {"date_value": 1000}),
        (dt.date(1969, 12, 31), {"date_value": -86_400_000_000_000}),
        (np.datetime64(5, "ns"), {"date_value": 5}),
        (None, {}),
    ],
)
def test_the_type_of_a_value_says_which_field_it_becomes(value, expected):
    assert cell_of(Encoder("acme").cell(HASH, value)) == Cell(HASH, **expected)


def test_not_a_number_is_a_value():
    found = cell_of(Encoder("acme").cell(HASH, float("nan"))).numeric_value
    assert cells.bits(found) == cells.bits(float("nan"))


@pytest.mark.parametrize(
    "given", [HASH, HASH.to_bytes(16, "little"), bytearray(HASH.to_bytes(16, "little"))]
)
def test_a_hash_as_int_or_as_bytes(given):
    assert cell_of(Encoder("acme").cell(given, None)) == Cell(HASH)


@pytest.mark.parametrize("given", [0, 1, 2**64, 2**128 - 1, np.uint64(2**64 - 1), np.int8(3)])
def test_hashes_up_to_128_bits(given):
    assert cell_of(Encoder("acme").cell(given, None)) == Cell(int(given))


@pytest.mark.parametrize("mask", [0, 1, 2**64 - 1, np.uint64(2**63), np.int8(1)])
def test_security_masks(mask):
    buf = Encoder("acme").cell(HASH, True, security_mask=mask)
    assert cell_of(buf) == Cell(HASH, boolean_value=True, security_mask=int(mask))


@pytest.mark.parametrize("moment", [0, -1, 2**63 - 1, -(2**63)])
def test_a_timestamp_is_that_of_the_cell_and_of_the_event(moment):
    buf = Encoder("acme").cell(HASH, 1.5, timestamp=moment)
    assert official.read(buf).timestamp == moment
    assert cell_of(buf) == Cell(HASH, numeric_value=1.5, timestamp=moment)


def test_a_timestamp_as_datetime():
    buf = Encoder("acme").cell(HASH, 1.5, timestamp=dt.datetime(1970, 1, 1, 0, 0, 1, tzinfo=dt.UTC))
    assert atomwire.peek_timestamp(buf) == 1_000_000_000


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"value": b"x"}, TypeError, "value: b'x' is a bytes, not a float, str, bool, datetime"),
        ({"value": 1j}, TypeError, "value: 1j is a complex, not a float"),
        ({"value": np.complex128(1j)}, TypeError, "value: .* is a complex128, not a float"),
        ({"value": np.timedelta64(5, "ns")}, TypeError, "value: .* is a timedelta64, not a float"),
        ({"value": [1.5]}, TypeError, r"value: \[1.5\] is a list, not a float"),
        ({"value": 10**400}, ValueError, r"value: 10+\.\.\. does not fit into a float"),
        ({"value": "\ud800"}, ValueError, r"text_commentary: '\\ud800' cannot be UTF-8"),
        ({"value": CellError("\ud800")}, ValueError, r"error_value: .* cannot be UTF-8"),
        ({"value": dt.date(1, 1, 1)}, ValueError, "date_value: .* is outside the range"),
        (
            {"value": NAT},
            ValueError,
            "date_value: NaT is not a point in time",
        ),
        ({"coordinate_hash": -1}, ValueError, "coordinate_hash: -1 does not fit into 128 bits"),
        ({"coordinate_hash": 2**128}, ValueError, "coordinate_hash: 3.* does not fit into 128"),
        ({"coordinate_hash": np.int8(-1)}, ValueError, "coordinate_hash: -1 does not fit"),
        ({"coordinate_hash": b"short"}, ValueError, "coordinate_hash: 5 bytes, must be 16"),
        ({"coordinate_hash": bytes(17)}, ValueError, "coordinate_hash: 17 bytes, must be 16"),
        ({"coordinate_hash": "x"}, TypeError, "coordinate_hash: 'x' is a str, not an int or 16"),
        ({"coordinate_hash": None}, TypeError, "coordinate_hash: None is a NoneType, not an int"),
        ({"coordinate_hash": 1.5}, TypeError, "coordinate_hash: 1.5 is a float, not an int"),
        ({"timestamp": "now"}, TypeError, "timestamp: 'now' is a str, not Unix nanoseconds"),
        ({"timestamp": 2**63}, ValueError, "timestamp: 9223372036854775808 is outside the range"),
        ({"timestamp": True}, TypeError, "timestamp: True is a bool, not a point in time"),
        ({"security_mask": -1}, ValueError, "security_mask: -1 does not fit into 64 bits"),
        ({"security_mask": 2**64}, ValueError, "security_mask: 18446744073709551616 does not fit"),
        ({"security_mask": 1.5}, TypeError, "security_mask: 1.5 is a float, not an int"),
        ({"security_mask": "x"}, TypeError, "security_mask: 'x' is a str, not an int"),
        ({"security_mask": True}, TypeError, "security_mask: True is a bool, not an int"),
    ],
)
def test_errors_of_cell_name_the_argument_and_the_value(arguments, error, message):
    with pytest.raises(error, match=message):
        Encoder("acme").cell(**{"coordinate_hash": HASH, "value": 1.5, **arguments})


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"tenant_id": ""}, ValueError, "tenant_id: '', but every event needs one"),
        ({"tenant_id": None}, ValueError, "tenant_id: None, but every event needs one"),
        ({"tenant_id": 5}, TypeError, "tenant_id: 5 is a int, not a str"),
        ({"user_id": 5}, TypeError, "user_id: 5 is a int, not a str"),
        ({"region": b"x"}, TypeError, "region: b'x' is a bytes, not a str"),
        ({"trace_id": "x"}, ValueError, "trace_id: 'x' is not 32 hex characters"),
    ],
)
def test_errors_of_the_encoder_itself(arguments, error, message):
    with pytest.raises(error, match=message):
        Encoder(**{"tenant_id": "acme", **arguments})


def test_an_encoder_cannot_be_had_without_its_tenant():
    with pytest.raises(TypeError):
        Encoder.__new__(Encoder)


def test_an_encoder_cannot_be_changed():
    encoder = Encoder("acme")
    with contextlib.suppress(TypeError):
        encoder.__init__("some other tenant, with a longer name")
    assert atomwire.peek_tenant_id(encoder.cell(1, 1.0)) == "acme"


def test_molecules_needs_molecules():
    for call in (Encoder("acme").molecules, lambda it: list(Encoder("acme").split(it, 1000))):
        with pytest.raises(TypeError, match=r"molecules: \[1\] is a list, not an atomwire"):
            call([1])


def test_threads_may_share_an_encoder():
    encoder = Encoder("acme", region="West")
    found = [[] for _ in range(4)]

    def work(number):
        for row in range(500):
            found[number].append((row, encoder.cell(number << 64 | row, float(row))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ids = set()
    for number, events in enumerate(found):
        for row, buf in events:
            assert atomwire.peek_coordinate_hash(buf) == number << 64 | row
            assert atomwire.decode(buf).molecules.numeric_value.tolist() == [float(row)]
            ids.add(atomwire.peek_event_id(buf))
    assert len(ids) == 4 * 500


# ---- Splitting.


def rows_of(events):
    return [row for buf in events for row in official.read(buf).molecules]


@pytest.mark.parametrize("max_bytes", [400, 401, 1000, 10_000, 10**9])
def test_split_gives_back_the_whole_in_order_within_the_limit(max_bytes):
    rows = [
        Cell(
            number,
            numeric_value=number / 3 if number % 2 else None,
            text_commentary="x" * (number % 90) if number % 3 == 0 else None,
            error_value="#N/A" if number % 5 == 0 else None,
        )
        for number in range(500)
    ]
    events = list(Encoder("acme").split(cells.columns(rows), max_bytes))
    assert rows_of(events) == rows
    assert max(map(len, events)) <= max_bytes
    for buf in events:
        atomwire.verify(buf)


def test_split_wastes_little():
    hashes = np.arange(200_000, dtype=np.uint64).reshape(-1, 2)
    molecules = Molecules(hashes, numeric_value=np.arange(100_000.0))
    whole = len(Encoder("acme").molecules(molecules))
    events = list(Encoder("acme").split(molecules, 100_000))
    assert len(events) <= 1.3 * whole / 100_000 + 1


def test_split_of_more_than_one_event_may_carry():
    hashes = np.broadcast_to(np.array([1, 2], np.uint64), (2_000_001, 2))
    events = list(Encoder("acme").split(Molecules(hashes), 2**31))
    assert [atomwire.peek_molecule_count(buf) for buf in events] == [999_999, 999_999, 3]


def test_split_of_a_shared_text_that_readers_would_count_beyond_two_gigabytes():
    hashes = np.broadcast_to(np.array([1, 2], np.uint64), (3000, 2))
    molecules = Molecules(hashes, text_commentary="x" * 1_000_000)
    events = list(Encoder("acme").split(molecules, 2_000_000))
    assert sum(atomwire.peek_molecule_count(buf) for buf in events) == 3000
    assert max(map(len, events)) <= 2_000_000


def test_split_of_no_molecules_makes_no_event():
    assert list(Encoder("acme").split(Molecules([]), 1000)) == []


@pytest.mark.parametrize("max_bytes", [-1, 0, 1, 100])
def test_a_molecule_that_is_larger_than_the_limit_is_named(max_bytes):
    events = Encoder("acme").split(Molecules([1, 2]), max_bytes)
    message = r"max_bytes: -?\d+, but molecules\[0\] alone makes an event of \d+ bytes"
    with pytest.raises(ValueError, match=message):
        next(events)


def test_the_events_before_a_molecule_that_is_too_large_come_first():
    molecules = Molecules([1, 2, 3], text_commentary=["a", "b", "c" * 1000])
    events = Encoder("acme").split(molecules, 400)
    before = []
    with pytest.raises(ValueError, match=r"max_bytes: 400, but molecules\[2\] alone"):
        before.extend(events)
    assert rows_of(before) == [Cell(1, text_commentary="a"), Cell(2, text_commentary="b")]


def test_max_bytes_must_be_an_integer():
    for wrong in (1.5, "1000", None, True):
        with pytest.raises(TypeError, match=f"max_bytes: {wrong!r} is a .*, not an int"):
            Encoder("acme").split(Molecules([1]), wrong)
    assert len(list(Encoder("acme").split(Molecules([1]), 2**70))) == 1
    assert len(list(Encoder("acme").split(Molecules([1]), np.int64(1000)))) == 1
