"""Headers of the caller: checked in the call, before anything is queued."""

from types import MappingProxyType

import pytest

from atomwire.bus import EventBus
from atomwire.bus.publish.headers import message_headers, own_headers
from tests.support.bus import TOPIC, event


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        (None, None),
        ({}, None),
        ([], None),
        ({"a": "ü", "b": b"\x00\xff"}, [("a", "ü".encode()), ("b", b"\x00\xff")]),
        (MappingProxyType({"a": ""}), [("a", b"")]),
        ([("b", "1"), ("a", b"2"), ("b", "3")], [("b", b"1"), ("a", b"2"), ("b", b"3")]),
        ((["ä", "1"],), [("ä", b"1")]),
        ({"a": "1"}.items(), [("a", b"1")]),
    ],
)
def test_a_mapping_or_pairs(given, taken):
    assert own_headers(given) == taken


BAD = [
    ("a=b", TypeError, "headers='a=b': must be a mapping"),
    (b"a", TypeError, "headers=b'a': must be a mapping"),
    (7, TypeError, "headers=7: must be a mapping"),
    (["ab"], TypeError, "headers: 'ab' must be a pair"),
    ([("a", "b", "c")], TypeError, "must be a pair of a name and a value"),
    ([None], TypeError, "headers: None must be a pair"),
    ({b"a": "b"}, TypeError, r"headers\[b'a'\]: the name must be str, not bytes"),
    ({None: "b"}, TypeError, r"headers\[None\]: the name must be str"),
    ({"": "b"}, ValueError, r"headers\[''\]: the name must not be empty"),
    ({"a\0b": "b"}, ValueError, r"not hold a NUL"),
    ({"\ud800": "b"}, ValueError, r"headers\['\\ud800'\]: the name must be encodable as UTF-8"),
    ({"a": "\ud800"}, ValueError, r"headers\['a'\]='\\ud800': a text must be encodable as UTF-8"),
    ({"a": 1}, TypeError, r"headers\['a'\]: must be str or bytes, not int"),
    ({"a": bytearray(b"b")}, TypeError, r"headers\['a'\]: must be str or bytes, not bytearray"),
    ({"a": None}, TypeError, r"headers\['a'\]=None: must be str or bytes; leave the header out"),
]


@pytest.mark.parametrize(("given", "kind", "message"), BAD)
def test_what_is_wrong_is_named(given, kind, message):
    with pytest.raises(kind, match=message) as caught:
        own_headers(given)
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None


def test_a_long_value_is_not_shown_at_length():
    with pytest.raises(ValueError, match="headers") as caught:
        own_headers({"a" * 10_000: "\ud800" * 10_000})
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("with_headers", [False, True])
@pytest.mark.parametrize(("given", "kind", "message"), BAD[-5:])
def test_nothing_is_queued_before_all_are_checked(with_headers, given, kind, message):
    bus = EventBus("127.0.0.1:1", TOPIC, headers=with_headers)
    for call in (bus.publish, bus.submit):
        with pytest.raises(kind, match=message):
            call(event(), headers=[("good", "1"), *given.items()])
    assert bus.stats().accepted == 0
    bus.close(timeout=0)


def test_the_contracts_headers_give_way_to_the_callers():
    assert message_headers(event()) == [("type", b"1")]
    assert message_headers(event(), {"source": "excel"}) == [("type", b"1"), ("source", b"excel")]
    assert message_headers(event(), [("type", "9"), ("type", "8")]) == [
        ("type", b"9"),
        ("type", b"8"),
    ]
