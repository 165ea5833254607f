"""The settings of a bus and of a consumer: one frozen value, checked when it is made."""

from __future__ import annotations

import dataclasses
import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Self

from atomwire.bus.errors import SettingsError
from atomwire.bus.rules import Flag, Number, OneOf, Properties, Rule

__all__ = ["BusSettings"]

_PREFIX = "ATOMWIRE_"

# Where to connect is an argument of the bus, not a setting; the command reads these two itself.
_ADDRESS_VARIABLES = frozenset({"ATOMWIRE_BROKERS", "ATOMWIRE_TOPIC"})

_PROFILES: Final[dict[str, dict[str, int]]] = {
    "batched": {"linger_ms": 10, "batch_size": 100},
    "interactive": {"linger_ms": 0, "batch_size": 100},
    "throughput": {"linger_ms": 50, "batch_size": 10_000},
}

# Typed Any: the field holds the profile's number once the settings are made, never None.
_BY_PROFILE: Final[Any] = None

_RESERVED = {
    "bootstrap.servers": "is the argument brokers",
    "group.id": "is the argument group_id",
    "linger.ms": "is the setting linger_ms",
    "queue.buffering.max.ms": "is the setting linger_ms",
    "batch.num.messages": "is the setting batch_size",
    "compression.type": "is the setting compression",
    "compression.codec": "is the setting compression",
    "acks": "is the setting acks",
    "request.required.acks": "is the setting acks",
    "enable.idempotence": "follows from the setting acks",
    "queue.buffering.max.messages": "is the setting queue_size",
    "message.max.bytes": "is the setting max_event_bytes",
    "auto.offset.reset": "is the setting auto_offset_reset",
    "group.protocol": "is the setting group_protocol",
    "partitioner": "is part of the wire contract and cannot be chosen",
    "enable.auto.commit": "stays off: commit a batch with EventBatch.commit()",
    "enable.auto.offset.store": "stays off: commit a batch with EventBatch.commit()",
    "delivery.report.only.error": "is fixed by the bus",
    "statistics.interval.ms": "is fixed by the bus",
}


def _setting(default: Any, rule: Rule) -> Any:
    return field(default=default, metadata={"rule": rule})


@dataclass(frozen=True, kw_only=True)
class BusSettings:
    """How an `EventBus` publishes and an `EventConsumer` reads.

    Parameters
    ----------
    profile : {"batched", "interactive", "throughput"}
        The trade of latency for batching: sets `linger_ms` and `batch_size` where they are not
        given. "batched" gathers up to 10 ms or 100 events, "interactive" sends at once,
        "throughput" gathers up to 50 ms or 10,000 events.
    linger_ms : float
        Milliseconds that an event may wait for others of its partition.
    batch_size : int
        Events of one partition that are sent without waiting any longer.
    compression : {"lz4", "snappy", "zstd", "gzip", "none"}
        Compression of a batch.
    acks : {"all", "1", "0"}
        Who acknowledges an event: all in-sync replicas, the leader, nobody. Only "all" makes the
        producer idempotent; less than that can lose events in silence when a broker fails.
    queue_size : int
        Events that may wait for the broker. When it is full, publishing raises `BusFullError`.
    max_event_bytes : int
        Largest message that the broker takes (its `message.max.bytes`).
    headers : bool
        Send the event's type and trace id as Kafka headers too.
    auto_offset_reset : {"earliest", "latest"}
        Where a consumer group without a committed offset begins.
    group_protocol : {"classic", "consumer"}
        How a group agrees on partitions: "consumer" (KIP-848) is faster and needs Kafka 4.
    librdkafka : Mapping[str, str | int | float | bool]
        Any other property of librdkafka (security, timeouts), by its name there. It never appears
        in a repr. Setting `message.timeout.ms` makes the bus give up on old events, and so allows
        gaps in a tenant's order.

    Raises
    ------
    SettingsError
        A value is not allowed. The message names the field, the value and what is allowed.
    """

    profile: Literal["batched", "interactive", "throughput"] = _setting(
        "batched", OneOf(tuple(_PROFILES))
    )
    linger_ms: float = _setting(_BY_PROFILE, Number(0, 900_000, whole=False))
    batch_size: int = _setting(_BY_PROFILE, Number(1, 1_000_000))
    compression: Literal["lz4", "snappy", "zstd", "gzip", "none"] = _setting(
        "lz4", OneOf(("lz4", "snappy", "zstd", "gzip", "none"))
    )
    acks: Literal["all", "1", "0"] = _setting("all", OneOf(("all", "1", "0")))
    queue_size: int = _setting(100_000, Number(1, 2_147_483_647))
    max_event_bytes: int = _setting(1_000_000, Number(1_000, 1_000_000_000))
    headers: bool = _setting(False, Flag())
    auto_offset_reset: Literal["earliest", "latest"] = _setting(
        "earliest", OneOf(("earliest", "latest"))
    )
    group_protocol: Literal["classic", "consumer"] = _setting(
        "classic", OneOf(("classic", "consumer"))
    )
    librdkafka: Mapping[str, str | int | float | bool] = field(
        default_factory=dict, repr=False, hash=False, metadata={"rule": Properties(_RESERVED)}
    )
    _left_to_profile: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _RULES["profile"].check("profile", self.profile)
        left_to_profile = set()
        for name, value in _PROFILES[self.profile].items():
            if getattr(self, name) is None:
                left_to_profile.add(name)
                object.__setattr__(self, name, value)
        for name, rule in _RULES.items():
            rule.check(name, getattr(self, name))
        object.__setattr__(self, "librdkafka", dict(self.librdkafka))
        object.__setattr__(self, "_left_to_profile", frozenset(left_to_profile))

    def replace(self, **changes: Any) -> Self:
        """Return a copy with some settings changed.

        A new `profile` moves `linger_ms` and `batch_size` along, unless they were given.

        Raises
        ------
        SettingsError
            There is no such setting, or the value is not allowed.
        """
        for name in changes:
            if name not in _RULES:
                raise SettingsError(_unknown("setting", name, _RULES))
        given = {name: getattr(self, name) for name in _RULES}
        for name in self._left_to_profile:
            del given[name]
        return type(self)(**(given | changes))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> Self:
        """Read the settings from environment variables.

        Each setting is ``ATOMWIRE_`` and its name in capitals, such as ``ATOMWIRE_LINGER_MS=5``;
        ``ATOMWIRE_LIBRDKAFKA`` is a JSON object. ``ATOMWIRE_BROKERS`` and ``ATOMWIRE_TOPIC`` are
        passed over: they are arguments of the bus.

        Parameters
        ----------
        environ : Mapping[str, str], optional
            The variables; by default those of the process.

        Raises
        ------
        SettingsError
            A variable with the prefix is no setting, or its value is not allowed.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for variable, text in environ.items():
            if not variable.startswith(_PREFIX) or variable in _ADDRESS_VARIABLES:
                continue
            rule = _VARIABLES.get(variable)
            if rule is None:
                known = [*_VARIABLES, *sorted(_ADDRESS_VARIABLES)]
                raise SettingsError(_unknown("environment variable", variable, known))
            value = rule.parse(variable, text)
            rule.check(variable, value)
            values[variable.removeprefix(_PREFIX).lower()] = value
        return cls(**values)


def _unknown(what: str, name: str, known: Iterable[str]) -> str:
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(known)}"
    return f"unknown {what} {name}: {hint}"


_RULES: Final[dict[str, Rule]] = {
    each.name: each.metadata["rule"] for each in dataclasses.fields(BusSettings) if each.init
}
_VARIABLES: Final[dict[str, Rule]] = {_PREFIX + name.upper(): rule for name, rule in _RULES.items()}
