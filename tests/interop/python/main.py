"""Events by the official Python runtime: see ../README.md for what is read and written."""

import struct
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "generated"))

import event.v1.AtomEvent
import event.v1.FlatMolecule
import flatbuffers

event_module = event.v1.AtomEvent
molecule_module = event.v1.FlatMolecule
AtomEvent = event_module.AtomEvent
LENGTH = struct.Struct("<I")
TEXTS = (0, 1, 4, 5, 6, 7)


def text(value):
    return "-" if value is None else "=" + value.hex()


def optional(value, form):
    return "-" if value is None else form(value)


def molecule_line(molecule):
    def scalar(field, value):
        return str(value) if molecule._tab.Offset(4 + 2 * field) else "-"

    return ",".join(
        (
            bytes(map(molecule.CoordinateHash, range(molecule.CoordinateHashLength()))).hex(),
            optional(molecule.NumericValue(), lambda number: struct.pack(">d", number).hex()),
            text(molecule.TextCommentary()),
            optional(molecule.DateValue(), str),
            optional(molecule.BooleanValue(), lambda truth: str(int(truth))),
            text(molecule.ErrorValue()),
            scalar(6, molecule.Timestamp()),
            scalar(7, molecule.SecurityMask()),
        )
    )


def event_line(root):
    molecules = "-"
    if not root.MoleculesIsNone():
        rows = map(root.Molecules, range(root.MoleculesLength()))
        molecules = f"[{';'.join(map(molecule_line, rows))}]"
    return " ".join(
        (
            text(root.EventId()),
            text(root.TraceId()),
            str(root.Timestamp()),
            str(root.Type()),
            text(root.TenantId()),
            text(root.UserId()),
            text(root.SchemaPayload()),
            text(root.Region()),
            molecules,
        )
    )


def read(source, target):
    with source.open("rb") as stream, target.open("w") as lines:
        while header := stream.read(4):
            root = AtomEvent.GetRootAs(stream.read(*LENGTH.unpack(header)))
            lines.write(event_line(root) + "\n")


def create_text(builder, word):
    return 0 if word == "-" else builder.CreateString(bytes.fromhex(word[1:]).decode())


def create_molecule(builder, row):
    words = row.split(",")
    coordinate = builder.CreateByteVector(bytes.fromhex(words[0]))
    commentary = create_text(builder, words[2])
    error = create_text(builder, words[5])
    module = molecule_module
    module.Start(builder)
    module.AddCoordinateHash(builder, coordinate)
    if words[1] != "-":
        module.AddNumericValue(builder, struct.unpack(">d", bytes.fromhex(words[1]))[0])
    if commentary:
        module.AddTextCommentary(builder, commentary)
    if words[3] != "-":
        module.AddDateValue(builder, int(words[3]))
    if words[4] != "-":
        module.AddBooleanValue(builder, words[4] == "1")
    if error:
        module.AddErrorValue(builder, error)
    if words[6] != "-":
        module.AddTimestamp(builder, int(words[6]))
    if words[7] != "-":
        module.AddSecurityMask(builder, int(words[7]))
    return module.End(builder)


def create_molecules(builder, word):
    if word == "-":
        return 0
    rows = word[1:-1].split(";") if word != "[]" else []
    offsets = [create_molecule(builder, row) for row in rows]
    event_module.StartMoleculesVector(builder, len(offsets))
    for offset in reversed(offsets):
        builder.PrependUOffsetTRelative(offset)
    return builder.EndVector()


def build(line, forced):
    builder = flatbuffers.Builder(256)
    builder.ForceDefaults(forced)
    words = line.split(" ")
    texts = {at: create_text(builder, words[at]) for at in TEXTS}
    molecules = create_molecules(builder, words[8])
    module = event_module
    module.Start(builder)
    for at, add in zip(
        TEXTS,
        (
            module.AddEventId,
            module.AddTraceId,
            module.AddTenantId,
            module.AddUserId,
            module.AddSchemaPayload,
            module.AddRegion,
        ),
        strict=True,
    ):
        if texts[at]:
            add(builder, texts[at])
    module.AddTimestamp(builder, int(words[2]))
    module.AddType(builder, int(words[3]))
    if molecules:
        module.AddMolecules(builder, molecules)
    builder.Finish(module.End(builder))
    return bytes(builder.Output())


def write(source, target, forced):
    with source.open() as lines, target.open("wb") as stream:
        for line in lines:
            built = build(line.rstrip("\n"), forced)
            stream.write(LENGTH.pack(len(built)) + built)


mode, source, target = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if mode == "read":
    read(source, target)
else:
    write(source, target, mode == "write-forced")
