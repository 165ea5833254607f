"""The checker finds what it is to find."""

from __future__ import annotations

import pytest

from tests.broker.ledger import Arrival, Ledger, problems
from tests.broker.writer import Line

LINE = Line("acme", "1")


def arrival(number: int, **change: object) -> Arrival:
    value = f"event {number}".encode()
    return Arrival(LINE, number, f"id-{number}", 0, value)._replace(**change)


def found(numbers: list[int], **ledger: object) -> str:
    accepted = {number: f"id-{number}" for number in range(5)}
    promised = Ledger(accepted, **ledger)
    return "; ".join(problems({LINE: promised}, [arrival(number) for number in numbers]))


@pytest.mark.parametrize(
    ("numbers", "ledger"),
    [
        ([0, 1, 2, 3, 4], {}),
        ([0, 1, 2, 1, 2, 3, 4], {}),
        ([0, 1, 2, 3, 4, 3, 4], {}),
        ([0, 1, 1, 2, 2, 3, 4], {}),
        ([0, 1, 3, 4], {"given_up": {2}}),
        ([0, 1, 2, 3, 4, 5], {"killed": True}),
        ([0, 1, 2, 3, 4, 1, 2], {"killed": True}),
        ([0, 3, 4], {"complete": False}),
        ([], {"complete": False}),
    ],
)
def test_a_kept_promise(numbers: list[int], ledger: dict[str, object]) -> None:
    assert found(numbers, **ledger) == ""


@pytest.mark.parametrize(
    ("numbers", "ledger", "problem"),
    [
        ([0, 1, 3, 4], {}, "lost 1 of 5: [2]"),
        ([], {}, "lost 5 of 5"),
        ([0, 2, 1, 3, 4], {}, "out of order: 2 after 0"),
        ([0, 1, 2, 3, 4, 2], {}, "out of order: ends with 2, not 4"),
        ([0, 1, 2, 3, 1, 4], {}, "out of order: 4 after 1"),
        ([0, 1, 2, 3, 4], {"given_up": {2}}, "given up, and yet there: [2]"),
        ([0, 1, 2, 3, 4, 5], {}, "1 events that were not accepted"),
        ([0, 1, 2, 3, 4, 6], {"killed": True}, "1 events that were not accepted"),
        ([0, 1, 3, 2, 3, 4], {"killed": True}, "out of order: 3 after 1"),
        ([0, 1, 3, 4], {"killed": True}, "lost 1 of 5: [2]"),
        ([3, 0, 4], {"complete": False}, "out of order: 3 after -1"),
    ],
)
def test_a_broken_promise(numbers: list[int], ledger: dict[str, object], problem: str) -> None:
    assert problem in found(numbers, **ledger)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"partition": 1}, "in several partitions"),
        ({"event_id": "id-5"}, "number 4 has two ids"),
        ({"value": b"another"}, "two events with the id id-4"),
        ({"line": Line("acme", "2")}, "is nobody's"),
    ],
)
def test_a_strange_event(change: dict[str, object], problem: str) -> None:
    ledger = Ledger({number: f"id-{number}" for number in range(5)})
    arrivals = [*map(arrival, range(5)), arrival(4, **change)]
    assert problem in "; ".join(problems({LINE: ledger}, arrivals))
