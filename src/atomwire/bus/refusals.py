"""What librdkafka refuses, as errors that name the property and its reason, and show no value.

A value that was given by librdkafka's own name may be a secret, whatever the name says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from atomwire.bus.errors import SettingsError
from atomwire.bus.security import PROPERTIES, trouble_with_file
from atomwire.bus.settings import RESERVED

__all__ = ["refusal"]

_SETTINGS = {name: setting for setting, name in PROPERTIES.items()}
_FILES = frozenset(name for name in _SETTINGS if name.endswith(".location"))
_SHOWN = _FILES | {"security.protocol", "sasl.mechanism"}
# A value as librdkafka repeats it, which may not be what was given: cut off, or overflowed.
_REPEATED = re.compile(r'\bvalue (?:".*"(?= for )|".*|-?\d+)', re.DOTALL)
# So short a value is looked for as a word of its own, lest pieces of other words are blotted out.
_SHORT = 3


def refusal(reason: str, properties: Mapping[str, Any]) -> SettingsError:
    """Return the error of `properties` that librdkafka refuses with the words of `reason`."""
    given = {
        name: value
        for name, value in properties.items()
        if name in _SETTINGS or name not in RESERVED
    }
    name = _named(reason, given) or _repeated(reason, given)
    words = f"librdkafka refuses {'it' if name else 'the settings'}: {_blotted(reason, given)}"
    if name is None:
        return SettingsError(words)
    if name in _FILES:
        path = given[name]
        return SettingsError(f"{_SETTINGS[name]}={path!r}: {trouble_with_file(path) or words}")
    return SettingsError(f"{_SETTINGS.get(name, f'librdkafka[{name!r}]')}: {words}")


def _named(reason: str, given: Iterable[str]) -> str | None:
    """Return the first property that the reason names."""
    places = {}
    for name in given:
        place = re.search(rf"(?<![\w.]){re.escape(name)}(?![\w.])", reason)
        if place:
            places[name] = place.start()
    return min(places, key=places.__getitem__, default=None)


def _repeated(reason: str, given: Mapping[str, Any]) -> str | None:
    """Return the first property whose value the reason repeats: some reasons name none."""
    return next((name for name in given if _pattern(given[name]).search(reason)), None)


def _blotted(reason: str, given: Mapping[str, Any]) -> str:
    reason = _REPEATED.sub("value ***", reason.strip())
    for name in given.keys() - _SHOWN:
        reason = _pattern(given[name]).sub("***", reason)
    return reason


def _pattern(value: object) -> re.Pattern[str]:
    """Return what finds a text, or one item of it: some are lists. Numbers are only repeated."""
    texts = {value, *re.split(r"[,;\s]+", value)} - {""} if isinstance(value, str) else ()
    # The longest first, lest a piece is blotted out and the rest stays.
    found = (
        re.escape(text) if len(text) > _SHORT else rf"(?<!\w){re.escape(text)}(?!\w)"
        for text in sorted(texts, key=len, reverse=True)
    )
    return re.compile("|".join(found) or r"(?!)")
