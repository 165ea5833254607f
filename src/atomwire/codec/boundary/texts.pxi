# Texts in UTF-8, on their way in and out.

from cpython.unicode cimport PyUnicode_DecodeUTF8

cdef extern from *:
    const char* PyUnicode_AsUTF8AndSize(object, Py_ssize_t*) except NULL


cdef str str_of(const Text& text, const Bytes& memory, str field):
    try:
        return PyUnicode_DecodeUTF8(text.data, <Py_ssize_t>text.size, NULL)
    except UnicodeDecodeError as error:
        position = <uint64_t>(<const uint8_t*>text.data - memory.data) + <uint64_t>error.start
        raise InvalidEventError(field, position, "the string is not UTF-8") from None


cdef const char* utf8(object text, Py_ssize_t* size, str field, object row=None) except NULL:
    # The UTF-8 lives inside the str, which the caller keeps alive.
    if not isinstance(text, str):
        raise wrong_type(field, text, "a str")
    try:
        return PyUnicode_AsUTF8AndSize(text, size)
    except UnicodeEncodeError as error:
        where = field if row is None else f"{field}[{row}]"
        raise ValueError(f"{where}: {shown(text)} cannot be UTF-8: {error.reason}") from None


cdef int set_text(Text* to, object text, str field) except -1:
    cdef Py_ssize_t size = 0
    if text is not None:
        to.data = utf8(text, &size, field)
        to.size = <uint64_t>size
    return 0
