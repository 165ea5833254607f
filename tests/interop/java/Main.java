import com.google.flatbuffers.FlatBufferBuilder;
import com.google.flatbuffers.Presence;
import com.google.flatbuffers.Table;
import event.v1.AtomEvent;
import event.v1.FlatMolecule;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;

/** Events by the official Java runtime: see ../README.md for what is read and written. */
public final class Main {
  private static final HexFormat HEX = HexFormat.of();

  private static String text(String value) {
    return value == null ? "-" : "=" + HEX.formatHex(value.getBytes(StandardCharsets.UTF_8));
  }

  private static String scalar(Table table, int field, String value) {
    return Presence.of(table, field) ? value : "-";
  }

  private static String line(FlatMolecule molecule) {
    byte[] hash = new byte[molecule.coordinateHashLength()];
    molecule.coordinateHashAsByteBuffer().get(hash);
    long bits = Double.doubleToRawLongBits(molecule.numericValue());
    return String.join(
        ",",
        HEX.formatHex(hash),
        molecule.hasNumericValue() ? HEX.toHexDigits(bits) : "-",
        text(molecule.textCommentary()),
        molecule.hasDateValue() ? Long.toString(molecule.dateValue()) : "-",
        molecule.hasBooleanValue() ? (molecule.booleanValue() ? "1" : "0") : "-",
        text(molecule.errorValue()),
        scalar(molecule, 6, Long.toString(molecule.timestamp())),
        scalar(molecule, 7, Long.toUnsignedString(molecule.securityMask())));
  }

  private static String line(AtomEvent event) {
    String molecules = "-";
    if (Presence.of(event, 6)) {
      String[] rows = new String[event.moleculesLength()];
      for (int row = 0; row < rows.length; ++row) {
        rows[row] = line(event.molecules(row));
      }
      molecules = "[" + String.join(";", rows) + "]";
    }
    return String.join(
        " ",
        text(event.eventId()),
        text(event.traceId()),
        Long.toString(event.timestamp()),
        Byte.toString(event.type()),
        text(event.tenantId()),
        text(event.userId()),
        text(event.schemaPayload()),
        text(event.region()),
        molecules);
  }

  private static void read(InputStream from, OutputStream to) throws IOException {
    DataInputStream input = new DataInputStream(from);
    byte[] header;
    while ((header = input.readNBytes(4)).length == 4) {
      byte[] bytes = new byte[Integer.reverseBytes(ByteBuffer.wrap(header).getInt())];
      input.readFully(bytes);
      String line = line(AtomEvent.getRootAsAtomEvent(ByteBuffer.wrap(bytes)));
      to.write((line + "\n").getBytes(StandardCharsets.US_ASCII));
    }
  }

  private static int text(FlatBufferBuilder builder, String word) {
    if (word.equals("-")) {
      return 0;
    }
    String text = new String(HEX.parseHex(word.substring(1)), StandardCharsets.UTF_8);
    return builder.createString(text);
  }

  private static int molecule(FlatBufferBuilder builder, String row) {
    String[] words = row.split(",");
    int hash = FlatMolecule.createCoordinateHashVector(builder, HEX.parseHex(words[0]));
    int commentary = text(builder, words[2]);
    int error = text(builder, words[5]);
    FlatMolecule.startFlatMolecule(builder);
    FlatMolecule.addCoordinateHash(builder, hash);
    if (!words[1].equals("-")) {
      long bits = Long.parseUnsignedLong(words[1], 16);
      FlatMolecule.addNumericValue(builder, Double.longBitsToDouble(bits));
    }
    if (commentary != 0) {
      FlatMolecule.addTextCommentary(builder, commentary);
    }
    if (!words[3].equals("-")) {
      FlatMolecule.addDateValue(builder, Long.parseLong(words[3]));
    }
    if (!words[4].equals("-")) {
      FlatMolecule.addBooleanValue(builder, words[4].equals("1"));
    }
    if (error != 0) {
      FlatMolecule.addErrorValue(builder, error);
    }
    if (!words[6].equals("-")) {
      FlatMolecule.addTimestamp(builder, Long.parseLong(words[6]));
    }
    if (!words[7].equals("-")) {
      FlatMolecule.addSecurityMask(builder, Long.parseUnsignedLong(words[7]));
    }
    return FlatMolecule.endFlatMolecule(builder);
  }

  private static int molecules(FlatBufferBuilder builder, String word) {
    if (word.equals("-")) {
      return 0;
    }
    String inner = word.substring(1, word.length() - 1);
    String[] rows = inner.isEmpty() ? new String[0] : inner.split(";");
    int[] offsets = new int[rows.length];
    for (int row = 0; row < rows.length; ++row) {
      offsets[row] = molecule(builder, rows[row]);
    }
    return AtomEvent.createMoleculesVector(builder, offsets);
  }

  private static byte[] build(FlatBufferBuilder builder, String line) {
    builder.clear();
    String[] words = line.split(" ");
    int eventId = text(builder, words[0]);
    int traceId = text(builder, words[1]);
    int tenantId = text(builder, words[4]);
    int userId = text(builder, words[5]);
    int payload = text(builder, words[6]);
    int region = text(builder, words[7]);
    int molecules = molecules(builder, words[8]);
    AtomEvent.startAtomEvent(builder);
    // An absent text must not be added: with forced defaults the builder would write the offset 0.
    if (eventId != 0) {
      AtomEvent.addEventId(builder, eventId);
    }
    if (traceId != 0) {
      AtomEvent.addTraceId(builder, traceId);
    }
    AtomEvent.addTimestamp(builder, Long.parseLong(words[2]));
    AtomEvent.addType(builder, Byte.parseByte(words[3]));
    AtomEvent.addTenantId(builder, tenantId);
    if (userId != 0) {
      AtomEvent.addUserId(builder, userId);
    }
    if (molecules != 0) {
      AtomEvent.addMolecules(builder, molecules);
    }
    if (payload != 0) {
      AtomEvent.addSchemaPayload(builder, payload);
    }
    if (region != 0) {
      AtomEvent.addRegion(builder, region);
    }
    builder.finish(AtomEvent.endAtomEvent(builder));
    return builder.sizedByteArray();
  }

  private static void write(InputStream from, OutputStream to, boolean forced) throws IOException {
    FlatBufferBuilder builder = new FlatBufferBuilder(1024);
    builder.forceDefaults(forced);
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(from, StandardCharsets.US_ASCII));
    for (String line; (line = lines.readLine()) != null; ) {
      byte[] bytes = build(builder, line);
      to.write(ByteBuffer.allocate(4).putInt(Integer.reverseBytes(bytes.length)).array());
      to.write(bytes);
    }
  }

  public static void main(String[] args) throws IOException {
    try (InputStream from = new BufferedInputStream(Files.newInputStream(Path.of(args[1])));
        OutputStream to = new BufferedOutputStream(Files.newOutputStream(Path.of(args[2])))) {
      if (args[0].equals("read")) {
        read(from, to);
      } else {
        write(from, to, args[0].equals("write-forced"));
      }
    }
  }
}
