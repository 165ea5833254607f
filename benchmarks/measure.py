"""One way to measure and to name what was measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

# Calls that take nanoseconds are timed by the thousand, in the loop that a caller would write.
CALLS = 1_000


def measure(
    benchmark: Any, group: str, who: str, function: Callable[[], Any], *, each: int = 1
) -> None:
    """Time `function`, which does `each` things (molecules, calls) at once.

    The report finds a measurement by its group and by `who` was measured.
    """
    benchmark.group = group
    benchmark.extra_info.update(who=who, each=each)
    benchmark(function)


def measure_calls(
    benchmark: Any, group: str, who: str, function: Callable[[Any], Any], arguments: Iterable[Any]
) -> None:
    """Time calls of `function` with one argument each."""
    given = list(arguments)

    def loop() -> None:
        for argument in given:
            function(argument)

    measure(benchmark, group, who, loop, each=len(given))
