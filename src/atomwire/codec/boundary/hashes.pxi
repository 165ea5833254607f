# Hashes of 128 bits, as Python has them.

cdef extern from *:
    """
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
    object int128 "atomwire_int128"(const unsigned char*)
    int from_int128 "atomwire_from_int128"(object, unsigned char*) except -1


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
