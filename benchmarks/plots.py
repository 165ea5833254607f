"""The report's pictures."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl

mpl.use("svg")
import matplotlib.pyplot as plt

from benchmarks.data import SIZES
from benchmarks.targets import CELL, GROWTH, INTO, MIXED, NEW, PEEK, READ, Times

mpl.rcParams["svg.hashsalt"] = "atomwire"  # the same ids in every run
OURS, THEIRS, FLOOR = "#1f6feb", "#9aa4b2", "#2da44e"


def growth(times: Times, path: Path) -> None:
    """Plot the time for one molecule against the number of molecules."""
    figure, axes = plt.subplots(figsize=(7, 3.6))
    series = (
        ("encode texts", "encode, a text in every row", "#bf8700"),
        ("encode mixed", "encode, mixed kinds and texts", "#d4638f"),
        ("encode", "encode numbers", OURS),
        ("memcpy", "memcpy of the same bytes", FLOOR),
        ("decode", "verify and read numbers", "#8250df"),
    )
    for key, label, color in series:
        axes.plot(
            SIZES, [times[GROWTH, f"{key} {n}"] for n in SIZES], "o-", label=label, color=color
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlabel("molecules in the event")
    axes.set_ylabel("ns a molecule")
    axes.grid(visible=True, which="major", alpha=0.3)
    axes.legend(frameon=False)
    save(figure, path)


def ratios(times: Times, path: Path) -> None:
    """Plot what peers take, by what atomwire takes."""
    bars = [
        (f"{title}: {who}", value / times[group, ours])
        for group, ours, title in (
            (INTO, "atomwire", "encode 10,000"),
            (NEW, "atomwire", "encode 10,000 as bytes"),
            (MIXED, "atomwire", "encode mixed"),
            (CELL, "atomwire Encoder.cell, fresh id and time", "encode one"),
            (PEEK, "atomwire", "peek"),
            (READ, "atomwire, its own layout", "read columns"),
        )
        for (name, who), value in times.items()
        if name == group and not who.startswith("atomwire")
    ]
    figure, axes = plt.subplots(figsize=(8, 0.32 * len(bars) + 0.8))
    names, values = zip(*reversed(bars), strict=True)
    axes.barh(names, values, color=[OURS if value >= 1 else THEIRS for value in values])
    for row, value in enumerate(values):
        shown = f"{value:,.0f}" if value >= 1_000 else f"{value:.3g}"
        axes.text(max(value, 1), row, f" {shown}x", va="center", fontsize=8)
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlim(right=max(values) * 6)
    axes.set_xlabel("time, as a multiple of atomwire's")
    axes.tick_params(axis="y", labelsize=8)
    save(figure, path)


def save(figure: plt.Figure, path: Path) -> None:
    """Write an SVG without the date, so that only changed figures change the file."""
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
