//! Events by the official Rust runtime: see ../../README.md for what is read and written.
#[allow(warnings)]
mod atom_event_generated;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Result, Write};

use atom_event_generated::event::v_1::{
    AtomEvent, AtomEventArgs, EventType, FlatMolecule, FlatMoleculeBuilder,
};
use flatbuffers::{FlatBufferBuilder, VOffsetT, WIPOffset};

type Builder = FlatBufferBuilder<'static>;

fn push_hex(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        write!(line, "{byte:02x}").unwrap();
    }
}

fn push_text(line: &mut String, text: Option<&str>) {
    match text {
        None => line.push('-'),
        Some(text) => {
            line.push('=');
            push_hex(line, text.as_bytes());
        }
    }
}

fn optional<T>(value: Option<T>, form: impl Fn(T) -> String) -> String {
    value.map_or("-".to_string(), form)
}

fn push_molecule(line: &mut String, molecule: &FlatMolecule) {
    let vtable = molecule._tab.vtable();
    let scalar = |slot: VOffsetT, text: String| match vtable.get(slot) {
        0 => "-".to_string(),
        _ => text,
    };
    push_hex(line, molecule.coordinate_hash().unwrap().bytes());
    let number = optional(molecule.numeric_value(), |value| format!("{:016x}", value.to_bits()));
    write!(line, ",{number},").unwrap();
    push_text(line, molecule.text_commentary());
    let date = optional(molecule.date_value(), |value| value.to_string());
    let truth = optional(molecule.boolean_value(), |value| (value as u8).to_string());
    write!(line, ",{date},{truth},").unwrap();
    push_text(line, molecule.error_value());
    let timestamp = molecule.timestamp().to_string();
    let mask = molecule.security_mask().to_string();
    write!(
        line,
        ",{},{}",
        scalar(FlatMolecule::VT_TIMESTAMP, timestamp),
        scalar(FlatMolecule::VT_SECURITY_MASK, mask)
    )
    .unwrap();
}

fn line_of(event: &AtomEvent) -> String {
    let mut line = String::new();
    push_text(&mut line, event.event_id());
    line.push(' ');
    push_text(&mut line, event.trace_id());
    write!(line, " {} {} ", event.timestamp(), event.type_().0).unwrap();
    let texts = [event.tenant_id(), event.user_id(), event.schema_payload(), event.region()];
    for text in texts {
        push_text(&mut line, text);
        line.push(' ');
    }
    let Some(molecules) = event.molecules() else {
        return line + "-";
    };
    line.push('[');
    for (row, molecule) in molecules.iter().enumerate() {
        if row > 0 {
            line.push(';');
        }
        push_molecule(&mut line, &molecule);
    }
    line + "]"
}

fn read(mut from: impl Read, mut to: impl Write, lines: bool) -> Result<()> {
    let mut header = [0; 4];
    let mut number = 0;
    while from.read_exact(&mut header).is_ok() {
        let mut bytes = vec![0; u32::from_le_bytes(header) as usize];
        from.read_exact(&mut bytes)?;
        let event = flatbuffers::root::<AtomEvent>(&bytes)
            .unwrap_or_else(|fault| panic!("event {number} is refused by the verifier: {fault}"));
        if lines {
            writeln!(to, "{}", line_of(&event))?;
        }
        number += 1;
    }
    Ok(())
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn text(builder: &mut Builder, word: &str) -> Option<WIPOffset<&'static str>> {
    let hex = word.strip_prefix('=')?;
    Some(builder.create_string(&String::from_utf8(unhex(hex)).unwrap()))
}

fn molecule(builder: &mut Builder, row: &str) -> WIPOffset<FlatMolecule<'static>> {
    let words: Vec<&str> = row.split(',').collect();
    let hash = builder.create_vector(&unhex(words[0]));
    let commentary = text(builder, words[2]);
    let error = text(builder, words[5]);
    let mut table = FlatMoleculeBuilder::new(builder);
    table.add_coordinate_hash(hash);
    if words[1] != "-" {
        table.add_numeric_value(f64::from_bits(u64::from_str_radix(words[1], 16).unwrap()));
    }
    if let Some(commentary) = commentary {
        table.add_text_commentary(commentary);
    }
    if words[3] != "-" {
        table.add_date_value(words[3].parse().unwrap());
    }
    if words[4] != "-" {
        table.add_boolean_value(words[4] == "1");
    }
    if let Some(error) = error {
        table.add_error_value(error);
    }
    if words[6] != "-" {
        table.add_timestamp(words[6].parse().unwrap());
    }
    if words[7] != "-" {
        table.add_security_mask(words[7].parse().unwrap());
    }
    table.finish()
}

fn write_event(builder: &mut Builder, line: &str) {
    let words: Vec<&str> = line.split(' ').collect();
    let rows = words[8].trim_matches(['[', ']']);
    let molecules = match words[8] {
        "-" => None,
        "[]" => Some(builder.create_vector::<WIPOffset<FlatMolecule>>(&[])),
        _ => {
            let offsets: Vec<_> = rows.split(';').map(|row| molecule(builder, row)).collect();
            Some(builder.create_vector(&offsets))
        }
    };
    let args = AtomEventArgs {
        event_id: text(builder, words[0]),
        trace_id: text(builder, words[1]),
        timestamp: words[2].parse().unwrap(),
        type_: EventType(words[3].parse().unwrap()),
        tenant_id: text(builder, words[4]),
        user_id: text(builder, words[5]),
        molecules,
        schema_payload: text(builder, words[6]),
        region: text(builder, words[7]),
    };
    let event = AtomEvent::create(builder, &args);
    builder.finish(event, None);
}

fn write(from: impl BufRead, mut to: impl Write, forced: bool) -> Result<()> {
    let mut builder = FlatBufferBuilder::new();
    builder.force_defaults(forced);
    for line in from.lines() {
        builder.reset();
        write_event(&mut builder, &line?);
        let bytes = builder.finished_data();
        to.write_all(&(bytes.len() as u32).to_le_bytes())?;
        to.write_all(bytes)?;
    }
    Ok(())
}

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let from = BufReader::new(File::open(&words[2])?);
    let mut to = BufWriter::new(File::create(&words[3])?);
    match words[1].as_str() {
        "read" => read(from, &mut to, true)?,
        "verify" => read(from, &mut to, false)?,
        mode => write(from, &mut to, mode == "write-forced")?,
    }
    to.flush()
}
