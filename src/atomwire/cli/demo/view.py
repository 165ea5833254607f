"""How the demo's result looks to a person: the way, some cells, the numbers, the verdict."""

from collections.abc import Iterable
from itertools import chain

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from atomwire.cli.demo.result import Example, Result

_WIDTH = 80
_ARROW = Text("\n\n─▶", style="cyan")


def show(console: Console, result: Result) -> None:
    """Print the result within 80 columns."""
    for part in (_title(result), _way(result), _cells(result), _numbers(result), _verdict(result)):
        # A wider terminal would only pull the tables apart.
        console.print(part, width=min(_WIDTH, console.width))


def _title(result: Result) -> RenderableType:
    return Text.assemble(
        ("\n atomwire demo", "bold"), f"  {result.about}\n", (f" {result.file}\n", "dim")
    )


def _way(result: Result) -> RenderableType:
    """Draw the stations that the data passes, with what was counted at each."""
    grid = Table.grid()
    grid.add_row(
        _station("rows", f"{result.rows:,}", "from CSV"),
        _ARROW,
        _station("codec", f"{result.events:,}", "events"),
        _ARROW,
        _station("broker", f"{result.bytes / 1e6:,.2f} MB", f"partition {result.partition}"),
        _ARROW,
        _station("consumer", f"{result.batches:,}", "batches"),
        _ARROW,
        _station("cells", f"{result.cells:,}", "distinct"),
    )
    return grid


def _station(name: str, amount: str, unit: str) -> RenderableType:
    text = Text.assemble((f"{amount}\n", "bold"), (unit, "dim"), justify="center")
    return Panel(text, title=name, width=14, padding=0, border_style="cyan")


def _cells(result: Result) -> RenderableType:
    """List some cells: what they are called, what a peek found, what was read back."""
    table = Table(box=SIMPLE_HEAD, expand=True, pad_edge=False, header_style="bold")
    table.add_column(_two_lines(result.examples[0].members), ratio=1)
    table.add_column("event\nmolecule", justify="right", style="dim", no_wrap=True)
    table.add_column("coordinate_hash\nfound by a peek", style="cyan", no_wrap=True)
    table.add_column("sent\nread back", justify="right", no_wrap=True)
    for example in result.examples:
        table.add_row(*_cell(example))
    return table


def _cell(example: Example) -> tuple[RenderableType, ...]:
    digits = example.coordinate_hash
    return (
        _two_lines(example.members.values()),
        f"{example.event:,}\n{example.molecule:,}",
        f"{digits[:16]}\n{digits[16:]}",
        Text.assemble(f"{example.sent:,.12g}\n", (f"{example.read:,.12g}", "bold green")),
    )


def _two_lines(names: Iterable[str]) -> Text:
    words = list(names)
    half = (len(words) + 1) // 2
    return Text("\n".join(" · ".join(line) for line in (words[:half], words[half:])))


def _numbers(result: Result) -> RenderableType:
    latency = result.latency
    left = {
        "events": f"{result.events:,}",
        "molecules": f"{result.molecules:,}",
        "bytes": f"{result.bytes:,}",
        "bytes a molecule": f"{result.bytes / result.molecules:,.1f}",
        "seconds": f"{result.seconds:,.2f}",
    }
    right = {
        "encode a molecule": f"{result.encode_ns_per_molecule:,.0f} ns",
        "publish to consumer, p50": f"{latency.p50_ms:,.1f} ms",
        "p99": f"{latency.p99_ms:,.1f} ms",
        "longest": f"{latency.max_ms:,.1f} ms",
        "the bus lingers, at most": f"{result.linger_ms:,.1f} ms",
    }
    table = Table.grid(padding=(0, 3))
    for _ in ("left", "right"):
        table.add_column(style="dim")
        table.add_column(justify="right", style="bold")
    for pair in zip(left.items(), right.items(), strict=True):
        table.add_row(*chain.from_iterable(pair))
    return Padding(table, (0, 1))


def _verdict(result: Result) -> RenderableType:
    if result.complete:
        return Text(
            f"\n ✓ all {result.rows:,} cells read back equal to the rows sent, in their order\n",
            style="bold green",
        )
    return Text(
        f"\n ✗ {result.equal:,} of {result.rows:,} rows read back equal "
        f"({result.arrived:,} molecules arrived)\n",
        style="bold red",
    )
