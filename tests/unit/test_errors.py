"""Errors travel: between processes and in copies they keep what they say and know."""

import copy
import pickle

import pytest

from atomwire import InvalidEventError
from atomwire.bus import errors
from atomwire.coordinates import MemberError


def with_accepted(error):
    error.accepted = 7
    return error


def with_note(error):
    error.add_note("seen on the way")
    return error


ERRORS = [
    *(
        getattr(errors, name)("what happened")
        for name in errors.__all__
        if name != "DeliveryError" and not issubclass(getattr(errors, name), errors.PublishError)
    ),
    with_accepted(errors.PublishError("not taken")),
    with_accepted(errors.BusFullError("not taken")),
    with_accepted(errors.EventTooLargeError("not taken")),
    with_accepted(errors.SpoolError("not taken")),
    errors.DeliveryError("given up", 3, {"acme": 2, "other": 1}),
    with_note(errors.DeliveryError("given up", 1, {"acme": 1})),
    InvalidEventError("molecules[3].coordinate_hash", 40, "is missing"),
    MemberError(1, 5, "a\x1fb", "contains U+001F"),
    MemberError(0, None, 7, "is of type int"),
]


def test_every_error_of_the_bus_is_tried():
    assert {getattr(errors, name) for name in errors.__all__} <= {type(each) for each in ERRORS}


def through_pickle(protocol):
    return lambda error: pickle.loads(pickle.dumps(error, protocol))


@pytest.mark.parametrize(
    "journey",
    [*(through_pickle(protocol) for protocol in range(2, 6)), copy.copy, copy.deepcopy],
    ids=[*map(str, range(2, 6)), "copy", "deepcopy"],
)
@pytest.mark.parametrize("error", ERRORS, ids=lambda each: type(each).__name__)
def test_an_error_keeps_what_it_knows(error, journey):
    arrived = journey(error)
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert vars(arrived) == vars(error)
