//! What the programs share: the accessors that flatc generates, the coordinate of a cell, a peek and
//! the lattice. See docs/another-language.md.

#[allow(warnings)]
#[rustfmt::skip]
mod atom_event_generated;
pub mod lattice;
pub mod peek;

pub use atom_event_generated::event::v_1 as event;

/// The coordinate of a cell: MurmurHash3 (x64, 128 bits, seed 0) of its members.
pub fn coordinate<'a>(members: impl IntoIterator<Item = &'a str>) -> u128 {
    let text = members.into_iter().collect::<Vec<_>>().join("\x1f");
    murmur3::murmur3_x64_128(&mut text.as_bytes(), 0).expect("reading from memory")
}
