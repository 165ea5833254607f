"""Columns of changed cells: what they take, how they index, compare and print."""

import datetime as dt
import decimal

import numpy as np
import pytest
from support import cells, golden

import atomwire
from atomwire import CellError, Molecule, Molecules

HASHES = [1, 2**64, 2**128 - 1]
PAIRS = np.array([[1, 0], [0, 1], [2**64 - 1, 2**64 - 1]], np.uint64)
COUNT = len(HASHES)

NAT = np.datetime64("NaT", "ns")


def through(molecules):
    """Send molecules over the wire and return the rows that arrive."""
    return list(atomwire.decode(atomwire.encode("acme", molecules)).molecules)


def column(field, given, hashes=HASHES):
    """Return a column as it arrives."""
    molecules = Molecules(hashes, **{field: given})
    rows = through(molecules)
    assert cells.comparable(rows) == cells.comparable(molecules)
    return [getattr(row, field) for row in rows]


# ---- Hashes.


@pytest.mark.parametrize(
    "given",
    [
        HASHES,
        tuple(HASHES),
        iter(HASHES),
        [each.to_bytes(16, "little") for each in HASHES],
        [bytearray(each.to_bytes(16, "little")) for each in HASHES],
        [HASHES[0], HASHES[1].to_bytes(16, "little"), memoryview(b"\xff" * 16)],
        PAIRS,
        PAIRS.view(np.uint8).reshape(3, 16),
        memoryview(PAIRS),
        PAIRS.astype(">u8"),
        np.asfortranarray(PAIRS),
        np.repeat(PAIRS, 2, axis=0)[::2],
        PAIRS[::-1].copy()[::-1],
        PAIRS[:, ::-1].copy()[:, ::-1],
        PAIRS.astype(PAIRS.dtype.newbyteorder("<")),
        np.array(HASHES, object),
        np.ma.MaskedArray(PAIRS),
    ],
    ids=lambda given: type(given).__name__,
)
def test_hashes_of_any_kind(given):
    assert [row.coordinate_hash for row in through(Molecules(given))] == HASHES


def test_one_hash_for_all_rows():
    assert [
        row.coordinate_hash for row in through(Molecules(np.broadcast_to(PAIRS[1], (4, 2))))
    ] == [2**64] * 4


@pytest.mark.parametrize(
    "given", [[], (), np.empty((0, 2), np.uint64), np.empty((0, 16), np.uint8)]
)
def test_no_hashes(given):
    molecules = Molecules(given, numeric_value=[], text_commentary=[])
    assert len(molecules) == 0
    assert through(molecules) == []


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (None, TypeError, "coordinate_hash: a NoneType, must have one for each row"),
        (5, TypeError, "coordinate_hash: a single value, must be a sequence"),
        (b"x" * 16, TypeError, "coordinate_hash: a single value, must be a sequence"),
        ([1.5], TypeError, r"coordinate_hash\[0\]: 1.5 is a float, not an int or 16 bytes"),
        ([1, None], TypeError, r"coordinate_hash\[1\]: None is a NoneType"),
        ([1, "x" * 16], TypeError, r"coordinate_hash\[1\]: 'x+' is a str"),
        ([1, 2, -1], ValueError, r"coordinate_hash\[2\]: -1 does not fit into 128 bits"),
        ([2**128], ValueError, r"coordinate_hash\[0\]: 3.* does not fit into 128 bits"),
        ([b"short"], ValueError, r"coordinate_hash\[0\]: 5 bytes, must be 16"),
        (
            PAIRS.astype(np.int64),
            TypeError,
            r"coordinate_hash: an array of int64 and shape \(3, 2\)",
        ),
        (PAIRS.astype(float), TypeError, "coordinate_hash: an array of float64"),
        (PAIRS[:, :1], TypeError, r"coordinate_hash: an array of uint64 and shape \(3, 1\)"),
        (PAIRS.ravel(), TypeError, r"coordinate_hash: an array of uint64 and shape \(6,\)"),
        (PAIRS.astype(np.uint32), TypeError, "coordinate_hash: an array of uint32"),
        (np.zeros((3, 15), np.uint8), TypeError, r"coordinate_hash: .* shape \(3, 15\)"),
        (np.ma.MaskedArray(PAIRS, PAIRS == 1), ValueError, "coordinate_hash: has masked values"),
        (np.array(5, np.uint64), TypeError, "coordinate_hash: an array of uint64 and shape"),
    ],
)
def test_hashes_that_cannot_be(given, error, message):
    with pytest.raises(error, match=message):
        Molecules(given)


# ---- Columns: arrays, sequences, scalars, masks.


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "i1", "i2", "i4", "i8", "u1", "u2", "u4"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_numbers_of_every_dtype_and_byte_order(dtype, order):
    given = np.array([0, 1, 100], np.dtype(dtype).newbyteorder(order))
    assert column("numeric_value", given) == [0.0, 1.0, 100.0]


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("field", ["date_value", "timestamp", "security_mask"])
def test_integers_of_every_dtype_and_byte_order(field, dtype, order):
    given = np.array([0, 1, 100], np.dtype(dtype).newbyteorder(order))
    assert column(field, given) == [0, 1, 100]


def test_integers_become_the_nearest_double():
    given = np.array([2**53 + 1, -(2**63), 2**63 - 1], np.int64)
    assert column("numeric_value", given) == [2.0**53, -(2.0**63), 2.0**63]
    assert column("numeric_value", np.array([2**64 - 1] * 3, np.uint64)) == [2.0**64] * 3


PACKED = np.array([(1, 1.5), (2, 2.5), (3, 3.5)], np.dtype([("flag", "u1"), ("value", "f8")]))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array([1.5, 0, 2.5, 0, 3.5])[::2], [1.5, 2.5, 3.5]),
        (np.array([3.5, 2.5, 1.5])[::-1], [1.5, 2.5, 3.5]),
        (np.broadcast_to(np.float64(2.5), 3), [2.5, 2.5, 2.5]),
        (PACKED["value"], [1.5, 2.5, 3.5]),
        (PACKED["flag"], [1.0, 2.0, 3.0]),
        (np.array([[1.5, 9], [2.5, 9], [3.5, 9]])[:, 0], [1.5, 2.5, 3.5]),
        (memoryview(np.array([1.5, 2.5, 3.5])), [1.5, 2.5, 3.5]),
        (np.array([1.5, None, 3.5], object), [1.5, None, 3.5]),
        ([1.5, None, 3], [1.5, None, 3.0]),
        ((1, np.float32(2.5), decimal.Decimal("3.5")), [1.0, 2.5, 3.5]),
        (range(3), [0.0, 1.0, 2.0]),
        (np.ma.MaskedArray([1.5, 2.5, 3.5], [False, True, False]), [1.5, None, 3.5]),
        (np.ma.MaskedArray([1.5, 2.5, 3.5]), [1.5, 2.5, 3.5]),
        (np.ma.MaskedArray([1, 2, 3], [True, True, True]), [None, None, None]),
        (np.ma.masked, [None, None, None]),
        ([None, None, None], [None, None, None]),
        (None, [None, None, None]),
        (7, [7.0, 7.0, 7.0]),
        (np.float32(0.5), [0.5, 0.5, 0.5]),
        (np.array(0.5), [0.5, 0.5, 0.5]),
        (np.array(0.5, object), [0.5, 0.5, 0.5]),
    ],
)
def test_numbers_of_any_kind(given, expected):
    assert column("numeric_value", given) == expected


NANOSECONDS = 86_400_000_000_000


@pytest.mark.parametrize("field", ["date_value", "timestamp"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.array(["1970-01-02", "NaT", "1969-12-31"], "M8[D]"), [NANOSECONDS, None, -NANOSECONDS]),
        (np.array([1, 2, 3], "M8[ns]"), [1, 2, 3]),
        (np.array([1, 2, 3], "M8[us]"), [1000, 2000, 3000]),
        (np.array([1, 2, 3], ">M8[s]"), [10**9, 2 * 10**9, 3 * 10**9]),
        (np.array([1500, 2000, -1], "M8[ps]"), [1, 2, -1]),
        (np.array([5, 6, 7], "M8[ns]")[::-1], [7, 6, 5]),
        (np.datetime64("1970-01-02"), [NANOSECONDS] * 3),
        (dt.datetime(1970, 1, 2), [NANOSECONDS] * 3),
        (dt.date(1970, 1, 2), [NANOSECONDS] * 3),
        ([dt.datetime(1970, 1, 2, tzinfo=dt.UTC), None, 5], [NANOSECONDS, None, 5]),
        ([0, NAT, np.datetime64(5, "us")], [0, None, 5000]),
        (
            np.ma.MaskedArray(np.array([1, 2, 3], "M8[s]"), [False, True, False]),
            [10**9, None, 3 * 10**9],
        ),
        (-(2**63), [-(2**63)] * 3),
    ],
)
def test_times_of_any_kind(field, given, expected):
    assert column(field, given) == expected


@pytest.mark.parametrize("field", ["text_commentary", "error_value"])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", None, "b"], ["a", None, "b"]),
        (("a", "", "a"), ["a", "", "a"]),
        ("all", ["all"] * 3),
        (np.str_("all"), ["all"] * 3),
        (np.array("all"), ["all"] * 3),
        (np.array(["a", "bb", ""]), ["a", "bb", ""]),
        (np.array(["a", None, "b"], object), ["a", None, "b"]),
        (np.array(["a", "x", "b"])[::-1], ["b", "x", "a"]),
        (np.ma.MaskedArray(["a", "secret", "c"], [False, True, False]), ["a", None, "c"]),
        (np.ma.MaskedArray(["a", "b", "c"]), ["a", "b", "c"]),
        (
            np.ma.MaskedArray(np.array(["a", 5, "c"], object), [False, True, False]),
            ["a", None, "c"],
        ),
        (np.ma.masked, [None, None, None]),
        ([None, None, None], [None, None, None]),
        ([CellError("#N/A"), "x", None], ["#N/A", "x", None]),
    ],
)
def test_texts_of_any_kind(field, given, expected):
    assert column(field, given) == expected


def test_texts_and_numbers_of_a_generator():
    assert column("text_commentary", (text for text in "abc")) == ["a", "b", "c"]
    assert column("numeric_value", (each / 2 for each in range(3))) == [0.0, 0.5, 1.0]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([True, None, False], [True, None, False]),
        (np.array([True, False, True]), [True, False, True]),
        (np.array([True, False, False, True])[::-3], [True, True]),
        (np.ma.MaskedArray([True, True, False], [True, False, False]), [None, True, False]),
        (False, [False] * 3),
        (np.True_, [True] * 3),
        ([np.True_, False, None], [True, False, None]),
    ],
)
def test_booleans_of_any_kind(given, expected):
    assert column("boolean_value", given, HASHES[: len(expected)]) == expected


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([2**64 - 1, None, 0], [2**64 - 1, None, 0]),
        (np.array([2**64 - 1, 1, 0], np.uint64), [2**64 - 1, 1, 0]),
        (np.ma.MaskedArray([-1, 1, 2], [True, False, False]), [None, 1, 2]),
        (2**63, [2**63] * 3),
    ],
)
def test_masks_of_any_kind(given, expected):
    assert column("security_mask", given) == expected


# ---- Columns that cannot be: every error names the column, and the row where there is one.


@pytest.mark.parametrize(
    ("field", "given", "error", "message"),
    [
        ("numeric_value", [1.0], ValueError, "numeric_value: 1 rows, but coordinate_hash has 3"),
        ("numeric_value", np.zeros((3, 1)), ValueError, r"numeric_value: \(3, 1\) rows, but"),
        ("numeric_value", "abc", TypeError, "numeric_value: 'abc' is a str, not a number"),
        ("numeric_value", b"abc", TypeError, "numeric_value: b'abc' is a bytes, not a number"),
        ("numeric_value", True, TypeError, "numeric_value: True is a bool, not a number"),
        ("numeric_value", object(), TypeError, "numeric_value: a object, must have one for each"),
        ("numeric_value", 1j, TypeError, "numeric_value: a complex, must have one for each row"),
        ("numeric_value", 10**400, ValueError, "numeric_value: 10* does not fit into a float"),
        ("numeric_value", [1, "x", 2], TypeError, r"numeric_value\[1\]: 'x' is a str, not a num"),
        ("numeric_value", [1, 2, [3]], TypeError, r"numeric_value\[2\]: \[3\] is a list, not a"),
        ("numeric_value", [1, np.complex128(1j), 2], TypeError, r"numeric_value\[1\]: .*complex"),
        ("numeric_value", [1, 10**400, 2], ValueError, r"numeric_value\[1\]: 10* does not fit"),
        ("numeric_value", np.array([True] * 3), TypeError, "numeric_value: bool, must be integ"),
        ("numeric_value", np.array([1j] * 3), TypeError, "numeric_value: complex128, must be"),
        ("numeric_value", np.array(["1"] * 3), TypeError, "numeric_value: <U1, must be integers"),
        ("numeric_value", np.zeros(3, "M8[s]"), TypeError, "numeric_value: datetime64.*must be"),
        ("date_value", [1.5, 2, 3], TypeError, r"date_value\[0\]: 1.5 is a float, not Unix"),
        ("date_value", np.zeros(3), TypeError, "date_value: float64, must be Unix nanoseconds"),
        ("date_value", np.zeros(3, "m8[s]"), TypeError, "date_value: timedelta64.*, must be Unix"),
        ("date_value", "today", TypeError, "date_value: 'today' is a str, not Unix nanoseconds"),
        ("date_value", [0, True, 0], TypeError, r"date_value\[1\]: True is a bool, not a point"),
        ("date_value", 2**63, ValueError, "date_value: 9223372036854775808 is outside the range"),
        ("date_value", [0, 0, -(2**63) - 1], ValueError, r"date_value\[2\]: -9.* is outside the"),
        (
            "timestamp",
            np.array([0, 2**63, 0], np.uint64),
            ValueError,
            r"timestamp\[1\]: 9223372036854775808 is beyond 64-bit nanoseconds",
        ),
        (
            "timestamp",
            np.array(["1970", "9999", "1970"], "M8[Y]"),
            ValueError,
            r"timestamp\[1\]: 9999 is outside the range of 64-bit nanoseconds",
        ),
        ("boolean_value", 1, TypeError, "boolean_value: 1 is a int, not a bool"),
        ("boolean_value", [True, 0, None], TypeError, r"boolean_value\[1\]: 0 is a int, not a"),
        ("boolean_value", np.zeros(3, np.uint8), TypeError, "boolean_value: uint8, must be bools"),
        ("security_mask", -1, ValueError, "security_mask: -1 does not fit into 64 bits"),
        ("security_mask", [0, 2**64, 0], ValueError, r"security_mask\[1\]: 18.* does not fit"),
        ("security_mask", [0, 1.0, 0], TypeError, r"security_mask\[1\]: 1.0 is a float, not an"),
        ("security_mask", [0, True, 0], TypeError, r"security_mask\[1\]: True is a bool, not an"),
        ("security_mask", np.array([0, 0, -5]), ValueError, r"security_mask\[2\]: -5 must not be"),
        ("security_mask", np.zeros(3), TypeError, "security_mask: float64, must be integers"),
        ("text_commentary", 5, TypeError, "text_commentary: a int, must have one for each row"),
        ("text_commentary", b"abc", TypeError, "text_commentary: b'abc' is bytes, not a str"),
        ("text_commentary", ["a"], ValueError, "text_commentary: 1 rows, but coordinate_hash has"),
        ("text_commentary", ["a", 5, "b"], TypeError, r"text_commentary\[1\]: 5 is a int, not a"),
        ("text_commentary", ["a", "b", b"c"], TypeError, r"text_commentary\[2\]: b'c' is a bytes"),
        ("error_value", ["a", 1.5, None], TypeError, r"error_value\[1\]: 1.5 is a float, not a"),
        ("error_value", np.zeros(3), TypeError, r"error_value\[0\]: 0.0 is a float, not a str"),
    ],
)
def test_columns_that_cannot_be(field, given, error, message):
    with pytest.raises(error, match=message):
        Molecules(HASHES, **{field: given})


# ---- Rows, slices, equality, printing.

MIXED = cells.columns(golden.MIXED)


@pytest.mark.parametrize(
    "molecules",
    [
        MIXED,
        atomwire.decode(golden.golden("mixed cells", "official")).molecules,
        atomwire.decode(golden.golden("mixed cells", "atomwire")).molecules,
    ],
    ids=["given", "decoded", "decoded views"],
)
class TestRows:
    def test_len_and_iteration(self, molecules):
        assert len(molecules) == 7
        assert all(isinstance(row, Molecule) for row in molecules)
        assert cells.comparable(molecules) == cells.comparable(golden.MIXED)

    @pytest.mark.parametrize("row", [0, 1, 6, -1, -7, np.int64(2)])
    def test_a_row_by_its_number(self, molecules, row):
        assert tuple(molecules[row]) == tuple(golden.MIXED[row])

    @pytest.mark.parametrize("row", [7, -8, 2**70])
    def test_a_row_that_is_not_there(self, molecules, row):
        with pytest.raises(IndexError, match=f"row {row} is out of range: there are 7"):
            molecules[row]

    @pytest.mark.parametrize(
        "index",
        [
            slice(None),
            slice(2, 5),
            slice(None, None, -1),
            slice(5, 5),
            slice(-3, None),
            slice(None, None, 3),
            slice(100, 200),
        ],
    )
    def test_a_slice_is_molecules_again(self, molecules, index):
        part = molecules[index]
        assert isinstance(part, Molecules)
        assert cells.comparable(part) == cells.comparable(golden.MIXED[index])
        assert cells.comparable(through(part)) == cells.comparable(golden.MIXED[index])
        assert part == cells.columns(golden.MIXED[index])

    @pytest.mark.parametrize("index", [[6, 0, 0], np.array([1, -1]), [], np.arange(7) % 2 == 0])
    def test_rows_by_an_array(self, molecules, index):
        numbers = np.arange(7)[np.asarray(index, np.intp if len(index) == 0 else None)]
        expected = [golden.MIXED[number] for number in numbers]
        assert cells.comparable(molecules[index]) == cells.comparable(expected)
        assert cells.comparable(through(molecules[index])) == cells.comparable(expected)

    @pytest.mark.parametrize(
        "index",
        [None, 1.5, "x", ..., (slice(None), 1), np.array(1), np.zeros((1, 1), int), [1.0]],
        ids=repr,
    )
    def test_what_is_no_index(self, molecules, index):
        with pytest.raises(TypeError, match=r"index: .* must be an int, a slice, or an array"):
            molecules[index]

    def test_equality(self, molecules):
        assert molecules == MIXED
        assert molecules == molecules[:]
        assert molecules != molecules[:-1]
        assert molecules != molecules[::-1]
        assert molecules != list(molecules)
        assert molecules != cells.columns(
            [golden.MIXED[0]._replace(numeric_value=1.0), *golden.MIXED[1:]]
        )
        assert molecules != cells.columns(
            [golden.MIXED[0]._replace(numeric_value=None), *golden.MIXED[1:]]
        )

    def test_there_is_no_hash(self, molecules):
        with pytest.raises(TypeError):
            hash(molecules)

    def test_a_repr_that_tells_what_is_in_it(self, molecules):
        text = repr(molecules)
        assert "7 rows" in text
        for field in cells.Cell._fields:
            assert field in text

    def test_a_structured_array(self, molecules):
        rows = molecules.to_numpy()
        assert rows.shape == (7,)
        assert rows.dtype.names == cells.Cell._fields
        assert rows["coordinate_hash"].dtype == np.uint64
        assert rows["numeric_value"].tolist() == [1234.5, *[None] * 6]
        assert rows["text_commentary"].data[1] == "Größe, 売上 😀"
        assert rows["security_mask"].tolist()[2] == 2**64 - 1


def test_a_structured_array_of_full_rows_is_a_plain_one():
    rows = Molecules(HASHES, numeric_value=[1, 2, 3], error_value="#N/A").to_numpy()
    assert type(rows) is np.ndarray
    assert rows.dtype.names == ("coordinate_hash", "numeric_value", "error_value")
    assert rows["coordinate_hash"].tolist() == PAIRS.tolist()
    assert rows["numeric_value"].tolist() == [1.0, 2.0, 3.0]
    assert rows["error_value"].tolist() == ["#N/A"] * 3


def test_nan_equals_nan_and_zero_is_not_absent():
    nan = Molecules(HASHES, numeric_value=[float("nan"), 1, 2])
    assert nan == Molecules(HASHES, numeric_value=[float("nan"), 1, 2])
    assert nan != Molecules(HASHES, numeric_value=[0.0, 1, 2])
    assert Molecules(HASHES, numeric_value=0.0) != Molecules(HASHES)
    assert Molecules(HASHES, text_commentary="") != Molecules(HASHES)
    assert Molecules(HASHES, numeric_value=[None] * 3) == Molecules(HASHES)


def test_what_lies_behind_a_mask_does_not_count():
    one = Molecules(HASHES, numeric_value=np.ma.MaskedArray([1.0, 2, 3], [True, False, False]))
    other = Molecules(HASHES, numeric_value=np.ma.MaskedArray([9.0, 2, 3], [True, False, False]))
    assert one == other


def test_columns_are_kept_and_not_copied_where_they_can_be():
    numbers = np.array([1.0, 2.0, 3.0])
    molecules = Molecules(PAIRS, numeric_value=numbers)
    assert np.shares_memory(molecules.coordinate_hash, PAIRS)
    assert np.shares_memory(molecules.numeric_value, numbers)


def test_molecules_may_be_encoded_many_times():
    molecules = Molecules(HASHES, numeric_value=1.5, text_commentary=["a", None, "c"])
    first = [tuple(row) for row in through(molecules)]
    assert first == [tuple(row) for row in through(molecules)]
    assert first == [tuple(row) for row in molecules]


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (Molecule(1, numeric_value=0.0), 0.0),
        (Molecule(1, text_commentary=""), ""),
        (Molecule(1, date_value=0), 0),
        (Molecule(1, boolean_value=False), False),
        (Molecule(1, error_value=CellError("#N/A")), CellError("#N/A")),
        (Molecule(1, timestamp=5, security_mask=6), None),
    ],
)
def test_the_value_of_a_row(row, value):
    assert row.value == value
    assert type(row.value) is type(value)
