"""Event types: the schema's values, and numbers that only newer writers know."""

import copy
import pickle

import pytest

import atomwire
from atomwire import EventType


def test_the_values_are_those_of_the_wire():
    assert {kind.name: int(kind) for kind in EventType} == {
        "UNKNOWN": 0,
        "MOLECULE_WRITE": 1,
        "CALC_REQUEST": 2,
        "SCHEMA_CHANGE": 3,
        "HEARTBEAT": 4,
    }


@pytest.mark.parametrize("kind", list(EventType))
def test_a_known_type_comes_back_as_its_member(kind):
    assert atomwire.peek_type(atomwire.encode("acme", type=kind)) is kind


@pytest.mark.parametrize("number", [-128, -1, 5, 127])
def test_an_unknown_number_becomes_a_member_of_its_own(number):
    kind = atomwire.peek_type(atomwire.encode("acme", type=number))
    assert isinstance(kind, EventType)
    assert kind == number
    assert int(kind) == kind.value == number
    assert kind.name == f"TYPE_{number}"
    assert kind == EventType(number)
    assert hash(kind) == hash(EventType(number))
    assert kind not in list(EventType)
    assert pickle.loads(pickle.dumps(kind)) == copy.copy(kind) == kind
    assert atomwire.peek_type(atomwire.encode("acme", type=kind)) == number


@pytest.mark.parametrize("value", [-129, 128, "HEARTBEAT", None, 1.5])
def test_what_does_not_fit_into_the_wire_is_no_type(value):
    with pytest.raises(ValueError, match="is not a valid EventType"):
        EventType(value)
