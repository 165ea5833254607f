"""The core's fuzz targets over known inputs, and its threads, each under a sanitizer.

Fuzzing itself is `make fuzz`; here what it once found must stay mended, and every truncation and
every one-byte change of small golden events is run.
"""

import os
import shutil
import subprocess
from pathlib import Path

import building
import pytest

HERE = Path(__file__).resolve().parent
REGRESSIONS = sorted((HERE / "regressions").iterdir())
READERS = ("peek", "verify", "columns")
WORK = Path(os.environ.get("NATIVE_BUILD", building.ROOT / "build" / "native"))
SMALL = 300  # bytes of a golden event up to which each of its bytes is changed
FEW = 10  # such events, of all kinds
pytestmark = pytest.mark.skipif(
    shutil.which("cmake") is None, reason="the native tests are built with cmake"
)


def build(name, sanitize, *targets):
    why = "a sanitizer preloaded into Python must not be in its children too"
    if "LD_PRELOAD" in os.environ:
        pytest.skip(why)
    return building.build(WORK / name, sanitize=sanitize, targets=targets)


@pytest.fixture(scope="module")
def programs():
    return build("address", "address,undefined")


@pytest.fixture(scope="module")
def seeds(programs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeds")
    run(programs / "seeds", folder)
    return sorted(folder.iterdir())


def run(*command):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def regressions_of(target):
    return [path for path in REGRESSIONS if target in READERS or path.name.startswith(target)]


def test_every_regression_names_its_target():
    names = {path.name.split("-")[0] for path in REGRESSIONS}
    assert names <= {*READERS, "encode"}


@pytest.mark.parametrize("target", READERS)
def test_what_was_found_once(programs, target):
    assert int(run(programs / f"replay_{target}", *REGRESSIONS)) == len(REGRESSIONS) > 0


@pytest.mark.parametrize("target", READERS)
def test_golden_events_and_their_damage(programs, seeds, target):
    small = [path for path in seeds if path.stat().st_size <= SMALL]
    small = small[:: len(small) // FEW]
    sizes = sum(path.stat().st_size for path in small)
    runs = int(run(programs / f"replay_{target}", "--mutations", *small))
    assert runs == len(small) + sizes + 255 * sizes
    assert sizes > 2_000
    assert int(run(programs / f"replay_{target}", *seeds)) == len(seeds)


def test_encoding_of_arbitrary_columns(programs, tmp_path):
    # Any bytes are a recipe for columns; the fuzzer finds the interesting ones, this a few.
    files = []
    for number in range(300):
        path = tmp_path / str(number)
        path.write_bytes(bytes((number * 131 + at * at * 31 + at) & 0xFF for at in range(200)))
        files.append(path)
    assert int(run(programs / "replay_encode", *files)) == len(files)


def test_librdkafka_is_declared_as_in_its_header():
    try:
        build("address", "address,undefined", "rdkafka_header")
    except RuntimeError as error:
        if "rdkafka_header'" not in str(error) or "INTEROP_REQUIRED" in os.environ:
            raise
        pytest.skip(
            "librdkafka's header is missing. Debian, Ubuntu: apt-get install librdkafka-dev"
        )


def test_threads_share_ids_plans_messages_and_reports():
    programs = build("thread", "thread", "threads")
    run(programs / "threads")
