// Golden events to start fuzzing from: `seeds DIRECTORY`. Each kind of event, by the official C++
// builder in several of its ways and by this project's encoder.
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

#include "atom_event_generated.h"
#include "encode.hpp"
#include "target.hpp"

namespace {

using namespace event::v1;

const char kEventId[] = "01890a5d-ac96-774b-bcce-b302099a8057";
const char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";

std::string directory;

void save(const std::string& name, const uint8_t* bytes, size_t size) {
  std::ofstream file(directory + "/" + name, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes), static_cast<std::streamsize>(size));
  if (!file) {
    std::fprintf(stderr, "cannot write to %s\n", directory.c_str());
    std::exit(1);
  }
}

struct Style {
  const char* name;
  bool force_defaults;
  bool share_texts;
  bool dedup_vtables;
};
constexpr Style kStyles[] = {{"plain", false, false, true},
                             {"forced", true, false, true},
                             {"shared", false, true, true},
                             {"own-vtables", true, false, false}};

flatbuffers::Offset<FlatMolecule> molecule(flatbuffers::FlatBufferBuilder& builder,
                                           const Style& style, unsigned kind) {
  uint8_t hash[16];
  for (unsigned i = 0; i < sizeof hash; ++i) hash[i] = static_cast<uint8_t>(kind * 16 + i);
  const auto coordinate = builder.CreateVector(hash, sizeof hash);
  const auto text = [&](const char* value) {
    return style.share_texts ? builder.CreateSharedString(value) : builder.CreateString(value);
  };
  const auto commentary = kind % 5 == 1 ? text("caf\xC3\xA9 \xF0\x9F\x98\x80") : 0;
  const auto error = kind % 5 == 4 ? text("#DIV/0!") : 0;
  FlatMoleculeBuilder table(builder);
  table.add_coordinate_hash(coordinate);
  if (kind % 5 == 0) table.add_numeric_value(kind * 1.5);
  if (kind % 5 == 1) table.add_text_commentary(commentary);
  if (kind % 5 == 2) table.add_date_value(1'700'000'000'000'000'000);
  if (kind % 5 == 3) table.add_boolean_value(kind % 2 == 1);
  if (kind % 5 == 4) table.add_error_value(error);
  if (kind % 2 == 0) table.add_timestamp(1'700'000'000'000'000'001);
  if (kind % 3 == 0) table.add_security_mask(0xFF00FF00FF00FF00u);
  return table.Finish();
}

void by_builder(const Style& style, EventType type, unsigned molecules) {
  flatbuffers::FlatBufferBuilder builder;
  builder.ForceDefaults(style.force_defaults);
  builder.DedupVtables(style.dedup_vtables);
  std::vector<flatbuffers::Offset<FlatMolecule>> rows;
  for (unsigned row = 0; row < molecules; ++row) rows.push_back(molecule(builder, style, row));
  const auto vector = molecules > 0 || style.force_defaults ? builder.CreateVector(rows) : 0;
  const auto payload =
      type == EventType::SCHEMA_CHANGE ? builder.CreateString("{\"add\": \"Region\"}") : 0;
  const auto region = molecules % 2 == 1 ? builder.CreateString("EMEA") : 0;
  const auto user = molecules % 3 == 1 ? builder.CreateString("user-7") : 0;
  const auto tenant = builder.CreateString("acme");
  const auto trace = style.force_defaults ? builder.CreateString(kTraceId) : 0;
  const auto id = builder.CreateString(kEventId);
  FinishAtomEventBuffer(builder,
                        CreateAtomEvent(builder, id, trace, 1'700'000'000'123'456'789, type, tenant,
                                        user, vector, payload, region));
  save(std::string("builder-") + style.name + "-" + EnumNameEventType(type) + "-" +
           std::to_string(molecules),
       builder.GetBufferPointer(), builder.GetSize());
}

atomwire::Text text(const char* value) { return {value, std::strlen(value)}; }

void by_encoder(uint64_t rows, unsigned fields) {
  std::vector<uint8_t> hashes(rows * 16 + 1);
  std::vector<uint64_t> wide(rows + 1);
  std::vector<uint8_t> truth(rows + 1);
  std::vector<uint8_t> absent(rows + 1);
  std::vector<atomwire::Text> texts(rows + 1);
  for (uint64_t row = 0; row < rows; ++row) {
    for (unsigned i = 0; i < 16; ++i) hashes[row * 16 + i] = static_cast<uint8_t>(row + i);
    wide[row] = 0x3FF8000000000000u + row;
    truth[row] = row & 1;
    absent[row] = row % 3 == 2;
    if (row % 2 == 0) texts[row] = text(row % 4 == 0 ? "#N/A" : "gr\xC3\xBC\xC3\x9F");
  }
  atomwire::MoleculeColumns columns;
  columns.count = rows;
  columns.hash = {hashes.data(), 16};
  for (unsigned column = 0; column < 4; ++column) {
    if ((fields >> column & 1) == 0) continue;
    const auto kind = column == 0 ? atomwire::Kind::f64 : atomwire::Kind::u64;
    const auto* values = reinterpret_cast<const uint8_t*>(wide.data());
    columns.wide[column] = {values, 8, kind, column == 2 ? absent.data() : nullptr, 1};
  }
  if ((fields & 16) != 0) {
    columns.boolean = {truth.data(), 1, atomwire::Kind::u8, absent.data(), 1};
  }
  if ((fields & 32) != 0) columns.text[0] = {texts.data(), false};
  if ((fields & 64) != 0) columns.text[1] = {texts.data(), true};

  atomwire::Envelope envelope;
  envelope.event_id = text(kEventId);
  envelope.tenant_id = text("acme");
  envelope.region = fields % 2 == 1 ? text("EMEA") : atomwire::Text{};
  envelope.timestamp = 1'700'000'000'123'456'789;
  envelope.type = static_cast<int8_t>(EventType::MOLECULE_WRITE);
  envelope.has_molecules = true;
  atomwire::MoleculePlan plan;
  CHECK(plan.prepare(columns, atomwire::envelope_size(envelope)) == atomwire::EncodeError::none);
  std::vector<uint8_t> event(plan.end());
  atomwire::write_envelope(event.data(), envelope);
  plan.write(event.data());
  save("encoder-" + std::to_string(fields) + "-" + std::to_string(rows), event.data(),
       event.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  directory = argv[1];
  for (const Style& style : kStyles) {
    for (const EventType type : EnumValuesEventType()) {
      for (const unsigned molecules : {0u, 1u, 3u, 7u}) by_builder(style, type, molecules);
    }
  }
  for (const unsigned fields : {0u, 1u, 13u, 16u, 34u, 64u, 127u}) {
    for (const uint64_t rows : {uint64_t{0}, uint64_t{1}, uint64_t{3}, uint64_t{6}}) {
      by_encoder(rows, fields);
    }
  }
  return 0;
}
