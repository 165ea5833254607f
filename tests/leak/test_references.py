"""No call keeps a reference to what it was given, on success or on error."""

import gc
import sys

import numpy as np
import pytest
from support import golden, patch

import atomwire
from atomwire import Encoder, Molecules

TIMES = 50


def new_text(text):
    """Return a str that nobody else holds."""
    return "".join([text, "!"])


def arguments():
    buf = bytearray(golden.golden("mixed cells", "official"))
    rows = np.ones((3, 2), np.uint64)
    return {
        "buf": buf,
        "frozen": bytes(buf),
        "bad": bytearray(patch.with_u32(bytes(buf), patch.root(buf), 2**31 - 1)),
        "out": np.zeros((10, 2), np.uint64),
        "small": np.zeros((1, 2), np.uint64),
        "hashes": rows,
        "numbers": np.array([1.5, 2.5, 3.5]),
        "mask": np.ma.MaskedArray([1, 2, 3], [True, False, False]),
        "texts": [new_text("one"), None, new_text("three")],
        "text": new_text("all"),
        "broken": ["fine", new_text("\ud800"), None],
        "tenant": new_text("acme"),
        "region": new_text("West"),
        "number": 2**100,
        "molecules": Molecules(rows, numeric_value=[1.5, None, 2.5]),
        "target": bytearray(4096),
        "tiny": bytearray(10),
        "encoder": Encoder("acme"),
    }


CALLS = {
    "encode": lambda a: atomwire.encode(a["tenant"], a["molecules"], region=a["region"]),
    "encode, refused": lambda a: atomwire.encode(a["tenant"], a["molecules"], region=a["number"]),
    "encode_into": lambda a: atomwire.encode_into(a["target"], a["tenant"], a["molecules"]),
    "encode_into, refused": lambda a: atomwire.encode_into(a["tiny"], a["tenant"], a["molecules"]),
    "columns": lambda a: atomwire.encode(
        a["tenant"],
        Molecules(
            a["hashes"],
            numeric_value=a["numbers"],
            security_mask=a["mask"],
            text_commentary=a["texts"],
            error_value=a["text"],
        ),
    ),
    "columns, refused": lambda a: atomwire.encode(
        a["tenant"], Molecules(a["hashes"], numeric_value=a["numbers"], text_commentary=a["broken"])
    ),
    "columns, wrong": lambda a: Molecules(a["hashes"], numeric_value=a["texts"]),
    "encoder": lambda a: Encoder(a["tenant"], region=a["region"]),
    "cell": lambda a: a["encoder"].cell(a["number"], a["text"]),
    "cell, refused": lambda a: a["encoder"].cell(a["tiny"], a["text"]),
    "molecules": lambda a: a["encoder"].molecules(a["molecules"]),
    "split": lambda a: list(a["encoder"].split(a["molecules"], 300)),
    "split, abandoned": lambda a: next(a["encoder"].split(a["molecules"], 300)),
    "split, refused": lambda a: list(a["encoder"].split(a["molecules"], 10)),
    "peek": lambda a: (atomwire.peek_region(a["buf"]), atomwire.peek_type(a["frozen"])),
    "peek, refused": lambda a: atomwire.peek_region(a["bad"]),
    "peek hashes": lambda a: atomwire.peek_coordinate_hashes(a["buf"], a["out"]),
    "peek hashes, refused": lambda a: atomwire.peek_coordinate_hashes(a["buf"], a["small"]),
    "peek_batch": lambda a: atomwire.peek_batch([a["buf"], a["frozen"]], a["out"]),
    "peek_batch, refused": lambda a: atomwire.peek_batch([a["buf"], a["bad"]], a["out"]),
    "verify": lambda a: atomwire.verify(a["buf"]),
    "verify, refused": lambda a: atomwire.verify(a["bad"]),
    "decode": lambda a: list(atomwire.decode(a["frozen"]).molecules.to_numpy()),
    "decode, a copy": lambda a: list(atomwire.decode(a["buf"]).molecules),
    "decode, refused": lambda a: atomwire.decode(a["bad"]),
}


def counts(given):
    held = dict(given)
    for name in ("texts", "broken"):
        held.update({f"{name}[{row}]": each for row, each in enumerate(given[name])})
    # Shared constants are everybody's.
    return {name: sys.getrefcount(it) for name, it in held.items() if it is not None}


@pytest.mark.parametrize("name", CALLS)
def test_reference_counts_are_unchanged(name):
    given = arguments()
    given["broken"][0] = new_text("fine")
    atomwire.encode("acme", given["molecules"])  # keeps its own columns from then on
    refused = 0

    def call():
        try:
            CALLS[name](given)
        except (TypeError, ValueError, BufferError):
            return 1
        return 0

    call()
    gc.collect()
    before = counts(given)
    for _ in range(TIMES):
        refused += call()
    gc.collect()
    assert counts(given) == before
    assert refused == (TIMES if "refused" in name or "wrong" in name else 0)
    for each in ("buf", "bad", "target", "tiny"):
        given[each].append(0)  # raises BufferError while somebody holds the memory
