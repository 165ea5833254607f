"""The codec's targets, each a ratio of two measurements of one run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

# Best time in nanoseconds for one molecule or call, by group and by who was measured.
Times: TypeAlias = dict[tuple[str, str], float]

INTO = "encode 10,000 molecules into a buffer"
NEW = "encode 10,000 molecules as new bytes"
CELL = "encode one molecule in one event"
MIXED = "encode 10,000 molecules of mixed kinds"
TEXTS = "encode 10,000 molecules with texts"
PEEK = "peek one coordinate_hash"
BATCH = "peek the hashes of 1,000 messages"
READ = "read 10,000 molecules into columns"
GROWTH = "growth"
THREADS = "threads"

BUILDER = "flatc's C++ builder, reused, -O2"
OURS_CELL = "atomwire Encoder.cell, fresh id and time"
AT_HAND = "atomwire, Molecules at hand"
NO_TEXTS = "atomwire, the same cells without their texts"


@dataclass(frozen=True)
class Target:
    """What must be reached: at most, or at least, `limit`."""

    what: str
    value: Callable[[Times], float]
    limit: float | None
    unit: str = "x"
    at_least: bool = False
    # What the same run says of a miss.
    reason: Callable[[Times], str] | None = None

    def met(self, times: Times) -> bool | None:
        """Tell whether it is met; None when there is no figure to meet."""
        if self.limit is None:
            return None
        value = self.value(times)
        return value >= self.limit if self.at_least else value <= self.limit

    def verdict(self, times: Times) -> str:
        """Return met, or missed and why, as far as the run tells."""
        met = self.met(times)
        if met is None:
            return "-"
        if met:
            return "met"
        return "**missed**" + (f": {self.reason(times)}" if self.reason else "")

    def wanted(self) -> str:
        """Return the limit as it is printed."""
        if self.limit is None:
            return "no figure"
        bound = "at least" if self.at_least else "at most"
        return f"{bound} {self.limit:,g}{self.unit}"


def ratio(group: str, over: str, under: str, under_group: str | None = None) -> Callable:
    """Return the quotient of two times."""
    return lambda times: times[group, over] / times[under_group or group, under]


def time_of(group: str, who: str) -> Callable:
    """Return a time itself."""
    return lambda times: times[group, who]


def growth(what: str) -> Callable:
    """Return the largest time a molecule from 100 on by the smallest."""

    def spread(times: Times) -> float:
        per_molecule = [times[GROWTH, f"{what} {n}"] for n in (100, 10_000, 100_000, 999_999)]
        return max(per_molecule) / min(per_molecule)

    return spread


def why_growth(times: Times) -> str:
    """Say what memory alone does to the same events."""
    call = times[GROWTH, "encode 1"]
    beside = times[GROWTH, "encode 999999"] / times[GROWTH, "memcpy 999999"]
    return (
        f"memcpy of the same events grows {growth('memcpy')(times):.3g}x, beyond the cache both "
        f"wait for memory (at 999,999 encode takes {beside:.2f}x memcpy); a call costs "
        f"{call:,.0f} ns, {call / 100:.1f} ns a molecule at 100"
    )


def why_decode_growth(times: Times) -> str:
    """Say what a call costs, and how flat it is from where that is spread."""
    call = times[GROWTH, "decode 1"]
    flat = times[GROWTH, "decode 999999"] / times[GROWTH, "decode 10000"]
    return (
        f"a decode costs {call:,.0f} ns for its Python objects, {call / 100:.0f} ns a molecule at "
        f"100; from 10,000 to 999,999 it grows {flat:.2f}x, memcpy "
        f"{times[GROWTH, 'memcpy 999999'] / times[GROWTH, 'memcpy 10000']:.2f}x"
    )


def why_gathered(times: Times) -> str:
    """Say what gathering adds."""
    own = times[READ, "atomwire, its own layout"]
    return (
        f"verifying and views are {own:.2f} ns; four columns are copied, and where runs are short "
        "the message is walked again for them"
    )


def texts_alone(times: Times) -> float:
    """Return what texts add to an event, by what copying their bytes takes."""
    added = times[TEXTS, "atomwire"] - times[TEXTS, NO_TEXTS]
    return added / times[TEXTS, "copy of the texts' bytes, one by one"]


TARGETS = (
    Target(
        "encode 10,000 into a buffer / memcpy",
        ratio(INTO, "atomwire", "memcpy of the same bytes"),
        3,
    ),
    # Like with like: the builder, too, has its columns at hand.
    Target("C++ builder -O2 / encode 10,000", ratio(INTO, BUILDER, AT_HAND), 15, at_least=True),
    Target(
        "C++ builder -O2 / make Molecules and encode 10,000", ratio(INTO, BUILDER, "atomwire"), None
    ),
    Target(
        "official Python / encode 10,000",
        ratio(NEW, "official Python flatbuffers", "atomwire", INTO),
        3000,
        at_least=True,
    ),
    Target(
        "encode 10,000 as new bytes / bytes(bytearray)",
        ratio(NEW, "atomwire", "bytes(bytearray) of that size"),
        2,
    ),
    Target(
        "encode one cell / msgspec MessagePack",
        ratio(CELL, OURS_CELL, "msgspec MessagePack, struct built, constant id and time"),
        1,
    ),
    Target(
        "official Python / encode one cell",
        ratio(CELL, "official Python flatbuffers, constant id and time", OURS_CELL),
        100,
        at_least=True,
    ),
    Target(
        "peek one hash / an empty call",
        ratio(PEEK, "atomwire", "an empty call into an extension"),
        2,
    ),
    Target(
        "official Python (AsNumpy) / peek one hash",
        ratio(PEEK, "official Python, AsNumpy", "atomwire"),
        100,
        at_least=True,
    ),
    Target("peek a batch, a message", time_of(BATCH, "atomwire"), 8, " ns"),
    Target("read own layout, a molecule", time_of(READ, "atomwire, its own layout"), 3, " ns"),
    Target(
        "read the builder's layout, a molecule",
        time_of(READ, "atomwire, the layout of flatc's builder"),
        3,
        " ns",
        reason=why_gathered,
    ),
    Target(
        "read records of different sizes, gathered, a molecule",
        time_of(READ, "atomwire, the builder's records of different sizes, gathered"),
        3,
        " ns",
        reason=why_gathered,
    ),
    Target("growth of encode, 100 to 999,999", growth("encode"), 1.5, reason=why_growth),
    Target("growth of memcpy, 100 to 999,999 (no target: the floor)", growth("memcpy"), None),
    Target("growth of decode, 100 to 999,999", growth("decode"), 1.5, reason=why_decode_growth),
    Target(
        "two threads / one thread, throughput",
        ratio(THREADS, "1 thread", "2 threads"),
        1.8,
        at_least=True,
    ),
    Target(
        "C++ builder -O2 / encode mixed numbers",
        ratio(MIXED, BUILDER, "atomwire"),
        10,
        at_least=True,
    ),
    Target("texts in an event / copy of their bytes", texts_alone, None),
)
