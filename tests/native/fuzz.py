"""Build the fuzz targets with clang and run them for a bounded time.

    python tests/native/fuzz.py --seconds 60
    python tests/native/fuzz.py --executions 30000000 --targets verify

The corpus and whatever is found stay below build/fuzz. A finding ends the run with status 1 and
says how to make a regression of it.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import building

TARGETS = ("peek", "verify", "columns", "encode")
# The ones that read events start from golden events; the others make up their own input.
READERS = ("peek", "verify", "columns")
TESTS = building.ROOT / "tests"
SEEDS = (
    TESTS / "native" / "regressions",
    TESTS / "vectors" / "accepted",
    TESTS / "vectors" / "refused",
)
SANITIZE = "address,undefined,fuzzer-no-link"
NEWEST_CLANG = 30
OLDEST_CLANG = 14
HOW_TO_INSTALL = (
    "Fuzzing needs clang with its fuzzer runtime, which was not found.\n"
    "Debian, Ubuntu: apt-get install clang-16 libclang-rt-16-dev (or a newer version)"
)


def find_clang() -> str | None:
    """Return the newest clang++ that can link a fuzz target."""
    names = [f"clang++-{version}" for version in range(NEWEST_CLANG, OLDEST_CLANG - 1, -1)]
    for name in [*names, "clang++"]:
        path = shutil.which(name)
        if path is not None and links_fuzzers(path):
            return path
    return None


def links_fuzzers(compiler: str) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "probe.cpp"
        source.write_text(
            "#include <cstddef>\n#include <cstdint>\n"
            'extern "C" int LLVMFuzzerTestOneInput(const uint8_t*, size_t) { return 0; }\n'
        )
        command = [compiler, "-fsanitize=fuzzer,address,undefined", str(source), "-o"]
        probe = subprocess.run([*command, str(Path(folder) / "probe")], capture_output=True)
        return probe.returncode == 0


def run_target(target: str, programs: Path, work: Path, options: argparse.Namespace) -> int | None:
    """Return the number of executions, or None after a finding."""
    corpus = work / "corpus" / target
    corpus.mkdir(parents=True, exist_ok=True)
    command = [
        str(programs / f"fuzz_{target}"),
        f"-max_len={options.max_len}",
        f"-artifact_prefix={work}/{target}-",
        "-rss_limit_mb=2048",
        "-malloc_limit_mb=256",
        "-timeout=10",
        "-print_final_stats=1",
        "-verbosity=1",
        *([f"-max_total_time={options.seconds}"] if options.seconds else []),
        *([f"-runs={options.executions}"] if options.executions else []),
        str(corpus),
    ]
    if target in READERS:
        command += [str(work / "seeds"), *map(str, SEEDS)]
    log = work / f"{target}.log"
    with log.open("wb") as output:
        done = subprocess.run(command, stdout=output, stderr=subprocess.STDOUT, check=False)
    text = log.read_text(errors="replace")
    counted = re.search(r"number_of_executed_units: (\d+)", text)
    if done.returncode == 0 and counted is not None:
        return int(counted[1])
    found = re.search(r"Test unit written to (\S+)", text)
    print(f"{target}: FOUND something, see {log}")
    if found is not None:
        name = f"tests/native/regressions/{target}-SHORT-NAME"
        print(f"{target}: once it is mended, keep the input: cp {found[1]} {name}")
    return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=0, help="for each target")
    parser.add_argument("--executions", type=int, default=0, help="of each target, at most")
    parser.add_argument("--targets", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (default 2)")
    parser.add_argument("--max-len", type=int, default=1024, help="of an input, in bytes")
    parser.add_argument("--work", type=Path, default=building.ROOT / "build" / "fuzz")
    options = parser.parse_args()
    if not options.seconds and not options.executions:
        options.seconds = 60

    compiler = find_clang()
    if compiler is None:
        print(HOW_TO_INSTALL, file=sys.stderr)
        return 2
    work = options.work.resolve()
    print(f"Building with {compiler} ...", flush=True)
    programs = building.build(work / "build", sanitize=SANITIZE, compiler=compiler)
    (work / "seeds").mkdir(parents=True, exist_ok=True)
    subprocess.run([str(programs / "seeds"), str(work / "seeds")], check=True)

    started = time.monotonic()
    with ThreadPoolExecutor(options.jobs) as pool:
        counts = list(
            pool.map(lambda each: run_target(each, programs, work, options), options.targets)
        )
    for target, count in zip(options.targets, counts, strict=True):
        print(f"{target:8} {'FOUND' if count is None else format(count, ',')}")
    total = sum(count or 0 for count in counts)
    print(f"{total:,} executions in {time.monotonic() - started:.0f} s, ASan and UBSan")
    return 1 if None in counts else 0


if __name__ == "__main__":
    sys.exit(main())
