"""Finding and changing places in the bytes of an event."""

import struct


def u16(buf, at):
    return struct.unpack_from("<H", buf, at)[0]


def u32(buf, at):
    return struct.unpack_from("<I", buf, at)[0]


def i32(buf, at):
    return struct.unpack_from("<i", buf, at)[0]


def root(buf):
    return u32(buf, 0)


def vtable(buf, table):
    return table - i32(buf, table)


def slot(buf, table, field_id):
    """Return where the vtable keeps the distance of a field."""
    return vtable(buf, table) + 4 + 2 * field_id


def field(buf, table, field_id):
    """Return where a field lies; it must be present."""
    at = slot(buf, table, field_id)
    assert at + 2 <= vtable(buf, table) + u16(buf, vtable(buf, table))
    assert u16(buf, at) != 0
    return table + u16(buf, at)


def target(buf, at):
    """Return where the offset at `at` leads."""
    return at + u32(buf, at)


def vector(buf, table, field_id):
    """Return where the length of a vector or string lies."""
    return target(buf, field(buf, table, field_id))


def molecule(buf, index):
    """Return where the table of a molecule lies."""
    return target(buf, vector(buf, root(buf), 6) + 4 + 4 * index)


def with_bytes(buf, at, raw):
    """Return the event with some bytes changed."""
    assert 0 <= at <= len(buf) - len(raw)
    return buf[:at] + raw + buf[at + len(raw) :]


def with_u16(buf, at, value):
    return with_bytes(buf, at, struct.pack("<H", value))


def with_u32(buf, at, value):
    return with_bytes(buf, at, struct.pack("<I", value & 0xFFFFFFFF))
