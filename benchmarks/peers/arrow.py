"""pyarrow: the columns as an Arrow IPC stream, hashes as fixed-size binary."""

from __future__ import annotations

import pyarrow as pa

from benchmarks.data import Cells

_SCHEMA = pa.schema(
    [
        ("coordinate_hash", pa.binary(16)),
        ("numeric_value", pa.float64()),
        ("timestamp", pa.int64()),
        ("security_mask", pa.uint64()),
    ]
)


def encode(cells: Cells) -> pa.Buffer:
    """Wrap the columns without a copy and write them as one record batch."""
    count = len(cells)
    hashes = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), count, [None, pa.py_buffer(cells.hashes)]
    )
    batch = pa.record_batch(
        [hashes, pa.array(cells.numbers), pa.array(cells.timestamps), pa.array(cells.masks)],
        schema=_SCHEMA,
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, _SCHEMA) as writer:
        writer.write_batch(batch)
    return sink.getvalue()


def decode(buffer: pa.Buffer) -> pa.RecordBatch:
    """Read the record batch back."""
    return pa.ipc.open_stream(buffer).read_next_batch()
