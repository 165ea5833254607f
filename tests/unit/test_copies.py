"""Molecules and events in pickles and copies, and columns that nobody can write to."""

import copy
import gc
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

import atomwire
from atomwire import CellError, Molecules

HASHES = [1, 2**64, 2**128 - 1]


def mixed():
    return Molecules(
        HASHES,
        numeric_value=[1.5, None, float("nan")],
        text_commentary=["a", None, "\N{EURO SIGN}" * 20],
        date_value=5,
        boolean_value=[None, True, False],
        error_value=[None, CellError("#N/A"), None],
        timestamp=np.array([1, 2, 3]),
        security_mask=[None, 2**64 - 1, 0],
    )


def encoded():
    molecules = mixed()
    atomwire.encode("acme", molecules)
    return molecules


def decoded():
    return atomwire.decode(atomwire.encode("acme", mixed())).molecules


def read():
    molecules = decoded()
    list(molecules)
    return molecules


SOURCES = [
    mixed,
    encoded,
    decoded,
    read,
    lambda: mixed()[1:],
    lambda: mixed()[np.array([2, 0])],
    lambda: Molecules([]),
    lambda: Molecules(HASHES, text_commentary="one for all"),
    lambda: atomwire.decode(atomwire.encode("acme", type=4)).molecules,
]
WAYS = [
    *(
        lambda it, p=p: pickle.loads(pickle.dumps(it, p))
        for p in range(pickle.HIGHEST_PROTOCOL + 1)
    ),
    copy.copy,
    copy.deepcopy,
]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", SOURCES)
def test_molecules(make, way):
    given = make()
    found = way(given)
    assert found == given
    assert list(map(repr, found)) == list(map(repr, given))
    head = {"event_id": "0" * 8 + "-0000-7000-8000-" + "0" * 12, "timestamp": 1}
    assert atomwire.encode("acme", found, **head) == atomwire.encode("acme", given, **head)
    assert not any(writable(found))


@pytest.mark.parametrize("way", WAYS)
def test_events(way):
    event = atomwire.decode(atomwire.encode("acme", mixed(), user_id="u"))
    for _ in range(2):
        found = way(event)
        assert found == event
        assert hash(found) == hash(event)
        assert (found.tenant_id, found.user_id) == ("acme", "u")
        assert found.molecules == event.molecules  # read, from now on
    assert event != atomwire.decode(atomwire.encode("acme", mixed()))
    assert event != "event"


def test_a_pickled_event_is_verified_anew():
    event = atomwire.encode("acme", mixed())
    pickled = pickle.dumps(atomwire.decode(event))
    assert event in pickled
    with pytest.raises(atomwire.InvalidEventError):
        pickle.loads(pickled.replace(event, b"\xff" * len(event)))


def test_molecules_in_a_process_pool():
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        given = encoded()
        assert pool.submit(copy.copy, given).result(timeout=60) == given


def test_a_deep_copy_does_not_change_with_the_array_that_was_given():
    numbers = np.array([1.0, 2.0, 3.0])
    molecules = Molecules(HASHES, numeric_value=numbers)
    kept = copy.deepcopy(molecules)
    numbers[0] = 9
    assert kept.numeric_value.tolist() == [1, 2, 3]
    assert numbers.flags.writeable
    assert copy.copy(molecules) is molecules


# ---- Columns are read-only.


def columns(molecules):
    for field in atomwire.Molecule._fields:
        column = getattr(molecules, field)
        if column is not None:
            yield column
            if isinstance(column, np.ma.MaskedArray):
                yield column.data
                yield column.mask


def writable(molecules):
    return [column.flags.writeable for column in columns(molecules)]


@pytest.mark.parametrize(
    "make",
    [
        *SOURCES,
        # Given arrays that can be written to.
        lambda: Molecules(
            np.zeros((2, 2), np.uint64),
            numeric_value=np.ma.MaskedArray([1.0, 2.0], [True, False]),
            text_commentary=np.array(["a", None], object),
            boolean_value=np.array([True, False]),
            timestamp=np.array([1, 2], "datetime64[s]"),
        ),
        # Gathered from a message that has no columns to look at.
        lambda: (
            atomwire.decode(
                atomwire.encode("acme", Molecules(range(64), boolean_value=[True, None] * 32))
            ).molecules
        ),
    ],
)
def test_no_column_can_be_written_to(make):
    molecules = make()
    assert not any(writable(molecules))
    assert not any(writable(molecules[::2]))
    if len(molecules) > 1:
        assert not any(writable(molecules[np.array([1, 0])]))
        for column in columns(molecules):
            with pytest.raises(ValueError, match="read-only"):
                column[0] = column[1]


@pytest.mark.parametrize("index", [slice(None), np.array([0, 1, 2])])
@pytest.mark.parametrize("error", [False, True])
def test_texts_are_held_whatever_becomes_of_their_array(index, error):
    field = "error_value" if error else "text_commentary"
    texts = ["a text of its own " * 10 + str(number) for number in range(3)]
    molecules = Molecules(HASHES, **{field: list(texts)})[index]
    encoder = atomwire.Encoder("acme")
    encoder.molecules(molecules)
    array = getattr(molecules, field)
    # Against all rules: as far as numpy lets them.
    while isinstance(array, np.ndarray):
        try:
            array.flags.writeable = True
            array[...] = None
        except ValueError:
            pass
        array = array.base
    expected = list(texts)
    del texts
    gc.collect()
    found = atomwire.decode(encoder.molecules(molecules)).molecules
    assert getattr(found, field).tolist() == expected


# numpy warns of arrays that change their shape in place, from 2.5 on.
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("shape", [(1, 3), (3, 1)])
@pytest.mark.parametrize("field", ["numeric_value", "timestamp", "security_mask"])
def test_an_array_that_changes_its_shape_after_it_was_given(field, shape):
    dtype = {"numeric_value": np.float64, "timestamp": np.int64, "security_mask": np.uint64}[field]
    array = np.zeros(3, dtype)
    molecules = Molecules(HASHES, **{field: array})
    array.shape = shape
    with pytest.raises(ValueError, match=f"{field}: the array has another shape"):
        atomwire.encode("acme", molecules)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_hashes_that_change_their_shape_after_they_were_given():
    hashes = np.zeros((4, 2), np.uint64)
    molecules = Molecules(hashes)
    hashes.shape = (2, 4)
    with pytest.raises(ValueError, match="coordinate_hash: the array has another shape"):
        atomwire.encode("acme", molecules)
