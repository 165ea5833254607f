"""Go programs of the tests, each in a folder and a module of its own."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.broker.jars import MissingError


def build(name: str, folder: Path) -> Path:
    """Build the program whose source lies in the folder `name` beside this file.

    Parameters
    ----------
    name : str
        The folder of the source.
    folder : Path
        Where the program is built.

    Returns
    -------
    Path
        The program.

    Raises
    ------
    MissingError
        There is no Go or an older one than the module needs, or its modules cannot be fetched.
    """
    if shutil.which("go") is None:
        raise MissingError("go is not installed (Debian, Ubuntu: apt-get install golang)")
    program = folder / name
    for command in (["go", "mod", "download"], ["go", "build", "-o", str(program), "."]):
        source = Path(__file__).with_name(name)
        done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise MissingError(f"{' '.join(command)} failed for {name}:\n{done.stderr}")
    return program
