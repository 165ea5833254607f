# Errors: the one place where native codes become exceptions.

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


cdef str shown(object value):
    """A value as errors show it: on one line, and no longer than that."""
    try:
        text = repr(value)
    except Exception:  # an int of more digits than Python writes
        return f"<{type(value).__name__}>"
    return text if len(text) <= 200 else f"{text[:200]}..."


cdef object wrong_type(str field, object value, str wanted):
    return TypeError(f"{field}: {shown(value)} is a {type(value).__name__}, not {wanted}")


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
