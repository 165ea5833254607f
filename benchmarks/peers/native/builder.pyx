# cython: language_level=3, boundscheck=False, wraparound=False
"""flatc's C++ builder, called from Python the way atomwire is; and two floors to measure against."""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

cdef extern from *:
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL

cdef extern from "builder.hpp" nogil:
    cdef cppclass Column:
        const uint8_t* values
        const uint8_t* absent

    cdef cppclass Rows:
        uint64_t count
        const uint8_t* hashes
        Column numbers
        Column dates
        Column booleans
        Column timestamps
        Column masks
        const char** texts
        const uint32_t* text_sizes

    cdef cppclass EventBuilder:
        uint64_t build(const char*, const char*, int64_t, const Rows&) except +
        const uint8_t* data()
        uint64_t size()


cdef set_column(Column* to, object given, list held):
    cdef const uint8_t[::1] values
    cdef const uint8_t[::1] absent
    if given is None:
        return
    values = memoryview(given[0]).cast("B")
    held.append(values)
    to.values = &values[0]
    if given[1] is not None:
        absent = memoryview(given[1]).cast("B")
        held.append(absent)
        to.absent = &absent[0]


cdef class Builder:
    """Columns are pairs of contiguous values and absent rows (or None), texts a list of str."""

    cdef EventBuilder builder
    cdef Rows rows
    cdef list held
    cdef const char** texts
    cdef uint32_t* sizes

    def __cinit__(self, hashes, numbers=None, dates=None, booleans=None, timestamps=None,
                  masks=None, texts=None):
        cdef const uint8_t[::1] memory = memoryview(hashes).cast("B")
        cdef Py_ssize_t size
        self.held = [memory, texts]
        self.rows.count = memory.shape[0] // 16
        self.rows.hashes = &memory[0]
        set_column(&self.rows.numbers, numbers, self.held)
        set_column(&self.rows.dates, dates, self.held)
        set_column(&self.rows.booleans, booleans, self.held)
        set_column(&self.rows.timestamps, timestamps, self.held)
        set_column(&self.rows.masks, masks, self.held)
        if texts is not None:
            self.texts = <const char**>calloc(self.rows.count, sizeof(char*))
            self.sizes = <uint32_t*>calloc(self.rows.count, sizeof(uint32_t))
            for row in range(<Py_ssize_t>self.rows.count):
                if texts[row] is not None:
                    self.texts[row] = PyUnicode_AsUTF8AndSize(texts[row], &size)
                    self.sizes[row] = <uint32_t>size
            self.rows.texts = self.texts
            self.rows.text_sizes = self.sizes

    def __dealloc__(self):
        free(self.texts)
        free(self.sizes)

    def build(self, bytes tenant, bytes event_id, int64_t timestamp):
        """Build the event in the builder's own memory and return its size."""
        return self.builder.build(tenant, event_id, timestamp, self.rows)

    def result(self):
        """Return the event built last."""
        return (<const char*>self.builder.data())[:self.builder.size()]

    def copy_texts(self, uint8_t[::1] to):
        """Copy the texts one behind the other: the least that writing them can cost."""
        cdef uint64_t at = 0
        cdef uint64_t row
        for row in range(self.rows.count):
            if self.texts[row] != NULL:
                memcpy(&to[at], self.texts[row], self.sizes[row])
                at += self.sizes[row]
        return at


def empty(buf, Py_ssize_t index=0):
    """Do nothing: what a call into an extension costs by itself."""
