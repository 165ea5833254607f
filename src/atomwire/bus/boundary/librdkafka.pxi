# librdkafka itself, which confluent-kafka brings along: where it is, and its words.

cdef extern from "api.hpp" namespace "atomwire::rdkafka" nogil:
    const char* load(const char*)
    const char* error_text "atomwire::rdkafka::api().error_text"(int)


def missing_from(str path not None):
    """Find librdkafka through a loaded module; return what it lacks, None when all is there."""
    encoded = path.encode()
    name = load(encoded)
    return None if name is NULL else name.decode()


cdef int load_librdkafka() except -1:
    import confluent_kafka.cimpl

    missing = missing_from(confluent_kafka.cimpl.__file__)
    if missing is not None:
        raise ImportError(
            f"no {missing} in confluent-kafka {confluent_kafka.__version__}: the bus needs one "
            "that is linked with librdkafka dynamically, as its wheels are"
        )
    return 0


def reason_of(int error):
    """Return librdkafka's words for an error code."""
    return error_text(error).decode("utf-8", "replace")


cdef bytes c_text(str text):
    if "\0" in text:
        raise ValueError("a property or the topic holds a NUL")
    return text.encode()
