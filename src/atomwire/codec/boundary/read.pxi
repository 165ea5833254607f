# Verifying a message, and reading its columns.

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


cdef class MessageLayout:
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
    """Verify a message and return its `MessageLayout`."""
    layout = MessageLayout()
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


cdef int copy_kept(object buf, MessageLayout layout, const GatheredColumns& columns) except -1:
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


def gather(buf, MessageLayout layout not None, dict values, dict absent):
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
                text = str_of(rows[row], memory, name)
                seen[position] = text
            found[row] = text
        return found
    finally:
        PyMem_Free(rows)
        release(&view)
