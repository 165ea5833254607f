# Peeking: one field of a raw message, by the checked path to it.

from cpython.number cimport PyNumber_AsSsize_t

cdef object FIRST = 0


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
        return str_of(text, memory, EVENT_FIELDS[<int>field])
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
        row = row_number(index)
    acquire(buf, &view, &memory)
    if peek_hash(memory, row, found, fault):
        number = int128(found)
        release(&view)
        return number
    release(&view)
    raise_fault(fault, memory.size)


cdef Py_ssize_t row_number(object index) except? -1:
    try:
        return PyNumber_AsSsize_t(index, IndexError)
    except TypeError:
        raise wrong_type("index", index, "an int") from None


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
        bufs = list(iterated(bufs))
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


cdef object iterated(object bufs):
    try:
        return iter(bufs)
    except TypeError:
        raise wrong_type("bufs", bufs, "an iterable of messages") from None


cdef int raise_batch_fault(const Fault& fault, uint64_t size, Py_ssize_t number) except -1:
    if fault.reason == Reason.index:
        raise IndexError(f"bufs[{number}]: the event has no molecules")
    try:
        raise_fault(fault, size)
    except InvalidEventError as error:
        raise InvalidEventError(f"bufs[{number}].{error.field}", error.position, error.reason) from None
