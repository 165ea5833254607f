"""An argument of a wrong type is named, with its value and its type."""

import re

import numpy as np
import pytest

import atomwire
from atomwire import Encoder, Molecules

EVENT = Encoder("acme").cell(1, 1.5)
MOLECULES = Molecules([1], numeric_value=1.5)
WRONG = [5, 1.5, b"bytes", ["list"], ("tuple",), object()]


def refused(call, name, wrong):
    shown = f"{name}: {wrong!r} is a {type(wrong).__name__}, not "
    with pytest.raises(TypeError, match=re.escape(shown)):
        call(wrong)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda it: type(it).__name__)
@pytest.mark.parametrize(
    "name",
    ["tenant_id", "event_id", "trace_id", "user_id", "region", "schema_payload", "molecules"],
)
def test_of_an_event(name, wrong):
    given = {"tenant_id": "acme", "molecules": MOLECULES}
    for call in (atomwire.encode, atomwire.encoded_size):
        refused(lambda it, call=call: call(**(given | {name: it})), name, wrong)
    refused(lambda it: atomwire.encode_into(bytearray(999), **(given | {name: it})), name, wrong)
    if name in ("tenant_id", "user_id", "region", "trace_id"):
        refused(lambda it: Encoder(**({"tenant_id": "acme"} | {name: it})), name, wrong)


@pytest.mark.parametrize("wrong", ["5", 1.5, None, [5]])
def test_of_a_cell(wrong):
    cell = Encoder("acme").cell
    refused(lambda it: cell(it, 1.5), "coordinate_hash", wrong)
    if wrong is not None:
        refused(lambda it: cell(1, 1.5, timestamp=it), "timestamp", wrong)
        refused(lambda it: cell(1, 1.5, security_mask=it), "security_mask", wrong)
    refused(lambda it: cell(1, it), "value", [wrong])
    refused(lambda it: atomwire.peek_coordinate_hash(EVENT, it), "index", wrong)


@pytest.mark.parametrize("wrong", ["str", 5, None, ["list"], object()])
@pytest.mark.parametrize(
    "call",
    [
        *(getattr(atomwire, name) for name in atomwire.__all__ if name.startswith("peek_")),
        atomwire.verify,
        atomwire.decode,
    ],
    ids=lambda it: getattr(it, "__name__", ""),
)
def test_of_what_is_read(call, wrong):
    if call is not atomwire.peek_batch:
        with pytest.raises(TypeError, match=f"buf: a {type(wrong).__name__} is not a bytes-like"):
            call(wrong)
        return
    with pytest.raises(TypeError, match=rf"bufs\[1\]: a {type(wrong).__name__} is neither"):
        call([EVENT, wrong])
    if not hasattr(wrong, "__iter__"):
        refused(call, "bufs", wrong)


def test_what_is_shown_is_short():
    with pytest.raises(TypeError, match=r"^user_id: b'xxx.{80,250}\.\.\. is a bytes, not a str$"):
        Encoder("acme", user_id=b"x" * 10_000)
    # Python itself does not write such a number.
    with pytest.raises(ValueError, match=r"^value: <int> does not fit into a float$"):
        Encoder("acme").cell(1, 10**10_000)
    with pytest.raises(ValueError, match=r"^coordinate_hash: <int> does not fit into 128 bits$"):
        Encoder("acme").cell(10**10_000, 1.5)


DURATION = np.timedelta64(5, "ns")  # an integer by its class


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("timestamp", lambda: atomwire.encode("acme", type=4, timestamp=DURATION)),
        ("coordinate_hash", lambda: atomwire.Encoder("acme").cell(DURATION, 1)),
        ("value", lambda: atomwire.Encoder("acme").cell(1, DURATION)),
        ("security_mask", lambda: atomwire.Encoder("acme").cell(1, 1, security_mask=DURATION)),
        ("coordinate_hash", lambda: Molecules([DURATION])),
        ("security_mask", lambda: Molecules([1], security_mask=[DURATION])),
        ("timestamp", lambda: Molecules([1], timestamp=[DURATION])),
        ("index", lambda: Molecules([1, 2])[DURATION]),
    ],
)
def test_a_duration_of_numpy_is_no_integer(name, call):
    with pytest.raises((TypeError, ValueError), match=name):
        call()


def test_a_bus_whose_init_was_left_out_says_so():
    bus = atomwire.EventBus.__new__(atomwire.EventBus)
    for call in (lambda: bus.write("acme", 1, 1.0), lambda: bus.publish(EVENT)):
        with pytest.raises(AttributeError):
            call()
