"""Write the shared vectors anew: `PYTHONPATH=tests python -m vectors.regenerate`.

Events come from the official Python builder in several of its ways and from this package; the
manifest says what the official Python reader finds in them. Nothing depends on time or chance.
"""

from __future__ import annotations

import json
import struct
from pathlib import Path

from support import golden, official, patch
from support.cells import Cell, Fields

import atomwire

HERE = Path(__file__).resolve().parent
FOLDERS = ("accepted", "refused")
WRITERS = {
    "atomwire": "atomwire",
    "official": "official",
    "official, defaults forced": "forced",
    "official, vtables unshared": "unshared",
    "official, fields unordered": "unordered",
    "official, before optional values": "older",
}
KEYSTROKE = golden.golden("a keystroke", "atomwire")
ROOT = patch.root(KEYSTROKE)
TENANT = patch.vector(KEYSTROKE, ROOT, 4)
ROWS = patch.vector(KEYSTROKE, ROOT, 6)
MOLECULE = patch.molecule(KEYSTROKE, 0)
HASH = patch.vector(KEYSTROKE, MOLECULE, 0)
VTABLE = patch.vtable(KEYSTROKE, ROOT)
REFUSED = {
    "empty": (b"", "no bytes at all"),
    "truncated": (KEYSTROKE[: len(KEYSTROKE) // 2], "the second half is missing"),
    "root-outside": (patch.with_u32(KEYSTROKE, 0, 1 << 30), "the root lies far behind the end"),
    "root-before": (
        patch.with_u32(KEYSTROKE, ROOT, 1 << 30),
        "the root's vtable lies far before the start",
    ),
    "vtable-odd": (patch.with_u16(KEYSTROKE, VTABLE, 21), "a vtable of odd size"),
    "vtable-giant": (patch.with_u16(KEYSTROKE, VTABLE, 0xFFFE), "a vtable longer than the buffer"),
    "tenant-giant": (patch.with_u32(KEYSTROKE, TENANT, 0x7FFFFFFF), "a tenant of 2 GiB"),
    "tenant-missing": (official.write(Fields(tenant_id=None)), "no tenant_id"),
    "tenant-empty": (official.write(Fields(tenant_id="")), "an empty tenant_id"),
    "tenant-not-utf8": (patch.with_bytes(KEYSTROKE, TENANT + 4, b"\xff"), "a tenant not in UTF-8"),
    "tenant-not-terminated": (
        patch.with_bytes(KEYSTROKE, TENANT + 4 + patch.u32(KEYSTROKE, TENANT), b"x"),
        "a tenant without its NUL",
    ),
    "molecules-giant": (patch.with_u32(KEYSTROKE, ROWS, 0x3FFFFFFF), "a billion molecules"),
    "molecule-zero-offset": (patch.with_u32(KEYSTROKE, ROWS + 4, 0), "a molecule at offset zero"),
    "hash-15": (patch.with_u32(KEYSTROKE, HASH, 15), "a hash of 15 bytes"),
    "hash-17": (patch.with_u32(KEYSTROKE, HASH, 17), "a hash of 17 bytes"),
    "hash-missing": (
        patch.with_u16(KEYSTROKE, patch.slot(KEYSTROKE, MOLECULE, 0), 0),
        "a molecule without a hash",
    ),
    "one-of-two-without-hash": (
        official.write(Fields(molecules=(Cell(1), Cell(None, numeric_value=1.0)))),
        "the second molecule has no hash",
    ),
}


def cell_entry(cell: Cell) -> dict[str, str]:
    """Return a molecule as the manifest has it: only fields in the vtable, all as strings."""
    entry = {"coordinate_hash": cell.coordinate_hash.to_bytes(16, "little").hex()}
    if cell.numeric_value is not None:
        entry["numeric_value"] = struct.pack(">d", cell.numeric_value).hex()
    for name in ("text_commentary", "error_value"):
        if getattr(cell, name) is not None:
            entry[name] = getattr(cell, name)
    for name in ("date_value", "boolean_value", "timestamp", "security_mask"):
        if getattr(cell, name) is not None:
            entry[name] = str(int(getattr(cell, name)))
    return entry


def event_entry(fields: Fields) -> dict[str, object]:
    """Return an event as the manifest has it; absent fields are left out."""
    entry: dict[str, object] = {}
    for name in ("event_id", "trace_id", "tenant_id", "user_id", "schema_payload", "region"):
        if getattr(fields, name) is not None:
            entry[name] = getattr(fields, name)
    for name in ("timestamp", "type"):
        if getattr(fields, name) is not None:
            entry[name] = str(getattr(fields, name))
    if fields.molecules is not None:
        entry["molecules"] = [cell_entry(Cell(*each)) for each in fields.molecules]
    return entry


def refusal(buffer: bytes) -> dict[str, object]:
    """Return where this package finds the fault; others may find another first."""
    try:
        atomwire.verify(buffer)
    except atomwire.InvalidEventError as error:
        return {"field": error.field, "position": error.position}
    raise AssertionError("not refused")


def vectors() -> dict[str, bytes]:
    """Return every file of the vectors by its name, the manifest among them."""
    files: dict[str, bytes] = {}
    accepted = []
    for name in golden.EVENTS:
        for writer, short in WRITERS.items():
            file = f"accepted/{name.replace(' ', '-')}.{short}.bin"
            files[file] = golden.golden(name, writer)
            event = event_entry(official.read(files[file]))
            accepted.append({"file": file, "writer": writer, "event": event})
    refused = []
    for name, (buffer, why) in REFUSED.items():
        file = f"refused/{name}.bin"
        files[file] = buffer
        refused.append({"file": file, "why": why, **refusal(buffer)})
    manifest = {"accepted": accepted, "refused": refused}
    text = json.dumps(manifest, indent=1, ensure_ascii=False)
    files["manifest.json"] = text.encode() + b"\n"
    return files


def main() -> None:
    for folder in FOLDERS:
        (HERE / folder).mkdir(exist_ok=True)
        for path in (HERE / folder).iterdir():
            path.unlink()
    files = vectors()
    for name, content in files.items():
        (HERE / name).write_bytes(content)
    print(f"{len(files)} files, {sum(map(len, files.values())):,} bytes")


if __name__ == "__main__":
    main()
