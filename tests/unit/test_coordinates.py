"""The coordinate of a cell: MurmurHash3 x64 128 of its members, little-endian."""

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

from atomwire.coordinates import SEPARATOR, MemberError, coordinate_hash, coordinate_hashes

# The two halves that MurmurHash3_x64_128 gives for these keys with seed 0, as the tests of other
# implementations have them (Go's spaolacci/murmur3, Guava); not computed with the library used.
PUBLISHED = {
    "": (0x0000000000000000, 0x0000000000000000),
    "hello": (0xCBD8A7B341BD9B02, 0x5B1E906A48AE1D19),
    "hello, world": (0x342FAC623A5EBC8E, 0x4CDCBC079642414D),
    "19 Jan 2038 at 3:14:07 AM": (0xB89E5988B737AFFC, 0x664FC2950231B2CB),
    "The quick brown fox jumps over the lazy dog.": (0xCD99481F9EE902C9, 0x695DA1A38987B6E7),
    "The quick brown fox jumps over the lazy dog": (0xE34BBC7BBC071B6C, 0x7A433CA9C49A9347),
}


def whole(halves):
    low, high = halves
    return int(low) | int(high) << 64


@pytest.mark.parametrize(("key", "halves"), PUBLISHED.items())
def test_published_vectors(key, halves):
    assert coordinate_hash(key) == whole(halves)
    assert tuple(coordinate_hashes([key])[0]) == halves


def test_members_are_joined_by_the_unit_separator_as_utf8():
    # The joined text written out by hand: one member with the separator inside is refused, so
    # the library is asked directly.
    import mmh3

    joined = "Zürich\x1f北京\x1f😀".encode()
    digest = mmh3.mmh3_x64_128_digest(joined)
    assert coordinate_hash("Zürich", "北京", "😀") == int.from_bytes(digest, "little")


def test_columns_agree_with_single_cells():
    regions = ["West", "East", "", "Ost-Österreich"]
    products = ["Chairs", "Phones", "Paper", "日本"]
    years = ["2024", "2025", "2026", ""]
    hashes = coordinate_hashes(regions, products, years)
    assert hashes.dtype == np.uint64
    assert hashes.shape == (4, 2)
    singles = [coordinate_hash(*cell) for cell in zip(regions, products, years, strict=True)]
    assert [whole(row) for row in hashes] == singles


def test_the_order_of_dimensions_and_the_borders_of_members_count():
    assert coordinate_hash("a", "b") != coordinate_hash("b", "a")
    assert coordinate_hash("ab", "c") != coordinate_hash("a", "bc")
    assert coordinate_hash("a", "") != coordinate_hash("a")


def test_columns_may_be_numpy_arrays():
    column = np.array(["West", "East"])
    assert np.array_equal(coordinate_hashes(column), coordinate_hashes(["West", "East"]))


def test_no_rows():
    hashes = coordinate_hashes([], [])
    assert hashes.shape == (0, 2)
    assert hashes.dtype == np.uint64


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        (f"a{SEPARATOR}b", "U+001F"),
        ("\ud800", "UTF-8"),
        (2024, "type int"),
        (None, "type NoneType"),
    ],
)
def test_a_bad_member_is_named(member, reason):
    with pytest.raises(MemberError, match=re.escape(reason)) as single:
        coordinate_hash("West", member)
    assert (single.value.dimension, single.value.row) == (1, None)

    with pytest.raises(MemberError, match=re.escape(reason)) as among_many:
        coordinate_hashes(["West"] * 3, ["x", "y", member])
    assert (among_many.value.dimension, among_many.value.row) == (1, 2)
    assert among_many.value.member == member

    for error in (single.value, among_many.value):
        for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
            assert type(again) is MemberError
            assert vars(again) == vars(error)
            assert str(again) == str(error)


def test_columns_of_different_lengths():
    with pytest.raises(ValueError, match="dimension 1 has 1 rows, dimension 0 has 2"):
        coordinate_hashes(["a", "b"], ["c"])


def test_a_text_is_no_column():
    with pytest.raises(TypeError, match="coordinate_hash"):
        coordinate_hashes("West", "East")


def test_no_dimension():
    with pytest.raises(ValueError, match="at least one dimension"):
        coordinate_hash()
    with pytest.raises(ValueError, match="at least one dimension"):
        coordinate_hashes()


def test_without_the_library_the_error_says_how_to_get_it():
    # A name that is None in sys.modules cannot be imported: Python's own way to say 'absent'.
    code = "import sys; sys.modules['mmh3'] = None; import atomwire.coordinates"
    process = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert process.returncode == 1
    last = process.stderr.splitlines()[-1]
    assert last.startswith("ImportError:")
    assert "pip install atomwire[coordinates]" in last
