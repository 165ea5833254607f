"""The example services in Go and Rust, built in `build/examples` (or EXAMPLES_BUILD)."""

import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from support import official
from tests.broker.jars import MissingError

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "examples"


@functools.cache
def go() -> str:
    """Build the Go service and return the path of its program.

    Raises
    ------
    MissingError
        There is no Go, or its modules cannot be fetched.
    """
    folder = prepared("go", "--go", ".")
    fetch(folder, "go", "mod", "download")
    run(folder, "go", "build", "-o", "example", ".")
    return str(folder / "example")


@functools.cache
def rust(name: str) -> str:
    """Build the Rust crate and return the path of one of its programs.

    Raises
    ------
    MissingError
        There is no cargo, or its crates cannot be fetched.
    """
    folder = prepared("rust", "--rust", "src", tool="cargo")
    fetch(folder, "cargo", "fetch", "--quiet")
    run(folder, "cargo", "build", "--quiet", "--release", "--offline")
    return str(folder / "target" / "release" / name)


def prepared(language: str, option: str, out: str, tool: str = "") -> Path:
    """Copy the sources and generate the accessors; what is as it was keeps its time."""
    if shutil.which(tool or language) is None:
        raise MissingError(f"the examples in {language}: {tool or language} is not installed")
    folder = Path(os.environ.get("EXAMPLES_BUILD", ROOT / "build" / "examples")) / language
    shutil.copytree(SOURCES / language, folder, dirs_exist_ok=True)
    with tempfile.TemporaryDirectory() as fresh:
        run(folder, official.flatc(), option, "-o", fresh, str(official.SCHEMA))
        for path in filter(Path.is_file, Path(fresh).rglob("*")):
            known = folder / out / path.relative_to(fresh)
            known.parent.mkdir(parents=True, exist_ok=True)
            if not known.exists() or known.read_bytes() != path.read_bytes():
                shutil.copy(path, known)
    return folder


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}"


def fetch(folder: Path, *command: str) -> None:
    """Fetch from a registry, which may be out of reach."""
    try:
        run(folder, *command)
    except AssertionError as error:
        raise MissingError(str(error)) from None
