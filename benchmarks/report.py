"""Turns a run of pytest-benchmark into a page: `python -m benchmarks.report RUN.json FOLDER`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import plots
from benchmarks.targets import TARGETS, Times


def times_of(run: dict[str, Any]) -> Times:
    """Return the minimum of the rounds, in nanoseconds for one molecule or call."""
    return {
        (each["group"], each["extra_info"]["who"]): each["stats"]["min"]
        * 1e9
        / each["extra_info"]["each"]
        for each in run["benchmarks"]
    }


def number(value: float) -> str:
    """Return three digits that matter."""
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def table(headings: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [headings, ["---"] * len(headings), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def targets_table(times: Times) -> str:
    """Return the targets with what was measured."""
    rows = [
        [each.what, number(each.value(times)) + each.unit, each.wanted(), each.verdict(times)]
        for each in TARGETS
    ]
    return table(["what", "measured", "target", ""], rows)


def group_table(group: str, times: Times) -> str:
    """Return all measurements of one group, fastest first."""
    own = sorted((value, who) for (name, who), value in times.items() if name == group)
    fastest = own[0][0]
    rows = [[who, number(value) + " ns", number(value / fastest) + "x"] for value, who in own]
    return table(["", "one molecule or call", "of the fastest"], rows)


def machine_of(run: dict[str, Any]) -> str:
    """Return where and when the run was made."""
    info = run["machine_info"]
    cpu = info["cpu"]
    return (
        f"{cpu.get('brand_raw', info['processor'])}, {cpu.get('count', '?')} CPUs, "
        f"{info['system']} {info['release']}, Python {info['python_version']}, "
        f"{run['datetime'][:16].replace('T', ' ')} UTC"
    )


def page(run: dict[str, Any], times: Times) -> str:
    """Return the report in Markdown."""
    groups = list(dict.fromkeys(group for group, _ in times))
    parts = [
        "# Benchmarks of the codec",
        f"{machine_of(run)}. Minimum of the rounds; every benchmark asserts its result first. "
        "`make bench` makes this page.",
        "## Targets",
        targets_table(times),
        "![Time against size](growth.svg)",
        "![Ratios](ratios.svg)",
        "## Everything that was measured",
    ]
    for group in groups:
        parts += [f"### {group}", group_table(group, times)]
    return "\n\n".join(parts) + "\n"


def main(run_file: str, folder: str) -> None:
    """Write the page and its plots, and print the targets."""
    run = json.loads(Path(run_file).read_text())
    times = times_of(run)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    (target / "codec.md").write_text(page(run, times))
    plots.growth(times, target / "growth.svg")
    plots.ratios(times, target / "ratios.svg")
    print(targets_table(times))
    print(f"\nThe whole report: {target / 'codec.md'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
