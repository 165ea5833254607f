# One cell on its way into an event: the one place that tells its value's type.

from cpython.long cimport PyLong_CheckExact
from datetime import date as date_type

cdef tuple BOOLEANS = (bool, np.bool_)
cdef tuple NUMBERS = (int, float, np.integer, np.floating)
cdef tuple DATES = (date_type, np.datetime64)
cdef object TIMEDELTA = np.timedelta64


cdef int fill_cell(Cell& cell, object coordinate_hash, object value, object timestamp,
                   object security_mask) except -1:
    """Take a cell as a caller gives it. A text stays where it is: in the str `value`."""
    fill_hash(cell.hash, coordinate_hash)
    if type(value) is float:
        cell.kind = CellKind.number
        cell.number = value
    elif value is not None:
        fill_value(cell, value)
    if timestamp is not None:
        cell.timestamp = nanoseconds(timestamp)
        cell.has_timestamp = True
    if security_mask is not None:
        cell.mask = checked_mask(security_mask)
        cell.has_mask = True
    return 0


cdef int fill_value(Cell& cell, object value) except -1:
    if isinstance(value, BOOLEANS):
        cell.kind = CellKind.boolean
        cell.truth = bool(value)
    elif isinstance(value, NUMBERS) and not isinstance(value, TIMEDELTA):
        cell.kind = CellKind.number
        cell.number = checked_number(value)
    elif isinstance(value, CellError):
        cell.kind = CellKind.error
        set_text(&cell.text, value, "error_value")
    elif isinstance(value, str):
        cell.kind = CellKind.text
        set_text(&cell.text, value, "text_commentary")
    elif isinstance(value, DATES):
        cell.kind = CellKind.date
        cell.date = unix_nanoseconds_of(value, "date_value")
    else:
        raise wrong_type("value", value, "a float, str, bool, datetime or CellError")
    return 0


cdef int fill_hash(uint8_t* to, object coordinate_hash) except -1:
    cdef Py_buffer view
    if not PyLong_CheckExact(coordinate_hash) and is_integer(coordinate_hash):
        coordinate_hash = int(coordinate_hash)
    if PyLong_CheckExact(coordinate_hash):
        try:
            return from_int128(coordinate_hash, to)
        except OverflowError:
            raise ValueError(
                f"coordinate_hash: {shown(coordinate_hash)} does not fit into 128 bits"
            ) from None
    if not PyObject_CheckBuffer(coordinate_hash):
        raise wrong_type("coordinate_hash", coordinate_hash, "an int or 16 bytes")
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
    if not PyLong_CheckExact(mask) and (isinstance(mask, bool) or not is_integer(mask)):
        raise wrong_type("security_mask", mask, "an int")
    try:
        return mask
    except OverflowError:
        raise ValueError(
            f"security_mask: {shown(mask)} does not fit into 64 bits without a sign"
        ) from None


cdef double checked_number(object value) except? -1:
    try:
        return value
    except OverflowError:
        raise ValueError(f"value: {shown(value)} does not fit into a float") from None


cdef int64_t nanoseconds(object moment) except? -1:
    if type(moment) is int and -0x8000000000000000 <= moment <= 0x7FFFFFFFFFFFFFFF:
        return moment
    return unix_nanoseconds_of(moment)
