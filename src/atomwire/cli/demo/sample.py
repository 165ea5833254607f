"""Real planning data, out of the package bokeh_sampledata (extra ``demo``)."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from atomwire.cli.cells import TableLayout
from atomwire.cli.errors import CommandError


@dataclass(frozen=True, slots=True)
class Sample:
    """A table that the demo can send.

    Attributes
    ----------
    file : str
        Its name in bokeh_sampledata.
    about : str
        What it holds, in a few words.
    layout : TableLayout
        Which of its columns make a cell.
    chunk_rows : int
        How many rows are made into events at a time.
    """

    file: str
    about: str
    layout: TableLayout
    chunk_rows: int

    def path(self) -> Path:
        """Find the table in the installed package.

        The package is located but not imported: importing it would load pandas.
        """
        spec = find_spec("bokeh_sampledata")
        for folder in (spec and spec.submodule_search_locations) or ():
            path = Path(folder, "_data", self.file)
            if path.is_file():
                return path
        raise CommandError(
            f"{self.file} of the package bokeh_sampledata was not found: "
            "pip install 'atomwire[demo]'"
        )


SUPERSTORE = Sample(
    file="SampleSuperstore.csv.gz",
    about="sales of a chain of stores in the USA",
    layout=TableLayout(("Region", "State", "Category", "Sub-Category"), "Sales", "Region"),
    chunk_rows=1_000,
)

POPULATION = Sample(
    file="population.csv.gz",
    about="the world's population by age, 1950 to 2100",
    layout=TableLayout(("Location", "Year", "Sex", "AgeGrp"), "Value", "Location"),
    chunk_rows=10_000,
)
