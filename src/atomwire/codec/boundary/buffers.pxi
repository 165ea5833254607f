# Buffers: the one place where they are acquired and released.

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

cdef extern from *:
    """
    // bytes, the usual case, need no export: the caller's reference keeps them in place.
    static inline int atomwire_acquire(PyObject* source, Py_buffer* view, atomwire::Bytes* memory) {
      if (PyBytes_CheckExact(source)) {
        view->obj = nullptr;
        memory->data = reinterpret_cast<const uint8_t*>(PyBytes_AS_STRING(source));
        memory->size = static_cast<uint64_t>(PyBytes_GET_SIZE(source));
        return 0;
      }
      if (!PyObject_CheckBuffer(source)) {
        PyErr_Format(PyExc_TypeError, "buf: a %.200s is not a bytes-like object",
                     Py_TYPE(source)->tp_name);
        return -1;
      }
      if (PyObject_GetBuffer(source, view, PyBUF_SIMPLE) < 0) return -1;
      memory->data = static_cast<const uint8_t*>(view->buf);
      memory->size = static_cast<uint64_t>(view->len);
      return 0;
    }
    static inline void atomwire_release(Py_buffer* view) {
      if (view->obj != nullptr) PyBuffer_Release(view);
    }
    """
    int acquire "atomwire_acquire"(object, Py_buffer*, Bytes*) except -1
    void release "atomwire_release"(Py_buffer*) noexcept

# Below this many molecules a call is shorter than giving the GIL away and taking it back.
cdef uint64_t RELEASE_GIL_FROM = 1000
cdef uint64_t RELEASE_GIL_FROM_BYTES = 64 * RELEASE_GIL_FROM


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
