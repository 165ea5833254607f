// Events by the official C++ runtime: see ../README.md for what is read and written.
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "atom_event_generated.h"

namespace {

using event::v1::AtomEvent;
using event::v1::FlatMolecule;
using Offsets = std::vector<flatbuffers::Offset<FlatMolecule>>;
using Words = std::vector<std::string>;

[[noreturn]] void die(const std::string& why) {
  std::cerr << why << "\n";
  std::exit(1);
}

void append_hex(std::string& line, const uint8_t* bytes, size_t size) {
  static const char kDigits[] = "0123456789abcdef";
  for (size_t i = 0; i < size; ++i) {
    line += kDigits[bytes[i] >> 4];
    line += kDigits[bytes[i] & 15];
  }
}

void append_text(std::string& line, const flatbuffers::String* text) {
  if (text == nullptr) {
    line += '-';
    return;
  }
  line += '=';
  append_hex(line, text->Data(), text->size());
}

void append_molecule(std::string& line, const FlatMolecule& molecule) {
  const auto& table = reinterpret_cast<const flatbuffers::Table&>(molecule);
  const auto scalar = [&](bool present, const std::string& text) {
    line += present ? text : "-";
    line += ',';
  };
  append_hex(line, molecule.coordinate_hash()->data(), molecule.coordinate_hash()->size());
  line += ',';
  uint64_t bits = 0;
  const double number = molecule.numeric_value().value_or(0);
  std::memcpy(&bits, &number, sizeof bits);
  char hex[17];
  std::snprintf(hex, sizeof hex, "%016" PRIx64, bits);
  scalar(molecule.numeric_value().has_value(), hex);
  append_text(line, molecule.text_commentary());
  line += ',';
  const auto date = molecule.date_value();
  scalar(date.has_value(), std::to_string(date.value_or(0)));
  const auto truth = molecule.boolean_value();
  scalar(truth.has_value(), truth.value_or(false) ? "1" : "0");
  append_text(line, molecule.error_value());
  line += ',';
  scalar(table.CheckField(FlatMolecule::VT_TIMESTAMP), std::to_string(molecule.timestamp()));
  scalar(table.CheckField(FlatMolecule::VT_SECURITY_MASK),
         std::to_string(molecule.security_mask()));
  line.pop_back();
}

std::string line_of(const AtomEvent& event) {
  std::string line;
  const auto text = [&](const flatbuffers::String* value) {
    append_text(line, value);
    line += ' ';
  };
  text(event.event_id());
  text(event.trace_id());
  line += std::to_string(event.timestamp()) + ' ';
  line += std::to_string(static_cast<int>(event.type())) + ' ';
  text(event.tenant_id());
  text(event.user_id());
  text(event.schema_payload());
  text(event.region());
  if (event.molecules() == nullptr) return line + '-';
  line += '[';
  for (const FlatMolecule* const molecule : *event.molecules()) {
    if (line.back() != '[') line += ';';
    append_molecule(line, *molecule);
  }
  return line + ']';
}

void read(std::istream& from, std::ostream& to, bool lines) {
  uint8_t header[4];
  std::vector<uint8_t> bytes;
  for (unsigned long number = 0; from.read(reinterpret_cast<char*>(header), 4); ++number) {
    bytes.resize(flatbuffers::ReadScalar<uint32_t>(header));
    from.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    flatbuffers::Verifier verifier(bytes.data(), bytes.size());
    if (!event::v1::VerifyAtomEventBuffer(verifier)) {
      die("event " + std::to_string(number) + " is refused by the verifier");
    }
    if (lines) to << line_of(*event::v1::GetAtomEvent(bytes.data())) << "\n";
  }
}

Words split(const std::string& text, char by) {
  Words words(1);
  for (const char each : text) {
    if (each == by) {
      words.emplace_back();
    } else {
      words.back() += each;
    }
  }
  return words;
}

std::string unhex(const std::string& hex, size_t from) {
  std::string bytes;
  for (size_t at = from; at < hex.size(); at += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
  }
  return bytes;
}

class Writer {
 public:
  // In the forced style defaults are written, texts shared and vtables not.
  explicit Writer(bool forced) : forced_(forced) {
    builder_.ForceDefaults(forced);
    builder_.DedupVtables(!forced);
  }

  void write(const std::string& line, std::ostream& to) {
    builder_.Clear();
    const Words words = split(line, ' ');
    flatbuffers::Offset<flatbuffers::Vector<flatbuffers::Offset<FlatMolecule>>> molecules = 0;
    if (words[8] != "-") molecules = builder_.CreateVector(rows(words[8]));
    const auto event_id = text(words[0]);
    const auto trace_id = text(words[1]);
    const auto tenant_id = text(words[4]);
    const auto user_id = text(words[5]);
    const auto payload = text(words[6]);
    const auto region = text(words[7]);
    builder_.Finish(event::v1::CreateAtomEvent(
        builder_, event_id, trace_id, std::stoll(words[2]),
        static_cast<event::v1::EventType>(std::stoi(words[3])), tenant_id, user_id, molecules,
        payload, region));
    uint8_t header[4];
    flatbuffers::WriteScalar(header, static_cast<uint32_t>(builder_.GetSize()));
    to.write(reinterpret_cast<const char*>(header), 4);
    to.write(reinterpret_cast<const char*>(builder_.GetBufferPointer()),
             static_cast<std::streamsize>(builder_.GetSize()));
  }

 private:
  flatbuffers::Offset<flatbuffers::String> text(const std::string& word) {
    if (word == "-") return 0;
    return forced_ ? builder_.CreateSharedString(unhex(word, 1))
                   : builder_.CreateString(unhex(word, 1));
  }

  Offsets rows(const std::string& word) {
    Offsets offsets;
    if (word == "[]") return offsets;
    for (const std::string& row : split(word.substr(1, word.size() - 2), ';')) {
      offsets.push_back(molecule(split(row, ',')));
    }
    return offsets;
  }

  flatbuffers::Offset<FlatMolecule> molecule(const Words& words) {
    const std::string hash = unhex(words[0], 0);
    const auto coordinate =
        builder_.CreateVector(reinterpret_cast<const uint8_t*>(hash.data()), hash.size());
    const auto commentary = text(words[2]);
    const auto error = text(words[5]);
    event::v1::FlatMoleculeBuilder table(builder_);
    table.add_coordinate_hash(coordinate);
    if (words[1] != "-") {
      const uint64_t bits = std::stoull(words[1], nullptr, 16);
      double number = 0;
      std::memcpy(&number, &bits, sizeof number);
      table.add_numeric_value(number);
    }
    if (words[2] != "-") table.add_text_commentary(commentary);
    if (words[3] != "-") table.add_date_value(std::stoll(words[3]));
    if (words[4] != "-") table.add_boolean_value(words[4] == "1");
    if (words[5] != "-") table.add_error_value(error);
    if (words[6] != "-") table.add_timestamp(std::stoll(words[6]));
    if (words[7] != "-") table.add_security_mask(std::stoull(words[7]));
    return table.Finish();
  }

  bool forced_;
  flatbuffers::FlatBufferBuilder builder_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) die("usage: read|verify|write|write-forced INPUT OUTPUT");
  const std::string mode = argv[1];
  std::ifstream from(argv[2], std::ios::binary);
  std::ofstream to(argv[3], std::ios::binary);
  if (!from || !to) die("cannot open the files");
  if (mode == "read" || mode == "verify") {
    read(from, to, mode == "read");
  } else {
    Writer writer(mode == "write-forced");
    for (std::string line; std::getline(from, line);) writer.write(line, to);
  }
  return to.flush() ? 0 : 1;
}
