"""What the wire contract demands of the bytes, beyond what readers happen to accept."""

import pytest
from support import golden, patch

WIDTHS = {1: 8, 3: 8, 4: 1, 6: 8, 7: 8}
CELL_OFFSETS = (0, 2, 5)
ours = pytest.mark.parametrize(
    "buf", [golden.golden(name, "atomwire") for name in golden.EVENTS], ids=list(golden.EVENTS)
)


def present(buf, table, field_id):
    vtable = patch.vtable(buf, table)
    at = vtable + 4 + 2 * field_id
    return at + 2 <= vtable + patch.u16(buf, vtable) and patch.u16(buf, at) != 0


def tables(buf):
    """Yield the position of every molecule."""
    if present(buf, patch.root(buf), 6):
        vector = patch.vector(buf, patch.root(buf), 6)
        for index in range(patch.u32(buf, vector)):
            yield patch.molecule(buf, index)


def strings(buf):
    """Yield where the length of every string lies."""
    root = patch.root(buf)
    yield from (patch.vector(buf, root, it) for it in (0, 1, 4, 5, 7, 8) if present(buf, root, it))
    for table in tables(buf):
        yield from (patch.vector(buf, table, it) for it in (2, 5) if present(buf, table, it))


@ours
def test_the_whole_buffer_is_padded_to_eight(buf):
    assert len(buf) % 8 == 0


@ours
def test_there_is_no_size_prefix(buf):
    assert patch.root(buf) < len(buf)
    assert patch.root(buf) != len(buf) - 4


@ours
def test_scalars_are_aligned_to_their_size(buf):
    assert patch.field(buf, patch.root(buf), 2) % 8 == 0
    for table in tables(buf):
        assert table % 4 == 0
        for field_id, width in WIDTHS.items():
            if present(buf, table, field_id):
                assert patch.field(buf, table, field_id) % width == 0


@ours
def test_every_field_lies_within_the_size_that_its_vtable_states(buf):
    for table in tables(buf):
        size = patch.u16(buf, patch.vtable(buf, table) + 2)
        for field_id, width in {**WIDTHS, **dict.fromkeys(CELL_OFFSETS, 4)}.items():
            if present(buf, table, field_id):
                assert patch.field(buf, table, field_id) + width <= table + size


@ours
def test_vtables_are_even_and_lie_above_the_vector_that_holds_their_tables(buf):
    root = patch.root(buf)
    for table in [root, *tables(buf)]:
        vtable = patch.vtable(buf, table)
        assert vtable % 2 == 0
        assert patch.u16(buf, vtable) % 2 == 0
        assert patch.u16(buf, vtable) >= 4
        assert table == root or vtable > patch.vector(buf, root, 6)


@ours
def test_offsets_point_forward(buf):
    root = patch.root(buf)
    places = [patch.field(buf, root, it) for it in (0, 1, 4, 5, 6, 7, 8) if present(buf, root, it)]
    for table in tables(buf):
        places += [patch.field(buf, table, it) for it in CELL_OFFSETS if present(buf, table, it)]
    for place in places:
        assert 0 < patch.u32(buf, place) < 2**31
        assert patch.target(buf, place) % 4 == 0


@ours
def test_strings_end_in_nul(buf):
    for at in strings(buf):
        assert buf[at + 4 + patch.u32(buf, at)] == 0


@pytest.mark.parametrize("name", golden.EVENTS)
def test_the_hash_is_little_endian_and_sixteen_bytes(name):
    buf = golden.golden(name, "atomwire")
    expected = [each.coordinate_hash for each in golden.EVENTS[name].molecules or ()]
    places = [patch.vector(buf, table, 0) for table in tables(buf)]
    assert [patch.u32(buf, at) for at in places] == [16] * len(expected)
    assert [int.from_bytes(buf[at + 4 : at + 20], "little") for at in places] == expected
