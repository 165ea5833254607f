"""Events, cells and columns for hypothesis."""

import numpy as np
from hypothesis import strategies as st

from support.cells import Cell, Fields

INT64 = st.integers(-(2**63), 2**63 - 1)
UINT64 = st.integers(0, 2**64 - 1)
UINT128 = st.integers(0, 2**128 - 1)
INT64_ENDS = INT64 | st.sampled_from([-(2**63), -1, 0, 1, 2**63 - 1])
UINT64_ENDS = UINT64 | st.sampled_from([0, 1, 2**63, 2**64 - 1])
HASHES = UINT128 | st.sampled_from([0, 1, 2**64 - 1, 2**64, 2**128 - 1])

# Every bit pattern: quiet and signalling NaNs, infinities, zeros of both signs.
FLOATS = UINT64_ENDS.map(lambda bits: float(np.uint64(bits).view(np.float64))) | st.floats()

# All of Unicode but surrogates, NUL among them, and now and then a very long one.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
LONG_TEXTS = st.builds(lambda text, times: text * times, TEXTS, st.integers(1, 3000))
ANY_TEXT = TEXTS | LONG_TEXTS | st.sampled_from(["", "#DIV/0!", "same", "same "])


def maybe(strategy):
    return st.none() | strategy


CELLS = st.builds(
    Cell,
    coordinate_hash=HASHES,
    numeric_value=maybe(FLOATS),
    text_commentary=maybe(ANY_TEXT),
    date_value=maybe(INT64_ENDS),
    boolean_value=maybe(st.booleans()),
    error_value=maybe(ANY_TEXT),
    timestamp=maybe(INT64_ENDS),
    security_mask=maybe(UINT64_ENDS),
)
SOME_CELLS = st.lists(CELLS, max_size=12).map(tuple)

EVENTS = st.builds(
    Fields,
    tenant_id=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30),
    type=st.integers(-128, 127),
    timestamp=INT64_ENDS,
    event_id=st.uuids().map(str),
    trace_id=maybe(st.text("0123456789abcdefABCDEF", min_size=32, max_size=32)),
    user_id=maybe(ANY_TEXT),
    molecules=maybe(SOME_CELLS),
    schema_payload=maybe(ANY_TEXT),
    region=maybe(ANY_TEXT),
)


@st.composite
def arranged(draw, values, dtype):
    """Return an array of these values in some memory layout: strides, byte order, alignment."""
    plain = np.array(values, dtype)
    if len(plain) == 0:
        return plain
    how = draw(
        st.sampled_from(
            ["plain", "reversed", "strided", "column", "swapped", "unaligned", "frozen", "spelt"]
        )
    )
    if how == "reversed":
        return np.ascontiguousarray(plain[::-1])[::-1]
    if how == "strided":
        step = draw(st.integers(2, 5))
        return np.repeat(plain, step)[::step]
    if how == "column":
        return np.stack([plain, plain, plain], axis=1)[:, draw(st.integers(0, 2))]
    if how == "swapped":
        return plain.astype(plain.dtype.newbyteorder(">"))
    if how == "spelt":
        return plain.astype(plain.dtype.newbyteorder("<"))
    if how == "unaligned":
        packed = np.zeros(len(plain), [("flag", "u1"), ("value", plain.dtype)])
        packed["value"] = plain
        return packed["value"]
    if how == "frozen":
        plain.flags.writeable = False
    return plain
