# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The boundary between Python and the native code: one extension, so that the core is in it once.

It acquires buffers, releases the GIL and raises errors; of the layout of an event it knows nothing.
"""

cimport cython
from cpython.bytes cimport (
    PyBytes_AS_STRING,
    PyBytes_AsStringAndSize,
    PyBytes_CheckExact,
    PyBytes_FromStringAndSize,
    PyBytes_GET_SIZE,
)
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from libc.stdint cimport int8_t, int16_t, int32_t, int64_t, uint8_t, uint16_t, uint64_t
from libc.string cimport memcpy
from libcpp cimport bool as cbool

import numpy as np

from atomwire.codec.cell_error import CellError
from atomwire.codec.errors import InvalidEventError
from atomwire.codec.integers import is_integer
from atomwire.codec.missing import is_missing
from atomwire.codec.timestamps import unix_nanoseconds as unix_nanoseconds_of

# The codec.
include "codec/boundary/core.pxi"
include "codec/boundary/errors.pxi"
include "codec/boundary/buffers.pxi"
include "codec/boundary/texts.pxi"
include "codec/boundary/hashes.pxi"
include "codec/boundary/peek.pxi"
include "codec/boundary/read.pxi"
include "codec/boundary/columns.pxi"
include "codec/boundary/cell.pxi"
include "codec/boundary/encode.pxi"
include "codec/boundary/encoder.pxi"

# The bus.
include "bus/boundary/librdkafka.pxi"
include "bus/publish/boundary/declarations.pxi"
include "bus/publish/boundary/send_queue.pxi"
include "bus/publish/boundary/producer_session.pxi"
include "bus/boundary/mock_cluster.pxi"

EVENT_TYPE_UNKNOWN = EventType_UNKNOWN
EVENT_TYPE_MOLECULE_WRITE = EventType_MOLECULE_WRITE
EVENT_TYPE_CALC_REQUEST = EventType_CALC_REQUEST
EVENT_TYPE_SCHEMA_CHANGE = EventType_SCHEMA_CHANGE
EVENT_TYPE_HEARTBEAT = EventType_HEARTBEAT

MAX_MOLECULES = kMaxMolecules
MAX_EVENT_BYTES = kMaxEventBytes
