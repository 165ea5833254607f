// Events by the official JavaScript runtime: see ../README.md for what is read and written.
import {readFileSync, writeFileSync} from 'node:fs';

import {Builder, ByteBuffer} from 'flatbuffers';

import {AtomEvent, FlatMolecule} from './generated/event/v1.js';

const utf8 = new TextEncoder();
const bits = new DataView(new ArrayBuffer(8));

const hex = (bytes) => Buffer.from(bytes).toString('hex');
const unhex = (word) => Buffer.from(word, 'hex');
const text = (value) => (value === null ? '-' : '=' + hex(utf8.encode(value)));

function numberHex(value) {
  bits.setFloat64(0, value);
  return bits.getBigUint64(0).toString(16).padStart(16, '0');
}

function numberOf(word) {
  bits.setBigUint64(0, BigInt('0x' + word));
  return bits.getFloat64(0);
}

const optional = (value, format) => (value === null ? '-' : format(value));

function moleculeLine(molecule) {
  const scalar = (field, value) =>
    molecule.bb.__offset(molecule.bb_pos, 4 + 2 * field) === 0 ? '-' : value;
  return [
    hex(molecule.coordinateHashArray()),
    optional(molecule.numericValue(), numberHex),
    text(molecule.textCommentary()),
    optional(molecule.dateValue(), String),
    optional(molecule.booleanValue(), Number),
    text(molecule.errorValue()),
    scalar(6, molecule.timestamp()),
    scalar(7, molecule.securityMask()),
  ].join(',');
}

function eventLine(event) {
  let molecules = '-';
  if (event.bb.__offset(event.bb_pos, 4 + 2 * 6) !== 0) {
    const rows = [];
    for (let row = 0; row < event.moleculesLength(); ++row) {
      rows.push(moleculeLine(event.molecules(row)));
    }
    molecules = `[${rows.join(';')}]`;
  }
  return [
    text(event.eventId()),
    text(event.traceId()),
    event.timestamp(),
    event.type(),
    text(event.tenantId()),
    text(event.userId()),
    text(event.schemaPayload()),
    text(event.region()),
    molecules,
  ].join(' ');
}

function read(input) {
  const lines = [];
  for (let at = 0; at < input.length; ) {
    const size = input.readUInt32LE(at);
    // A copy: the accessors look for alignment from the start of their array.
    const bytes = new Uint8Array(input.subarray(at + 4, at + 4 + size));
    lines.push(eventLine(AtomEvent.getRootAsAtomEvent(new ByteBuffer(bytes))) + '\n');
    at += 4 + size;
  }
  return lines.join('');
}

const createText = (builder, word) =>
  word === '-' ? 0 : builder.createString(new Uint8Array(unhex(word.slice(1))));

function createMolecule(builder, row) {
  const words = row.split(',');
  const hash = FlatMolecule.createCoordinateHashVector(builder, unhex(words[0]));
  const commentary = createText(builder, words[2]);
  const error = createText(builder, words[5]);
  FlatMolecule.startFlatMolecule(builder);
  FlatMolecule.addCoordinateHash(builder, hash);
  if (words[1] !== '-') FlatMolecule.addNumericValue(builder, numberOf(words[1]));
  if (commentary) FlatMolecule.addTextCommentary(builder, commentary);
  if (words[3] !== '-') FlatMolecule.addDateValue(builder, BigInt(words[3]));
  if (words[4] !== '-') FlatMolecule.addBooleanValue(builder, words[4] === '1');
  if (error) FlatMolecule.addErrorValue(builder, error);
  if (words[6] !== '-') FlatMolecule.addTimestamp(builder, BigInt(words[6]));
  if (words[7] !== '-') FlatMolecule.addSecurityMask(builder, BigInt(words[7]));
  return FlatMolecule.endFlatMolecule(builder);
}

function createMolecules(builder, word) {
  if (word === '-') return 0;
  const rows = word === '[]' ? [] : word.slice(1, -1).split(';');
  const offsets = rows.map((row) => createMolecule(builder, row));
  return AtomEvent.createMoleculesVector(builder, offsets);
}

function build(builder, line, forced) {
  builder.clear();
  builder.forceDefaults(forced); // which clear() forgets
  const words = line.split(' ');
  const texts = words.map((word, at) =>
    [0, 1, 4, 5, 6, 7].includes(at) ? createText(builder, word) : 0
  );
  const molecules = createMolecules(builder, words[8]);
  AtomEvent.startAtomEvent(builder);
  if (texts[0]) AtomEvent.addEventId(builder, texts[0]);
  if (texts[1]) AtomEvent.addTraceId(builder, texts[1]);
  AtomEvent.addTimestamp(builder, BigInt(words[2]));
  AtomEvent.addType(builder, Number(words[3]));
  if (texts[4]) AtomEvent.addTenantId(builder, texts[4]);
  if (texts[5]) AtomEvent.addUserId(builder, texts[5]);
  if (molecules) AtomEvent.addMolecules(builder, molecules);
  if (texts[6]) AtomEvent.addSchemaPayload(builder, texts[6]);
  if (texts[7]) AtomEvent.addRegion(builder, texts[7]);
  builder.finish(AtomEvent.endAtomEvent(builder));
  return Buffer.from(builder.asUint8Array());
}

function write(input, forced) {
  const builder = new Builder(1024);
  const parts = [];
  for (const line of input.toString().trimEnd().split('\n')) {
    const bytes = build(builder, line, forced);
    const header = Buffer.alloc(4);
    header.writeUInt32LE(bytes.length);
    parts.push(header, bytes);
  }
  return Buffer.concat(parts);
}

const [mode, from, to] = process.argv.slice(2);
const input = readFileSync(from);
writeFileSync(to, mode === 'read' ? read(input) : write(input, mode === 'write-forced'));
