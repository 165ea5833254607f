# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""The boundary between Python and the core.

It acquires buffers, releases the GIL and raises errors; of the layout of an event it knows nothing.
"""

from cpython.buffer cimport (
    PyBUF_FORMAT,
    PyBUF_RECORDS,
    PyBUF_RECORDS_RO,
    PyBUF_SIMPLE,
    PyBUF_STRIDES,
    PyBUF_WRITABLE,
    PyBuffer_Release,
    PyObject_CheckBuffer,
    PyObject_GetBuffer,
)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_CheckExact, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free
from cpython.number cimport PyNumber_AsSsize_t
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from cpython.unicode cimport PyUnicode_DecodeUTF8
from libc.string cimport memcpy, memset

import re
from datetime import date as date_type
from uuid import UUID

import numpy as np

from atomwire.codec.cell_error import CellError
from atomwire.codec.errors import InvalidEventError
from atomwire.codec.timestamps import unix_nanoseconds as unix_nanoseconds_of

UUID_TEXT = re.compile("[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
TRACE_ID_TEXT = re.compile("[0-9a-fA-F]{32}")
BLANK_EVENT_ID = "0" * 36
HASH_LIMIT = 1 << 128
cdef object FIRST = 0
NUMBERS = (int, float, np.integer, np.floating)

cdef extern from *:
    """
    #include "atom_event_generated.h"

    // bytes, the usual case, need no export: the caller's reference keeps them in place.
    static inline int atomwire_acquire(PyObject* source, Py_buffer* view, atomwire::Bytes* memory) {
      if (PyBytes_CheckExact(source)) {
        view->obj = nullptr;
        memory->data = reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(source));
        memory->size = static_cast<uint64_t>(PyBytes_GET_SIZE(source));
        return 0;
      }
      if (PyObject_GetBuffer(source, view, PyBUF_SIMPLE) < 0) return -1;
      memory->data = static_cast<const uint8_t*>(view->buf);
      memory->size = static_cast<uint64_t>(view->len);
      return 0;
    }
    static inline void atomwire_release(Py_buffer* view) {
      if (view->obj != nullptr) PyBuffer_Release(view);
    }

    // Five digits of 30 bits, put in place by hand: the general function goes byte by byte, and that
    // would be the longest part of a peek.
    static inline PyObject* atomwire_int128(const unsigned char* little_endian) {
    #if PYLONG_BITS_IN_DIGIT == 30 && PY_VERSION_HEX < 0x030F0000
      const uint64_t low = atomwire::load<uint64_t>(little_endian);
      const uint64_t high = atomwire::load<uint64_t>(little_endian + 8);
      const digit top = static_cast<digit>(high >> 56);
      if (top != 0) {  // an int has no leading zero digits
        PyLongObject* const number = _PyLong_New(5);
        if (number == nullptr) return nullptr;
    #if PY_VERSION_HEX >= 0x030C0000
        digit* const digits = number->long_value.ob_digit;
    #else
        digit* const digits = number->ob_digit;
    #endif
        digits[0] = static_cast<digit>(low & PyLong_MASK);
        digits[1] = static_cast<digit>(low >> 30 & PyLong_MASK);
        digits[2] = static_cast<digit>((low >> 60 | high << 4) & PyLong_MASK);
        digits[3] = static_cast<digit>(high >> 26 & PyLong_MASK);
        digits[4] = top;
        return reinterpret_cast<PyObject*>(number);
      }
    #endif
      return _PyLong_FromByteArray(little_endian, 16, 1, 0);
    }

    // 0 when `number` is an int of at most 128 bits, without a sign; -1 with an error set.
    static inline int atomwire_from_int128(PyObject* number, unsigned char* little_endian) {
    #if PY_VERSION_HEX >= 0x030D0000
      return _PyLong_AsByteArray((PyLongObject*)number, little_endian, 16, 1, 0, 1);
    #else
      return _PyLong_AsByteArray((PyLongObject*)number, little_endian, 16, 1, 0);
    #endif
    }
    """
    int acquire "atomwire_acquire"(object, Py_buffer*, Bytes*) except -1
    void release "atomwire_release"(Py_buffer*) noexcept
    object atomwire_int128(const unsigned char*)
    int atomwire_from_int128(object, unsigned char*) except -1
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

    int EventType_UNKNOWN "static_cast<int>(event::v1::EventType::UNKNOWN)"
    int EventType_MOLECULE_WRITE "static_cast<int>(event::v1::EventType::MOLECULE_WRITE)"
    int EventType_CALC_REQUEST "static_cast<int>(event::v1::EventType::CALC_REQUEST)"
    int EventType_SCHEMA_CHANGE "static_cast<int>(event::v1::EventType::SCHEMA_CHANGE)"
    int EventType_HEARTBEAT "static_cast<int>(event::v1::EventType::HEARTBEAT)"

EVENT_TYPE_UNKNOWN = EventType_UNKNOWN
EVENT_TYPE_MOLECULE_WRITE = EventType_MOLECULE_WRITE
EVENT_TYPE_CALC_REQUEST = EventType_CALC_REQUEST
EVENT_TYPE_SCHEMA_CHANGE = EventType_SCHEMA_CHANGE
EVENT_TYPE_HEARTBEAT = EventType_HEARTBEAT

MAX_MOLECULES = kMaxMolecules
MAX_EVENT_BYTES = kMaxEventBytes

# Below this many molecules a call is shorter than giving the GIL away and taking it back.
cdef uint64_t RELEASE_GIL_FROM = 1000
cdef uint64_t RELEASE_GIL_FROM_BYTES = 64 * RELEASE_GIL_FROM


# ---- Errors: the one place where native codes become exceptions.

cdef tuple EVENT_FIELDS = (
    "event_id", "trace_id", "timestamp", "type", "tenant_id", "user_id", "molecules",
    "schema_payload", "region",
)
cdef tuple MOLECULE_FIELDS = (
    "coordinate_hash", "numeric_value", "text_commentary", "date_value", "boolean_value",
    "error_value", "timestamp", "security_mask",
)

cdef dict REASONS = {
    <int>Reason.too_short: "{value} bytes are fewer than the smallest event has",
    <int>Reason.too_long: "{value} bytes are more than offsets can reach (2 GiB)",
    <int>Reason.offset_outside: "the offset leads outside the buffer of {size} bytes",
    <int>Reason.offset_zero: "the offset is zero",
    <int>Reason.vtable_outside: "its vtable lies outside the buffer of {size} bytes",
    <int>Reason.vtable_size: "a vtable of {value} bytes (must be even and at least 4)",
    <int>Reason.value_outside: "the value ends outside the buffer of {size} bytes",
    <int>Reason.misaligned: "not aligned to its size",
    <int>Reason.not_terminated: "the string does not end in NUL",
    <int>Reason.not_utf8: "the string is not UTF-8",
    <int>Reason.strings_overlap: "strings overlap: together they are longer than the buffer",
    <int>Reason.too_many_molecules: "{value} molecules, more than the 999999 that one event may carry",
    <int>Reason.hash_length: "a hash of {value} bytes, must be 16",
    <int>Reason.missing: "missing",
    <int>Reason.empty: "empty",
}


cdef str field_name(const Fault& fault):
    if not fault.in_molecule:
        return "AtomEvent" if fault.field == kWholeTable else EVENT_FIELDS[fault.field]
    if fault.field == kWholeTable:
        return f"molecules[{fault.index}]"
    return f"molecules[{fault.index}].{MOLECULE_FIELDS[fault.field]}"


cdef int raise_fault(const Fault& fault, uint64_t size) except -1:
    if fault.reason == Reason.index:
        raise IndexError(f"molecule index out of range: the event has {fault.value} molecules")
    if fault.reason == Reason.no_memory:
        raise MemoryError
    reason = REASONS[<int>fault.reason].format(value=fault.value, size=size)
    raise InvalidEventError(field_name(fault), fault.position, reason)


cdef int raise_encode_error(EncodeError error, uint64_t count) except -1:
    if error == EncodeError.no_memory:
        raise MemoryError
    if error == EncodeError.too_many_molecules:
        raise ValueError(
            f"molecules: {count} molecules, one event carries at most {kMaxMolecules}; "
            "Encoder.split makes several events of them"
        )
    raise ValueError(
        f"molecules: {count} molecules make an event of 2 GiB or more, counting shared texts once "
        "for each molecule as readers do; Encoder.split makes several events of them"
    )


# ---- Buffers: the one place where they are acquired and released.

cdef class Buffer:
    """Keeps a contiguous buffer in place while its memory is read."""

    cdef Py_buffer view
    cdef bint held

    def __cinit__(self):
        self.held = False

    def __dealloc__(self):
        if self.held:
            PyBuffer_Release(&self.view)


cdef Buffer hold(object source, int flags):
    buffer = Buffer()
    PyObject_GetBuffer(source, &buffer.view, flags)
    buffer.held = True
    return buffer


cdef Buffer hold_target(object target, int flags, str name):
    # Exporters differ in what they raise when they cannot be written to.
    try:
        return hold(target, flags)
    except TypeError:
        raise TypeError(f"{name}: a {type(target).__name__} is not a writable buffer") from None
    except (BufferError, ValueError) as error:
        raise BufferError(f"{name}: cannot be written to in place: {error}") from None


# ---- Peeking.

cdef object string(const Text& text, const Bytes& memory, str field):
    try:
        return PyUnicode_DecodeUTF8(text.data, <Py_ssize_t>text.size, NULL)
    except UnicodeDecodeError as error:
        position = <uint64_t>(<const uint8_t*>text.data - memory.data) + <uint64_t>error.start
        raise InvalidEventError(field, position, "the string is not UTF-8") from None


cdef object peek_string(object buf, EventField field):
    cdef Py_buffer view
    cdef Bytes memory
    cdef Text text
    cdef Fault fault
    acquire(buf, &view, &memory)
    try:
        if not peek_text(memory, field, text, fault):
            raise_fault(fault, memory.size)
        if not text.present():
            return None
        return string(text, memory, EVENT_FIELDS[<int>field])
    finally:
        release(&view)


def peek_event_id(buf, /):
    """Return the event id, or None when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    return peek_string(buf, EventField.event_id)


def peek_trace_id(buf, /):
    """Return the OpenTelemetry trace id, or None when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    return peek_string(buf, EventField.trace_id)


def peek_tenant_id(buf, /):
    """Return the tenant, or None when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    return peek_string(buf, EventField.tenant_id)


def peek_user_id(buf, /):
    """Return the user, or None when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    return peek_string(buf, EventField.user_id)


def peek_schema_payload(buf, /):
    """Return the JSON text of a structural change, or None when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    return peek_string(buf, EventField.schema_payload)


def peek_region(buf, /):
    """Return the region that all molecules share, or None when they are mixed.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    return peek_string(buf, EventField.region)


def peek_timestamp(buf, /):
    """Return the event's time in Unix nanoseconds, 0 when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef int64_t value = 0
    acquire(buf, &view, &memory)
    try:
        if not peek_int64(memory, EventField.timestamp, value, fault):
            raise_fault(fault, memory.size)
        return value
    finally:
        release(&view)


def peek_type(buf, /):
    """Return the `EventType`, UNKNOWN when it is absent.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef int8_t value = 0
    acquire(buf, &view, &memory)
    try:
        if not peek_int8(memory, EventField.type, value, fault):
            raise_fault(fault, memory.size)
    finally:
        release(&view)
    return event_type(value)


cdef object EVENT_TYPE = None


cdef object event_type(int8_t value):
    # Imported late: EventType takes its values from this module.
    global EVENT_TYPE
    if EVENT_TYPE is None:
        from atomwire.codec.event_type import EventType as EVENT_TYPE
    return EVENT_TYPE(value)


def peek_molecule_count(buf, /):
    """Return how many molecules the event carries.

    Checks the path to this field and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        When the path to the field leads outside the buffer.
    """
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef uint64_t count = 0
    acquire(buf, &view, &memory)
    try:
        if not peek_count(memory, count, fault):
            raise_fault(fault, memory.size)
        return count
    finally:
        release(&view)


def peek_coordinate_hash(buf, index=0):
    """Return the 128-bit coordinate hash of one molecule as an int.

    Checks the path to this hash and nothing else.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.
    index : int
        Which molecule; a negative one counts from the end.

    Raises
    ------
    IndexError
        When there is no such molecule.
    InvalidEventError
        When the path leads outside the buffer, or the hash is missing or not 16 bytes.
    """
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef const uint8_t* found = NULL
    cdef Py_ssize_t row = 0
    if index is not FIRST:
        row = PyNumber_AsSsize_t(index, IndexError)
    acquire(buf, &view, &memory)
    if peek_hash(memory, row, found, fault):
        number = atomwire_int128(found)
        release(&view)
        return number
    release(&view)
    raise_fault(fault, memory.size)


cdef Buffer hold_hashes(object out, uint64_t rows):
    # The rows of `out` as memory to write to; it may have more of them.
    buffer = hold_target(out, PyBUF_WRITABLE | PyBUF_FORMAT | PyBUF_STRIDES, "out")
    view = &buffer.view
    if view.ndim != 2 or view.shape[1] != 2 or view.itemsize != 8 or view.format[0] not in b"QLN":
        raise TypeError("out: must be a uint64 array of shape (n, 2)")
    if view.strides[1] != 8 or view.strides[0] != 16:
        raise TypeError("out: must be contiguous")
    if <uint64_t>view.shape[0] < rows:
        raise ValueError(f"out: has {view.shape[0]} rows, {rows} are needed")
    return buffer


cdef object filled(object out, uint64_t rows):
    return out if len(out) == rows else out[:rows]


def peek_coordinate_hashes(buf, out=None):
    """Return the coordinate hashes of all molecules of one message.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.
    out : uint64[m, 2], optional
        Contiguous, at least as many rows as there are molecules; filled instead of a new array.

    Returns
    -------
    uint64[n, 2]
        Low word first. `out`, or its first n rows, where it was given.

    Raises
    ------
    InvalidEventError
        When a path leads outside the buffer, or a hash is missing or not 16 bytes; `out` may be
        filled in part.
    TypeError, ValueError
        When `out` has another type or too few rows.
    """
    cdef GatheredColumns columns
    cdef uint64_t count = peek_molecule_count(buf)
    if out is None:
        out = np.empty((count, 2), np.uint64)
    target = hold_hashes(out, count)
    columns.values[0] = <uint8_t*>target.view.buf
    gather_into(buf, count, columns)
    return filled(out, count)


cdef object message_value(object message, Py_ssize_t number):
    # A Kafka message, or whatever else hands out its bytes with value(). Asked for straight away:
    # looking for the method first would make an object.
    try:
        value = message.value()
    except AttributeError:
        if hasattr(message, "value"):
            raise
        raise TypeError(
            f"bufs[{number}]: a {type(message).__name__} is neither a buffer nor a Kafka message"
        ) from None
    if value is None:
        raise ValueError(f"bufs[{number}]: the message has no value")
    return value


def peek_batch(bufs, out=None):
    """Return the coordinate hash of the first molecule of each message.

    Parameters
    ----------
    bufs : iterable of bytes-like or confluent_kafka.Message
        The messages; a list or tuple is read in place.
    out : uint64[m, 2], optional
        Contiguous, at least as many rows as there are messages; filled instead of a new array.

    Returns
    -------
    uint64[n, 2]
        Low word first. `out`, or its first n rows, where it was given.

    Raises
    ------
    IndexError
        When an event has no molecules.
    InvalidEventError
        When a path leads outside a buffer, or a hash is missing or not 16 bytes. The field names
        the message, as in ``bufs[3].molecules[0].coordinate_hash``.
    TypeError, ValueError
        When `out` has another type or too few rows, or a message has no value.
    """
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef const uint8_t* found = NULL
    cdef uint8_t* to
    cdef Py_ssize_t number = 0
    cdef Py_ssize_t rows
    if not isinstance(bufs, (list, tuple)):
        bufs = list(bufs)
    rows = len(bufs)
    if out is None:
        out = np.empty((rows, 2), np.uint64)
    target = hold_hashes(out, rows)
    to = <uint8_t*>target.view.buf
    for buf in bufs:
        if number == rows:
            break  # the value() of a message has made the list longer
        if not PyBytes_CheckExact(buf) and not PyObject_CheckBuffer(buf):
            buf = message_value(buf, number)
        acquire(buf, &view, &memory)
        try:
            if not peek_hash(memory, 0, found, fault):
                raise_batch_fault(fault, memory.size, number)
            memcpy(to, found, 16)
        finally:
            release(&view)
        to += 16
        number += 1
    return filled(out, number)


cdef int raise_batch_fault(const Fault& fault, uint64_t size, Py_ssize_t number) except -1:
    if fault.reason == Reason.index:
        raise IndexError(f"bufs[{number}]: the event has no molecules")
    try:
        raise_fault(fault, size)
    except InvalidEventError as error:
        raise InvalidEventError(f"bufs[{number}].{error.field}", error.position, error.reason) from None


# ---- Verifying and reading columns.

cdef int check(object buf, Scan& scan) except -1:
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef cbool sound
    acquire(buf, &view, &memory)
    try:
        if memory.size < RELEASE_GIL_FROM_BYTES:
            sound = verify_bytes(memory, scan, fault)
        else:
            with nogil:
                sound = verify_bytes(memory, scan, fault)
        if not sound:
            raise_fault(fault, memory.size)
    finally:
        release(&view)
    return 0


def verify(buf, /):
    """Verify a whole event: all that the official C++ verifier checks, and the wire contract.

    The contract adds: a tenant that is not empty, hashes of 16 bytes, at most 999,999 molecules,
    strings in UTF-8 that do not overlap. Time and memory are linear in the size of `buf`.

    Parameters
    ----------
    buf : bytes-like
        One message; any contiguous buffer.

    Raises
    ------
    InvalidEventError
        Names the first field that is wrong, the byte position and the reason.
    """
    cdef Scan scan
    check(buf, scan)


cdef class Layout:
    """How the molecules of a verified message lie.

    Attributes
    ----------
    count : int
        How many there are.
    stride : int or None
        Bytes from one to the next, None when it varies.
    hashes : int or None
        Position of the first hash, None when hashes have another stride.
    fields : list of (int, int or None)
        For each field in how many molecules it is present, and its position in the first; None
        when it varies.
    """

    cdef Scan native
    cdef uint64_t size
    cdef readonly uint64_t count
    cdef readonly object stride
    cdef readonly object hashes
    cdef readonly list fields


def scan(buf, /):
    """Verify a message and return its `Layout`."""
    layout = Layout()
    cdef Scan* found = &layout.native
    check(buf, found[0])
    layout.size = len(buf)
    layout.count = found.count
    layout.stride = found.stride if found.constant_stride else None
    layout.hashes = found.first_hash if found.constant_stride and found.constant_hash else None
    layout.fields = []
    cdef int field
    for field in range(8):
        position = None
        if found.constant_stride and found.fields[field].constant_place:
            position = found.first + found.fields[field].place
        layout.fields.append((found.fields[field].present, position))
    return layout


cdef int copy_kept(object buf, Layout layout, const GatheredColumns& columns) except -1:
    cdef Py_buffer view
    cdef Bytes memory
    acquire(buf, &view, &memory)
    if memory.size != layout.size:
        release(&view)
        raise ValueError("the layout is of another message")
    with nogil:
        gather_kept(memory, layout.native, columns)
    release(&view)
    return 0


cdef int gather_into(object buf, uint64_t count, const GatheredColumns& columns) except -1:
    cdef Py_buffer view
    cdef Bytes memory
    cdef Fault fault
    cdef cbool sound
    acquire(buf, &view, &memory)
    try:
        if count < RELEASE_GIL_FROM:
            sound = gather_columns(memory, count, columns, fault)
        else:
            with nogil:
                sound = gather_columns(memory, count, columns, fault)
        if not sound:
            raise_fault(fault, memory.size)
    finally:
        release(&view)
    return 0


def gather(buf, Layout layout not None, dict values, dict absent):
    """Copy columns of a message into arrays with a row a molecule, by the ids of their fields."""
    cdef GatheredColumns columns
    held = []
    for field, out in values.items():
        columns.values[<int>field] = rows_to_fill(out, layout.count, held)
    for field, out in absent.items():
        columns.absent[<int>field] = rows_to_fill(out, layout.count, held)
    if layout.native.kept_all():
        copy_kept(buf, layout, columns)
    else:
        gather_into(buf, layout.count, columns)


cdef uint8_t* rows_to_fill(object out, uint64_t count, list held) except? NULL:
    target = hold(out, PyBUF_WRITABLE)
    if <uint64_t>len(out) != count:
        raise ValueError(f"{len(out)} rows for {count} molecules")
    held.append(target)
    return <uint8_t*>target.view.buf


def texts(buf, int field, uint64_t count):
    """One str or None a row; a string that several rows share is decoded once."""
    cdef Bytes memory
    cdef Fault fault
    cdef Py_buffer view
    cdef Text* rows = NULL
    cdef uint64_t row
    cdef uint64_t decoded = 0
    cdef dict seen = {}
    cdef list found = [None] * count
    acquire(buf, &view, &memory)
    try:
        rows = <Text*>PyMem_Calloc(max(count, 1), sizeof(Text))
        if rows == NULL:
            raise MemoryError
        if not gather_texts(memory, count, <MoleculeField>field, rows, fault):
            raise_fault(fault, memory.size)
        for row in range(count):
            if not rows[row].present():
                continue
            position = <uint64_t>(<const uint8_t*>rows[row].data - memory.data)
            text = seen.get(position)
            if text is None:
                # Distinct strings lie side by side: more text than buffer is a bomb.
                decoded += rows[row].size + 1
                name = f"molecules[{row}].{MOLECULE_FIELDS[field]}"
                if decoded > memory.size:
                    raise InvalidEventError(name, position, REASONS[<int>Reason.strings_overlap])
                text = string(rows[row], memory, name)
                seen[position] = text
            found[row] = text
        return found
    finally:
        PyMem_Free(rows)
        release(&view)


# ---- Columns on their way into an event.

cdef int kind_of(const Py_buffer& view, Kind* kind) except -1:
    cdef char code = view.format[0] if view.format != NULL else b"B"
    if code == b"=" or code == b"<":
        # Not aligned, or little-endian by name: the core loads at any position.
        code = view.format[1]
    if code == b"d":
        kind[0] = Kind.f64
    elif code == b"f":
        kind[0] = Kind.f32
    elif code in b"qlih" or code == b"b":
        if view.itemsize == 8:
            kind[0] = Kind.i64
        elif view.itemsize == 4:
            kind[0] = Kind.i32
        elif view.itemsize == 2:
            kind[0] = Kind.i16
        else:
            kind[0] = Kind.i8
    elif code in b"QLIH" or code == b"B" or code == b"?":
        if view.itemsize == 8:
            kind[0] = Kind.u64
        elif view.itemsize == 4:
            kind[0] = Kind.u32
        elif view.itemsize == 2:
            kind[0] = Kind.u16
        else:
            kind[0] = Kind.u8
    else:
        raise TypeError(f"a column of buffer format {view.format.decode()!r}")
    return 0


cdef class Columns:
    """The memory of a Molecules' columns, held in place for as long as this object lives.

    Takes what `Molecules` has brought into shape: for each field in the order of the schema None or
    a pair of values and absent rows. Values are one array a field: uint64[n, 2] hashes, numeric
    arrays of native byte order, bool arrays, object arrays of str and None.
    """

    cdef MoleculeColumns native
    cdef list held
    cdef Text* texts_of[2]
    cdef readonly uint64_t count

    def __cinit__(self, uint64_t count, tuple columns):
        self.held = []
        self.count = self.native.count = count
        self.take_hashes(columns[0][0])
        self.take_scalars(columns[1], &self.native.wide[0])
        self.take_scalars(columns[3], &self.native.wide[1])
        self.take_scalars(columns[6], &self.native.wide[2])
        self.take_scalars(columns[7], &self.native.wide[3])
        self.take_scalars(columns[4], &self.native.boolean)
        self.take_texts(columns[2], 0, "text_commentary")
        self.take_texts(columns[5], 1, "error_value")

    def __dealloc__(self):
        PyMem_Free(self.texts_of[0])
        PyMem_Free(self.texts_of[1])

    cdef Buffer keep(self, object values):
        buffer = hold(values, PyBUF_RECORDS_RO)
        self.held.append(buffer)
        return buffer

    cdef int take_hashes(self, object values) except -1:
        buffer = self.keep(values)
        self.native.hash.data = <const uint8_t*>buffer.view.buf
        self.native.hash.stride = buffer.view.strides[0]
        return 0

    cdef int take_scalars(self, object column, ScalarColumn* to) except -1:
        if column is None:
            return 0
        values, absent = column
        buffer = self.keep(values)
        to.data = <const uint8_t*>buffer.view.buf
        to.stride = buffer.view.strides[0]
        kind_of(buffer.view, &to.kind)
        if absent is not None:
            buffer = self.keep(absent)
            to.absent = <const uint8_t*>buffer.view.buf
            to.absent_stride = buffer.view.strides[0]
        return 0

    cdef int take_texts(self, object column, int number, str field) except -1:
        if column is None:
            return 0
        values = column[0]
        buffer = self.keep(values)
        cdef bint constant = buffer.view.strides[0] == 0
        cdef uint64_t rows = 1 if constant and self.count else self.count
        cdef Text* to = <Text*>PyMem_Calloc(max(rows, 1), sizeof(Text))
        cdef uint64_t row
        cdef Py_ssize_t size = 0
        cdef object text
        if to == NULL:
            raise MemoryError
        self.texts_of[number] = to
        for row in range(rows):
            text = <object>(<PyObject**>(<char*>buffer.view.buf + <Py_ssize_t>row * buffer.view.strides[0]))[0]
            if text is None:
                continue
            to[row].data = utf8(text, &size, field, row)
            to[row].size = <uint64_t>size
        self.native.text[number].rows = to
        self.native.text[number].constant = constant
        return 0


def text_array(str field, rows, uint64_t count):
    """Return a read-only object array of str and None, and whether any is a str."""
    cdef object text
    cdef PyObject** to
    cdef PyObject* before
    cdef uint64_t row = 0
    cdef bint any_present = False
    values = np.empty(count, object)
    target = hold(values, PyBUF_RECORDS)
    to = <PyObject**>target.view.buf
    for text in rows:
        if row == count:
            break
        if text is not None:
            if not isinstance(text, str):
                raise TypeError(f"{field}[{row}]: {text!r} is a {type(text).__name__}, not a str or None")
            any_present = True
            before = to[row]
            Py_INCREF(text)
            to[row] = <PyObject*>text
            Py_XDECREF(before)
        row += 1
    values.flags.writeable = False
    return values, any_present


cdef const char* utf8(object text, Py_ssize_t* size, str field, object row=None) except NULL:
    # The UTF-8 lives inside the str, which the caller keeps alive.
    if not isinstance(text, str):
        raise TypeError(f"{field}: {text!r} is a {type(text).__name__}, not a str")
    try:
        return PyUnicode_AsUTF8AndSize(text, size)
    except UnicodeEncodeError as error:
        where = field if row is None else f"{field}[{row}]"
        raise ValueError(f"{where}: {text!r} cannot be UTF-8: {error.reason}") from None


cdef MoleculeColumns rows_of(const MoleculeColumns& columns, uint64_t first, uint64_t count) noexcept nogil:
    """The same columns from row `first` on."""
    cdef MoleculeColumns part = columns
    cdef int64_t start = <int64_t>first
    cdef int each
    part.count = count
    part.hash.data += start * part.hash.stride
    for each in range(4):
        shift(&part.wide[each], start)
    shift(&part.boolean, start)
    for each in range(2):
        if part.text[each].rows != NULL and not part.text[each].constant:
            part.text[each].rows += first
    return part


cdef void shift(ScalarColumn* column, int64_t rows) noexcept nogil:
    if column.data != NULL:
        column.data += rows * column.stride
    if column.absent != NULL:
        column.absent += rows * column.absent_stride


# ---- Encoding.

cdef Columns columns_of(object molecules):
    native_columns = getattr(molecules, "_native_columns", None)
    if native_columns is None:
        raise TypeError(f"molecules: a {type(molecules).__name__} is not an atomwire.Molecules")
    return native_columns()


cdef int set_text(Text* to, object text, str field) except -1:
    cdef Py_ssize_t size = 0
    if text is not None:
        to.data = utf8(text, &size, field)
        to.size = <uint64_t>size
    return 0


cdef int set_tenant(Text* to, object tenant_id) except -1:
    set_text(to, tenant_id, "tenant_id")
    if to.size == 0:
        raise ValueError(
            f"tenant_id: {tenant_id!r}, but every event needs one: it is also the key of the message"
        )
    return 0


cdef str checked_event_id(object event_id):
    text = str(event_id) if isinstance(event_id, UUID) else event_id
    if not isinstance(text, str) or UUID_TEXT.fullmatch(text) is None:
        raise ValueError(f"event_id: {event_id!r} is not the 36 characters of a UUID")
    return text


cdef object checked_trace_id(object trace_id):
    if trace_id is not None and (
        not isinstance(trace_id, str) or TRACE_ID_TEXT.fullmatch(trace_id) is None
    ):
        raise ValueError(f"trace_id: {trace_id!r} is not 32 hex characters")
    return trace_id


cdef int8_t checked_type(object type, object molecules, object schema_payload) except? -1:
    if type is None:
        if molecules is not None:
            return EventType_MOLECULE_WRITE
        if schema_payload is not None:
            return EventType_SCHEMA_CHANGE
        raise ValueError(
            "type: not given, and neither molecules nor a schema_payload tell it; "
            "pass one of EventType"
        )
    if isinstance(type, bool) or not isinstance(type, int):
        raise TypeError(f"type: {type!r} is not an EventType")
    if not -128 <= type <= 127:
        raise ValueError(f"type: {type} does not fit into a byte")
    return type


cdef int64_t nanoseconds(object moment) except? -1:
    if type(moment) is int and -0x8000000000000000 <= moment <= 0x7FFFFFFFFFFFFFFF:
        return moment
    return unix_nanoseconds_of(moment)


cdef inline void write_plan(const MoleculePlan& plan, uint8_t* event, uint64_t count):
    if count < RELEASE_GIL_FROM:
        plan.write(event)
    else:
        with nogil:
            plan.write(event)


cdef EncodeError plan_of(MoleculePlan& plan, const MoleculeColumns& columns, uint64_t start) noexcept:
    cdef EncodeError error
    # Where all rows are alike, planning does not look at them.
    if columns.count < RELEASE_GIL_FROM or not columns.may_differ():
        return plan.prepare(columns, start)
    with nogil:
        error = plan.prepare(columns, start)
    return error


cdef int prepare_plan(MoleculePlan& plan, const MoleculeColumns& columns, uint64_t start) except -1:
    cdef EncodeError error = plan_of(plan, columns, start)
    if error != EncodeError.none:
        raise_encode_error(error, columns.count)
    return 0


cdef class Draft:
    """One event, planned: its size is known, and it can be written anywhere."""

    cdef Envelope envelope
    cdef char event_id[36]
    cdef tuple kept
    cdef Columns columns
    cdef MoleculePlan plan
    cdef uint64_t size

    def __cinit__(self, tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                  schema_payload, region):
        cdef int64_t now = unix_nanoseconds()
        set_tenant(&self.envelope.tenant_id, tenant_id)
        if event_id is None:
            write_uuid7(now, self.event_id)
            self.envelope.event_id.data = self.event_id
            self.envelope.event_id.size = kEventIdChars
        else:
            event_id = checked_event_id(event_id)
            set_text(&self.envelope.event_id, event_id, "event_id")
        set_text(&self.envelope.trace_id, checked_trace_id(trace_id), "trace_id")
        set_text(&self.envelope.user_id, user_id, "user_id")
        set_text(&self.envelope.schema_payload, schema_payload, "schema_payload")
        set_text(&self.envelope.region, region, "region")
        # The texts live in these.
        self.kept = (tenant_id, event_id, trace_id, user_id, schema_payload, region)
        self.envelope.timestamp = now if timestamp is None else nanoseconds(timestamp)
        self.envelope.type = checked_type(type, molecules, schema_payload)
        self.envelope.has_molecules = molecules is not None
        self.size = envelope_size(self.envelope)
        if molecules is None:
            self.size = (self.size + 7) & ~<uint64_t>7
            if self.size > kMaxEventBytes:
                raise ValueError(f"the texts of the event make {self.size} bytes, 2 GiB or more")
        else:
            self.columns = columns_of(molecules)
            prepare_plan(self.plan, self.columns.native, self.size)
            self.size = self.plan.end()

    cdef void write(self, uint8_t* to):
        if self.columns is None:
            store_padding(to, self.size)
        write_envelope(to, self.envelope)
        if self.columns is not None:
            write_plan(self.plan, to, self.columns.count)


cdef inline void store_padding(uint8_t* event, uint64_t size) noexcept:
    memset(event + size - 4, 0, 4)


def encode(tenant_id, molecules=None, *, type=None, event_id=None, trace_id=None, timestamp=None,
           user_id=None, schema_payload=None, region=None):
    """Encode one event.

    Parameters
    ----------
    tenant_id : str
        Never empty: it is also the key of the Kafka message.
    molecules : Molecules, optional
        The changed cells, at most 999,999.
    type : EventType, optional
        MOLECULE_WRITE when there are molecules, SCHEMA_CHANGE with a `schema_payload` alone; needed
        otherwise.
    event_id : str or uuid.UUID, optional
        36 characters; a new UUIDv7 (RFC 9562) when not given.
    trace_id : str, optional
        OpenTelemetry trace id, 32 hex characters.
    timestamp : int, datetime or datetime64, optional
        Unix nanoseconds as int; now when not given.
    user_id : str, optional
    schema_payload : str, optional
        JSON text.
    region : str, optional
        The region that all molecules share.

    Returns
    -------
    bytes
        The whole message.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it must be. ValueError, too, for more molecules or
        bytes than one event may have; `Encoder.split` makes several events.
    """
    draft = Draft(tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                  schema_payload, region)
    event = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>draft.size)
    draft.write(<uint8_t*>PyBytes_AS_STRING(event))
    return event


def encode_into(buffer, tenant_id, molecules=None, *, type=None, event_id=None, trace_id=None,
                timestamp=None, user_id=None, schema_payload=None, region=None):
    """Encode one event into memory of the caller's.

    Parameters
    ----------
    buffer : writable bytes-like
        Where the event goes, from its first byte on. Nothing is written when it is too small.
    tenant_id, molecules, type, event_id, trace_id, timestamp, user_id, schema_payload, region
        As for `encode`.

    Returns
    -------
    int
        How many bytes were written.

    Raises
    ------
    BufferError
        When the event does not fit, with the size it needs.
    TypeError, ValueError
        Naming the argument, its value and what it must be. ValueError, too, for more molecules or
        bytes than one event may have; `Encoder.split` makes several events.
    """
    draft = Draft(tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                  schema_payload, region)
    target = hold_target(buffer, PyBUF_WRITABLE, "buffer")
    if <uint64_t>target.view.len < draft.size:
        raise BufferError(
            f"buffer: {target.view.len} bytes, but the event needs {draft.size}"
        )
    draft.write(<uint8_t*>target.view.buf)
    return draft.size


def encoded_size(tenant_id, molecules=None, *, type=None, event_id=None, trace_id=None,
                 timestamp=None, user_id=None, schema_payload=None, region=None):
    """Return how many bytes `encode` makes of the same arguments; it is exact.

    Parameters
    ----------
    tenant_id, molecules, type, event_id, trace_id, timestamp, user_id, schema_payload, region
        As for `encode`.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it must be. ValueError, too, for more molecules or
        bytes than one event may have; `Encoder.split` makes several events.
    """
    return Draft(tenant_id, molecules, type, event_id, trace_id, timestamp, user_id,
                 schema_payload, region).size


cdef class Encoder:
    """Encodes MOLECULE_WRITE events of one tenant; what they share is stamped once.

    It never changes, so threads may share it. Each event gets a fresh event id (UUIDv7) and time.

    Parameters
    ----------
    tenant_id : str
        Never empty.
    user_id, region : str, optional
    trace_id : str, optional
        32 hex characters.

    Raises
    ------
    TypeError, ValueError
        Naming the argument, its value and what it must be.
    """

    cdef bytes head

    def __cinit__(self, tenant_id, *, user_id=None, region=None, trace_id=None):
        cdef Envelope envelope
        set_tenant(&envelope.tenant_id, tenant_id)
        set_text(&envelope.user_id, user_id, "user_id")
        set_text(&envelope.region, region, "region")
        set_text(&envelope.trace_id, checked_trace_id(trace_id), "trace_id")
        set_text(&envelope.event_id, BLANK_EVENT_ID, "event_id")
        envelope.type = EventType_MOLECULE_WRITE
        envelope.has_molecules = True
        size = envelope_size(envelope)
        self.head = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>size)
        write_envelope(<uint8_t*>PyBytes_AS_STRING(self.head), envelope)

    cdef bytes stamp(self, const MoleculePlan& plan, uint64_t count, int64_t now, int64_t timestamp):
        event = PyBytes_FromStringAndSize(NULL, <Py_ssize_t>plan.end())
        to = <uint8_t*>PyBytes_AS_STRING(event)
        memcpy(to, PyBytes_AS_STRING(self.head), <size_t>PyBytes_GET_SIZE(self.head))
        memcpy(to + kTimestamp, &timestamp, 8)
        write_uuid7(now, <char*>to + kEventIdText)
        write_plan(plan, to, count)
        return event

    def cell(self, coordinate_hash, value, *, timestamp=None, security_mask=None):
        """Encode one changed cell: the keystroke.

        Parameters
        ----------
        coordinate_hash : int or 16 bytes
            The cell.
        value : float, int, str, bool, datetime, date, datetime64, CellError or None
            Its type says which value field it becomes; None sets none of them.
        timestamp : int, datetime or datetime64, optional
            When the cell was written: the time of the event, and of the molecule. When not given,
            the event carries the present and the molecule no time of its own.
        security_mask : int, optional
            64 bits without a sign.

        Returns
        -------
        bytes
            An event with one molecule.

        Raises
        ------
        TypeError, ValueError
            Naming the argument, its value and what it must be.
        """
        cdef MoleculePlan plan
        cdef MoleculeColumns columns
        cdef uint8_t hash_bytes[16]
        cdef double number
        cdef int64_t date
        cdef uint8_t truth
        cdef int64_t written
        cdef uint64_t mask
        cdef Text text
        cdef int64_t now = unix_nanoseconds()
        cdef int64_t event_time = now

        columns.count = 1
        set_hash(hash_bytes, coordinate_hash)
        columns.hash.data = hash_bytes
        if type(value) is float:
            number = value
            set_scalar(&columns.wide[0], &number, Kind.f64)
        elif isinstance(value, (bool, np.bool_)):
            truth = bool(value)
            set_scalar(&columns.boolean, &truth, Kind.u8)
        elif isinstance(value, NUMBERS) and not isinstance(value, np.timedelta64):
            number = checked_number(value)
            set_scalar(&columns.wide[0], &number, Kind.f64)
        elif isinstance(value, str):
            error = isinstance(value, CellError)
            set_text(&text, value, "error_value" if error else "text_commentary")
            columns.text[1 if error else 0].rows = &text
            columns.text[1 if error else 0].constant = True
        elif isinstance(value, (date_type, np.datetime64)):
            date = unix_nanoseconds_of(value, "date_value")
            set_scalar(&columns.wide[1], &date, Kind.i64)
        elif value is not None:
            raise TypeError(
                f"value: {value!r} is a {type(value).__name__}, not a float, str, bool, datetime "
                "or CellError"
            )
        if timestamp is not None:
            event_time = written = nanoseconds(timestamp)
            set_scalar(&columns.wide[2], &written, Kind.i64)
        if security_mask is not None:
            mask = checked_mask(security_mask)
            set_scalar(&columns.wide[3], &mask, Kind.u64)
        prepare_plan(plan, columns, <uint64_t>PyBytes_GET_SIZE(self.head))
        return self.stamp(plan, 1, now, event_time)

    def molecules(self, molecules):
        """Encode changed cells as one event.

        Parameters
        ----------
        molecules : Molecules
            At most 999,999.

        Returns
        -------
        bytes

        Raises
        ------
        ValueError
            When there are more, or more bytes than one event may have.
        """
        cdef MoleculePlan plan
        columns = columns_of(molecules)
        prepare_plan(plan, columns.native, <uint64_t>PyBytes_GET_SIZE(self.head))
        now = unix_nanoseconds()
        return self.stamp(plan, columns.count, now, now)

    def split(self, molecules, Py_ssize_t max_bytes):
        """Encode changed cells as several events, in order, none larger than the limit.

        Parameters
        ----------
        molecules : Molecules
            Any number; none make no event.
        max_bytes : int
            Such as the broker's ``message.max.bytes``, less the room for key and headers.

        Returns
        -------
        iterator of bytes

        Raises
        ------
        ValueError
            While iterating, when one molecule alone is larger than the limit. The events before it
            have been handed out by then.
        """
        return self.parts(columns_of(molecules), <uint64_t>max(max_bytes, 0))

    def parts(self, Columns columns not None, uint64_t max_bytes):
        # The rows that fit are guessed from the last part, and fewer are taken until they do.
        cdef MoleculePlan plan
        cdef MoleculeColumns part
        cdef uint64_t first = 0
        cdef uint64_t rows = kMaxMolecules
        cdef uint64_t start = <uint64_t>PyBytes_GET_SIZE(self.head)
        cdef EncodeError error
        while first < columns.count:
            rows = min(rows, columns.count - first, kMaxMolecules)
            while True:
                part = rows_of(columns.native, first, rows)
                error = plan_of(plan, part, start)
                if error == EncodeError.too_large and rows > 1:
                    rows //= 2
                    continue
                if error != EncodeError.none:
                    raise_encode_error(error, rows)
                if plan.end() <= max_bytes:
                    break
                if rows == 1:
                    raise ValueError(
                        f"max_bytes: {max_bytes}, but molecules[{first}] alone makes an event of "
                        f"{plan.end()} bytes"
                    )
                rows = max(1, min(rows - 1, rows * max_bytes // plan.end()))
            now = unix_nanoseconds()
            yield self.stamp(plan, rows, now, now)
            first += rows
            rows = rows + rows // 8 + 1


cdef inline void set_scalar(ScalarColumn* column, const void* value, Kind kind) noexcept:
    column.data = <const uint8_t*>value
    column.kind = kind


cdef int set_hash(uint8_t* to, object coordinate_hash) except -1:
    cdef Py_buffer view
    if isinstance(coordinate_hash, int):
        if not 0 <= coordinate_hash < HASH_LIMIT:
            raise ValueError(f"coordinate_hash: {coordinate_hash} does not fit into 128 bits")
        return atomwire_from_int128(coordinate_hash, to)
    if isinstance(coordinate_hash, np.integer):
        return set_hash(to, int(coordinate_hash))
    if not PyObject_CheckBuffer(coordinate_hash):
        raise TypeError(
            f"coordinate_hash: {coordinate_hash!r} is a {type(coordinate_hash).__name__}, not an "
            "int or 16 bytes"
        )
    try:
        PyObject_GetBuffer(coordinate_hash, &view, PyBUF_SIMPLE)
    except (BufferError, ValueError) as error:
        raise ValueError(f"coordinate_hash: must be 16 contiguous bytes: {error}") from None
    try:
        if view.len != 16:
            raise ValueError(f"coordinate_hash: {view.len} bytes, must be 16")
        memcpy(to, view.buf, 16)
    finally:
        PyBuffer_Release(&view)
    return 0


cdef uint64_t checked_mask(object mask) except? 0:
    if isinstance(mask, (bool, np.timedelta64)) or not isinstance(mask, (int, np.integer)):
        raise TypeError(f"security_mask: {mask!r} is a {type(mask).__name__}, not an int")
    try:
        return mask
    except OverflowError:
        raise ValueError(f"security_mask: {mask} does not fit into 64 bits without a sign") from None


cdef double checked_number(object value) except? -1:
    try:
        return value
    except OverflowError:
        raise ValueError(f"value: {value} does not fit into a float") from None
