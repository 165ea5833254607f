"""Fuzz targets of the core over known inputs, the bus against its model, and the threads of both.

Each is run under a sanitizer.

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
MODEL_SEED = 1  # of the first of its schedules
MODEL_STEPS = 1_000_000
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


def test_threads_share_ids_plans_and_messages():
    programs = build("thread", "thread", "threads", "bus_threads")
    run(programs / "threads")


def test_threads_of_a_bus():
    programs = build("thread", "thread", "threads", "bus_threads")
    run(programs / "bus_threads")


def test_send_queue_against_its_model(programs):
    assert int(run(programs / "model", MODEL_SEED, MODEL_STEPS)) >= MODEL_STEPS


@pytest.mark.parametrize(
    ("way", "doing", "holder"),
    [
        ("by_hand", "logging", "breaks_it_by_hand"),
        ("second_lock", "takes_a_second_lock", "takes_a_second_lock"),
        ("comes_back", "counts", "publish"),
    ],
)
def test_who_breaks_the_lock_rule_is_named(programs, way, doing, holder):
    done = subprocess.run(
        [programs / "lock_rule", way], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert f"atomwire: {doing} while the lock that {holder} took is held" in done.stderr


def test_who_keeps_the_lock_rule_goes_on(programs):
    run(programs / "lock_rule", "kept")
