"""Events that arrived together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import numpy.typing as npt
from confluent_kafka import Message

from atomwire._native import peek_batch, peek_coordinate_hashes, peek_molecule_count
from atomwire.codec.event import Event, decode

__all__ = ["EventBatch"]


class EventBatch:
    """Some consecutive events of a consumer, possibly none.

    Attributes
    ----------
    messages : list[confluent_kafka.Message]
        The messages that passed the consumer's filter, each a valid AtomEvent, in order of arrival.
    """

    def __init__(
        self,
        messages: list[Message],
        offsets: Mapping[int, int],
        commit: Callable[[Mapping[int, int]], None],
    ) -> None:
        self.messages = messages
        self._offsets = offsets
        self._commit = commit

    def __len__(self) -> int:
        return len(self.messages)

    def __repr__(self) -> str:
        return f"<EventBatch of {len(self)} events>"

    def coordinate_hashes(self) -> npt.NDArray[np.uint64]:
        """Return the hashes of all molecules of all events, in order.

        Returns
        -------
        ndarray of uint64, shape (m, 2)
            Each row is a hash's low and high half, m the number of molecules in the batch. An
            event without molecules contributes no row.
        """
        values = self._values()
        counts = [peek_molecule_count(value) for value in values]
        if values and all(count == 1 for count in counts):
            return peek_batch(values)
        hashes = np.empty((sum(counts), 2), dtype=np.uint64)
        row = 0
        for value, count in zip(values, counts, strict=True):
            if count:
                peek_coordinate_hashes(value, hashes[row : row + count])
                row += count
        return hashes

    def events(self) -> Iterator[Event]:
        """Decode the events one after the other."""
        return map(decode, self._values())

    def commit(self) -> None:
        """Tell the group that everything up to the end of this batch was processed.

        Waits for the broker. Events that the filter or `on_invalid` left out count as processed.
        Commit batches in order: an older one committed later moves the group back.

        Raises
        ------
        ConsumerError
            The broker refused, for instance because the partitions have moved to another member
            of the group. The events will be delivered again.
        BusClosedError
            The consumer was closed.
        """
        if self._offsets:
            self._commit(self._offsets)

    def _values(self) -> list[bytes]:
        # The consumer lets no message without a value pass.
        return [message.value() or b"" for message in self.messages]
