"""The pictures of the bus report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.bus.latency import Nanoseconds
from benchmarks.bus.rates import Pair

mpl.rcParams["svg.hashsalt"] = "atomwire"  # the same ids in every run
OURS, THEIRS = "#1f6feb", "#9aa4b2"


def latencies(measured: Mapping[str, Nanoseconds], path: Path) -> None:
    """Plot a histogram of the milliseconds from publish to peek, for each measurement."""
    figure, rows = plt.subplots(
        len(measured), 1, sharex=True, figsize=(7, 1.5 * len(measured) + 0.6), squeeze=False
    )
    highest = max(float(each.max()) for each in measured.values()) / 1e6
    bins = np.geomspace(0.1, max(highest, 20.0), 100)
    for axes, (name, values) in zip(rows[:, 0], measured.items(), strict=True):
        axes.hist(values / 1e6, bins=bins, color=OURS)
        for percentile, style in ((50, "-"), (99, "--")):
            at = float(np.percentile(values, percentile)) / 1e6
            axes.axvline(at, color="black", linewidth=0.8, linestyle=style)
        axes.set_title(f"{name} (line: p50, dashes: p99)", fontsize=9, loc="left")
        axes.set_xscale("log")
        axes.set_ylabel("events", fontsize=8)
    rows[-1, 0].set_xlabel("ms from publish to peek in another process")
    _save(figure, path)


def waits(measured: Mapping[str, Nanoseconds], path: Path) -> None:
    """Plot how many of the calls take longer than so long."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    for name, values in measured.items():
        ordered = np.sort(values) / 1e3
        longer = 1 - np.arange(len(ordered)) / len(ordered)
        axes.step(ordered, longer, where="post", label=name)
    axes.axvline(50, color="black", linewidth=0.8, linestyle="--")
    axes.axhline(0.001, color="black", linewidth=0.8, linestyle="--")
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("microseconds in publish (dashes: the target, p99.9 at 50)")
    axes.set_ylabel("share of calls that take longer")
    axes.legend(frameon=False)
    _save(figure, path)


def rates(pairs: Sequence[Pair], path: Path) -> None:
    """Plot events a second until the broker had acknowledged all, beside each peer."""
    figure, axes = plt.subplots(figsize=(7, 0.7 * len(pairs) + 0.8))
    names = [f"{pair.what}, {pair.broker}" for pair in pairs]
    for offset, side, color, label in (
        (-0.2, "ours", OURS, "atomwire"),
        (0.2, "theirs", THEIRS, "peer"),
    ):
        values = [np.median([each.acknowledged for each in getattr(p, side)]) for p in pairs]
        places = np.arange(len(pairs)) + offset
        axes.barh(places, values, height=0.38, color=color, label=label)
        for place, value, pair in zip(places, values, pairs, strict=True):
            what = pair.peer if side == "theirs" else ""
            axes.text(value, place, f" {value:,.0f} {what}", va="center", fontsize=8)
    axes.set_yticks(range(len(pairs)), names, fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.set_xlabel("events a second, to the last acknowledgement")
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def _save(figure: plt.Figure, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
