"""`atomwire demo`: every row of the sample comes back, and the output can be read by anybody."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from atomwire import Molecules, encode
from atomwire.cli.cells import RegionCells, cells
from atomwire.cli.demo.comparison import Comparison
from atomwire.cli.demo.listener import Arrival
from atomwire.cli.demo.sample import POPULATION, SUPERSTORE
from atomwire.cli.rows import read_rows
from atomwire.coordinates import coordinate_hash
from tests.support.interrupts import hear_ctrl_c

COMMAND = [sys.executable, "-c", "from atomwire.cli import main; main()", "demo"]


def demo(*options, **environment):
    # Clean of whatever the machine running the tests says about its terminal.
    return subprocess.run(
        [*COMMAND, *options],
        capture_output=True,
        encoding="utf-8",
        check=False,
        env={"PATH": "", "PYTHONIOENCODING": "utf-8", **environment},
        timeout=60,
    )


@pytest.fixture(scope="module")
def printed():
    process = demo()
    assert (process.returncode, process.stderr) == (0, "")
    return process.stdout


def test_every_row_comes_back(printed):
    assert "all 9,994 cells read back equal to the rows sent" in printed


def test_output_in_a_pipe_is_plain_text_of_80_columns(printed):
    assert "\x1b" not in printed
    assert "\r" not in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_the_hashes_shown_are_those_of_the_members_shown(printed):
    halves = re.findall(r"\b[0-9a-f]{16}\b", printed)
    hashes = {high + low for high, low in zip(halves[::2], halves[1::2], strict=True)}
    layout = SUPERSTORE.layout
    known = set()
    for rows in read_rows(SUPERSTORE.path(), layout.columns):
        members = zip(*(rows.columns[name] for name in layout.dimensions), strict=True)
        known |= {f"{coordinate_hash(*cell):032x}" for cell in members}
    assert len(hashes) >= 4
    assert hashes <= known


@pytest.mark.parametrize("sample", [SUPERSTORE, POPULATION], ids=["small", "large"])
def test_json(sample):
    process = demo("--json", *(["--large"] if sample is POPULATION else []))
    assert (process.returncode, process.stderr) == (0, "")
    result = json.loads(process.stdout)
    rows = 346_332 if sample is POPULATION else 9_994
    assert result["complete"] is True
    assert result["rows"] == result["molecules"] == result["equal"] == rows
    assert result["events"] > 4
    assert result["encode_ns_per_molecule"] > 0
    latency = result["latency"]
    assert 0 < latency["p50_ms"] <= latency["p99_ms"] <= latency["max_ms"]
    for example in result["examples"]:
        members = example["members"]
        assert list(members) == list(sample.layout.dimensions)
        assert example["region"] == members[sample.layout.region]
        assert int(example["coordinate_hash"], 16) == coordinate_hash(*members.values())
        assert example["sent"] == example["read"]


def test_an_encoding_without_arrows_is_no_obstacle():
    process = demo(PYTHONIOENCODING="ascii")
    assert process.returncode == 0
    assert "all 9,994 cells" in process.stdout


def test_without_the_sample_data_it_says_how_to_get_it(tmp_path):
    # -I leaves out the working directory, so the empty package is put first by hand.
    (tmp_path / "bokeh_sampledata").mkdir()
    Path(tmp_path, "bokeh_sampledata", "__init__.py").touch()
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {COMMAND[2]}"
    process = subprocess.run(
        [sys.executable, "-c", code, "demo"], capture_output=True, text=True, check=False
    )
    assert process.returncode == 2
    (line,) = process.stderr.splitlines()
    assert "pip install 'atomwire[demo]'" in line


# ---- The comparison is what the verdict stands on, so it must see what is wrong


@pytest.fixture(scope="module")
def groups():
    """The cells of the sample, in the groups that become events."""
    path, layout = SUPERSTORE.path(), SUPERSTORE.layout
    return [
        group
        for rows in read_rows(path, layout.columns, chunk_rows=1_000)
        for group in cells(path, rows, layout)
    ]


def compared(groups):
    events = [encode("demo", group.molecules, region=group.region) for group in groups]
    return Comparison(SUPERSTORE, [Arrival(event, 0, 0) for event in events])


def changed(groups, number, molecules):
    return [*groups[:number], RegionCells(groups[number].region, molecules), *groups[number + 1 :]]


def test_what_arrived_untouched_is_equal(groups):
    comparison = compared(groups)
    assert (comparison.rows, comparison.arrived, comparison.equal) == (9_994, 9_994, 9_994)


def test_one_wrong_value_is_seen(groups):
    molecules = groups[7].molecules
    values = molecules.numeric_value.copy()
    values[3] = np.nextafter(values[3], np.inf)
    wrong = Molecules(coordinate_hash=molecules.coordinate_hash, numeric_value=values)
    assert compared(changed(groups, 7, wrong)).equal == 9_993


def test_one_wrong_hash_is_seen(groups):
    molecules = groups[7].molecules
    hashes = molecules.coordinate_hash.copy()
    hashes[3, 1] ^= 1
    wrong = Molecules(coordinate_hash=hashes, numeric_value=molecules.numeric_value)
    assert compared(changed(groups, 7, wrong)).equal == 9_993


def test_rows_in_another_order_are_seen(groups):
    reverse = np.arange(len(groups[7].molecules))[::-1]
    assert compared(changed(groups, 7, groups[7].molecules[reverse])).equal < 9_994


def test_a_lost_event_is_seen(groups):
    comparison = compared(groups[:7] + groups[8:])
    assert comparison.arrived < 9_994
    assert comparison.equal < 9_994


def test_ctrl_c_ends_it_cleanly():
    process = subprocess.Popen(
        [*COMMAND, "--large"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (130, "")
    assert "Traceback" not in err
