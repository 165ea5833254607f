# Columns on their way into an event.

from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF


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


cdef class HeldColumns:
    """The memory of a Molecules' columns, held in place for as long as this object lives.

    Takes what `Molecules` has brought into shape: for each field in the order of the schema None or
    a pair of values and absent rows. Values are one array a field: uint64[n, 2] hashes, numeric
    arrays of native byte order, bool arrays, object arrays of str and None. An array may have got
    another shape since then, so each is looked at again.
    """

    cdef MoleculeColumns native
    cdef list held
    cdef Text* texts_of[2]
    cdef readonly uint64_t count

    def __cinit__(self, uint64_t count, tuple columns):
        self.held = []
        self.count = self.native.count = count
        self.take_hashes(columns[0][0])
        self.take_scalars(columns[1], &self.native.wide[0], "numeric_value")
        self.take_scalars(columns[3], &self.native.wide[1], "date_value")
        self.take_scalars(columns[6], &self.native.wide[2], "timestamp")
        self.take_scalars(columns[7], &self.native.wide[3], "security_mask")
        self.take_scalars(columns[4], &self.native.boolean, "boolean_value")
        self.take_texts(columns[2], 0, "text_commentary")
        self.take_texts(columns[5], 1, "error_value")

    def __dealloc__(self):
        PyMem_Free(self.texts_of[0])
        PyMem_Free(self.texts_of[1])

    cdef Buffer keep(self, object values, int dimensions, str field):
        buffer = hold(values, PyBUF_RECORDS_RO)
        if buffer.view.ndim != dimensions or <uint64_t>buffer.view.shape[0] != self.count:
            raise ValueError(f"{field}: the array has another shape than when it was given")
        self.held.append(buffer)
        return buffer

    cdef int take_hashes(self, object values) except -1:
        buffer = self.keep(values, 2, "coordinate_hash")
        if buffer.view.shape[1] != 2 or buffer.view.strides[1] != 8 or buffer.view.itemsize != 8:
            raise ValueError("coordinate_hash: the array has another shape than when it was given")
        self.native.hash.data = <const uint8_t*>buffer.view.buf
        self.native.hash.stride = buffer.view.strides[0]
        return 0

    cdef int take_scalars(self, object column, ScalarColumn* to, str field) except -1:
        if column is None:
            return 0
        values, absent = column
        buffer = self.keep(values, 1, field)
        to.data = <const uint8_t*>buffer.view.buf
        to.stride = buffer.view.strides[0]
        kind_of(buffer.view, &to.kind)
        if absent is not None:
            buffer = self.keep(absent, 1, field)
            to.absent = <const uint8_t*>buffer.view.buf
            to.absent_stride = buffer.view.strides[0]
        return 0

    cdef int take_texts(self, object column, int number, str field) except -1:
        if column is None:
            return 0
        values = column[0]
        cdef bint constant = values.strides[0] == 0
        # The strs themselves are held, as their UTF-8 lives in them: an array can be written to.
        cdef list texts = values[:1].tolist() if constant else values.tolist()
        cdef uint64_t rows = <uint64_t>len(texts)
        cdef Text* to
        cdef uint64_t row
        cdef Py_ssize_t size = 0
        if rows != (min(self.count, 1) if constant else self.count):
            raise ValueError(f"{field}: the array has another shape than when it was given")
        self.held.append(texts)
        to = <Text*>PyMem_Calloc(max(rows, 1), sizeof(Text))
        if to == NULL:
            raise MemoryError
        self.texts_of[number] = to
        for row in range(rows):
            text = texts[row]
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
        if text is not None and (isinstance(text, str) or not is_missing(text)):
            if not isinstance(text, str):
                raise wrong_type(f"{field}[{row}]", text, "a str or None")
            any_present = True
            before = to[row]
            Py_INCREF(text)
            to[row] = <PyObject*>text
            Py_XDECREF(before)
        row += 1
    values.flags.writeable = False
    return values, any_present


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
