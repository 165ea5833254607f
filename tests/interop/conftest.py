import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import languages


@pytest.fixture(scope="session", params=languages.LANGUAGES, ids=lambda each: each.name)
def language(request):
    return request.param


@pytest.fixture(scope="session")
def program(language):
    return built(language)


@pytest.fixture(scope="session")
def rust_program():
    return built(next(each for each in languages.LANGUAGES if each.name == "rust"))


@pytest.fixture(scope="session")
def cpp_program():
    return built(next(each for each in languages.LANGUAGES if each.name == "cpp"))


COMMANDS = {}


def built(language):
    """Return the command of a language's program; skip where it cannot be built."""
    if language.name not in COMMANDS:
        try:
            COMMANDS[language.name] = languages.program(language)
        except languages.MissingError as error:
            if os.environ.get("INTEROP_REQUIRED") == "1":
                raise
            pytest.skip(str(error))
    return COMMANDS[language.name]
