"""Memory stays flat over many calls, on success and on error paths.

The environment variable ATOMWIRE_LEAK_CALLS sets how many calls each path gets; 10 million take
hours, the default a few seconds altogether.
"""

import gc
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from support import golden, patch

import atomwire
from atomwire import Encoder, Molecules

CALLS = int(os.environ.get("ATOMWIRE_LEAK_CALLS", "20000"))
STATM = Path("/proc/self/statm")
MIXED = golden.golden("mixed cells", "official")
OURS = golden.golden("mixed cells", "atomwire")
ALIKE = golden.golden("alike cells", "atomwire")
CELLS = atomwire.decode(MIXED).molecules
NOT_UTF8 = patch.with_bytes(MIXED, patch.vector(MIXED, patch.root(MIXED), 4) + 4, b"\xff")
BAD_TEXT = patch.with_bytes(MIXED, patch.vector(MIXED, patch.molecule(MIXED, 4), 5) + 4, b"\xff")
SHORT_HASH = patch.with_u32(MIXED, patch.vector(MIXED, patch.molecule(MIXED, 3), 0), 15)
ENCODER = Encoder("acme", region="West")
BUFFER = bytearray(4096)
OUT = np.zeros((10, 2), np.uint64)
LOOSE = bytearray(MIXED)


class Message:
    def __init__(self, value):
        self._value = value

    def value(self):
        return self._value


def texts_that_are_not():
    return Molecules([1, 2], text_commentary=["a", "\ud800"])


def fresh():
    return Molecules(
        [1, 2, 3],
        numeric_value=[1.5, None, 2.5],
        text_commentary=["a" * 5, None, "b" * 50],
        error_value="#N/A",
        security_mask=np.ma.MaskedArray([1, 2, 3], [True, False, False]),
    )


def columns_of(buf):
    molecules = atomwire.decode(buf).molecules
    molecules.to_numpy()
    return list(molecules), molecules[1:], molecules == molecules[:]


PATHS = {
    "encode": lambda: atomwire.encode("acme", CELLS, user_id="u", region="West"),
    "encode, new columns": lambda: atomwire.encode("acme", fresh()),
    "encode, no molecules": lambda: atomwire.encode("acme", type=4),
    "encode, bad argument": lambda: atomwire.encode("acme", CELLS, trace_id="x"),
    "encode, late bad argument": lambda: atomwire.encode("acme", CELLS, type=1000),
    "encode, bad text": lambda: atomwire.encode("acme", texts_that_are_not()),
    "columns, bad row": lambda: Molecules([1, 2], numeric_value=[1.0, "x"]),
    "columns, bad hash": lambda: Molecules([1, 2**128]),
    "encoded_size": lambda: atomwire.encoded_size("acme", CELLS),
    "encode_into": lambda: atomwire.encode_into(BUFFER, "acme", CELLS),
    "encode_into, too small": lambda: atomwire.encode_into(bytearray(10), "acme", CELLS),
    "encode_into, read-only": lambda: atomwire.encode_into(b"x" * 4096, "acme", CELLS),
    "cell": lambda: ENCODER.cell(12345, 1.5, timestamp=5, security_mask=7),
    "cell, text": lambda: ENCODER.cell(b"x" * 16, "some text"),
    "cell, bad hash": lambda: ENCODER.cell(b"short", 1.5),
    "cell, bad value": lambda: ENCODER.cell(1, object()),
    "cell, bad mask": lambda: ENCODER.cell(1, 1.5, security_mask=-1),
    "encoder": lambda: Encoder("acme", user_id="u" * 100),
    "encoder, bad": lambda: Encoder("acme", trace_id="x"),
    "molecules": lambda: ENCODER.molecules(CELLS),
    "split": lambda: list(ENCODER.split(CELLS, 500)),
    "split, abandoned": lambda: next(ENCODER.split(CELLS, 500)),
    "split, too small": lambda: list(ENCODER.split(CELLS, 10)),
    "peek texts": lambda: (atomwire.peek_tenant_id(MIXED), atomwire.peek_region(LOOSE)),
    "peek scalars": lambda: (atomwire.peek_type(MIXED), atomwire.peek_timestamp(LOOSE)),
    "peek hash": lambda: atomwire.peek_coordinate_hash(LOOSE, -1),
    "peek hash, no such": lambda: atomwire.peek_coordinate_hash(LOOSE, 100),
    "peek hashes": lambda: atomwire.peek_coordinate_hashes(MIXED),
    "peek hashes, bad": lambda: atomwire.peek_coordinate_hashes(SHORT_HASH),
    "peek hashes, bad out": lambda: atomwire.peek_coordinate_hashes(MIXED, OUT[:3]),
    "peek, not UTF-8": lambda: atomwire.peek_tenant_id(NOT_UTF8),
    "peek, short": lambda: atomwire.peek_tenant_id(bytearray(4)),
    "peek, no buffer": lambda: atomwire.peek_tenant_id("text"),
    "peek_batch": lambda: atomwire.peek_batch([MIXED, LOOSE, Message(MIXED)], OUT),
    "peek_batch, new": lambda: atomwire.peek_batch([MIXED, LOOSE]),
    "peek_batch, bad": lambda: atomwire.peek_batch([LOOSE, b"", MIXED], OUT),
    "peek_batch, no buffer": lambda: atomwire.peek_batch([LOOSE, 5], OUT),
    "peek_batch, tombstone": lambda: atomwire.peek_batch([Message(MIXED), Message(None)], OUT),
    "verify": lambda: atomwire.verify(LOOSE),
    "verify, bad": lambda: atomwire.verify(BAD_TEXT),
    "decode": lambda: atomwire.decode(MIXED),
    "decode, bad": lambda: atomwire.decode(bytearray(BAD_TEXT)),
    "columns": lambda: columns_of(MIXED),
    "columns, views": lambda: columns_of(ALIKE),
    "columns, ours": lambda: columns_of(OURS),
}
ERRORS = (TypeError, ValueError, IndexError, BufferError)


def repeat(call, times):
    for _ in range(times):
        try:
            call()
        except ERRORS:
            continue


def pages():
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def growth(call, times):
    """Return by how many blocks of Python's, and how many bytes, calls make the process grow."""
    gc.collect()
    blocks = sys.getallocatedblocks()
    resident = pages() if STATM.exists() else 0
    repeat(call, times)
    gc.collect()
    return sys.getallocatedblocks() - blocks, (pages() - resident if STATM.exists() else 0)


@pytest.mark.parametrize("path", PATHS)
def test_memory_is_flat(path):
    call = PATHS[path]
    calls = CALLS if "columns" not in path and "split" not in path else CALLS // 4
    repeat(call, max(calls // 10, 1000))
    # A leak is a block, or the 32 bytes that are the least malloc hands out, for each call of every
    # round. Caches and the heap's own bookkeeping settle after some.
    rounds = []
    while len(rounds) < 4:
        blocks, resident = growth(call, calls)
        rounds.append((blocks, resident))
        if blocks < calls // 10 and resident < 16 * calls:
            return
    pytest.fail(f"{path}: {calls} calls grow by (blocks, bytes), round after round: {rounds}")


def test_large_events_are_given_back():
    count = 50_000
    hashes = np.ones((count, 2), np.uint64)
    texts = [f"text {row}" for row in range(count)]

    def call():
        buf = atomwire.encode("acme", Molecules(hashes, numeric_value=1.5, text_commentary=texts))
        molecules = atomwire.decode(buf).molecules
        assert molecules.text_commentary[-1] == texts[-1]
        list(ENCODER.split(molecules, 1_000_000))

    repeat(call, 5)
    resident = pages() if STATM.exists() else 0
    repeat(call, max(CALLS // 1000, 10))
    if STATM.exists():
        assert pages() - resident < 20_000_000
