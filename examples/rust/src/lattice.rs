//! The cells of one partition, and the offset up to which its events are in them. Both are in one
//! file, which is replaced as a whole: whenever the engine dies, they belong together.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{BufReader, BufWriter, ErrorKind, Read, Result, Write};
use std::path::{Path, PathBuf};

use crate::event::AtomEvent;

#[derive(Clone, Copy, Default)]
pub struct Cell {
    pub number: Option<f64>, // None: cleared, or no number
    pub mask: u64,
}

/// The key is (tenant, hash): a hash says nothing about the tenant.
pub struct Lattice {
    path: PathBuf,
    pub next: u64,    // the offset of the next event
    pub applied: u64, // writes so far
    tenants: HashMap<String, u32>,
    cells: HashMap<(u32, u128), Cell>,
    saved: u64, // `next` in the file
}

impl Lattice {
    /// Reads the file, or begins where there is none.
    pub fn open(path: PathBuf) -> Result<Self> {
        let (tenants, cells) = Default::default();
        let mut lattice = Lattice { path, next: 0, applied: 0, tenants, cells, saved: 0 };
        match File::open(&lattice.path) {
            Ok(file) => lattice.read(BufReader::new(file))?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        lattice.saved = lattice.next;
        Ok(lattice)
    }

    /// Applies a verified event. The last write in the partition's order wins; times decide nothing.
    pub fn apply(&mut self, event: &AtomEvent) -> std::result::Result<(), &'static str> {
        let tenant = self.tenant(event.tenant_id().ok_or("no tenant_id")?);
        for molecule in event.molecules().unwrap_or_default() {
            // In place: sixteen bytes of the message are the number.
            let hash = molecule.coordinate_hash().ok_or("no coordinate_hash")?.bytes();
            let hash = hash.try_into().map_err(|_| "coordinate_hash has not 16 bytes")?;
            let cell = self.cells.entry((tenant, u128::from_le_bytes(hash))).or_default();
            cell.number = molecule.numeric_value();
            // A mask that is absent keeps the cell's.
            if molecule._tab.vtable().get(crate::event::FlatMolecule::VT_SECURITY_MASK) != 0 {
                cell.mask = molecule.security_mask();
            }
            self.applied += 1;
        }
        Ok(())
    }

    fn tenant(&mut self, name: &str) -> u32 {
        let count = self.tenants.len() as u32;
        match self.tenants.get(name) {
            Some(&number) => number,
            None => *self.tenants.entry(name.to_string()).or_insert(count),
        }
    }

    /// Writes a new file and puts it in the old one's place.
    pub fn save(&mut self) -> Result<()> {
        if self.saved == self.next && self.path.exists() {
            return Ok(());
        }
        let scratch = self.path.with_extension(format!("{}.new", std::process::id()));
        let mut to = BufWriter::new(File::create(&scratch)?);
        self.write(&mut to)?;
        to.into_inner()?.sync_all()?;
        fs::rename(&scratch, &self.path)?;
        File::open(self.path.parent().unwrap_or(Path::new(".")))?.sync_all()?;
        self.saved = self.next;
        Ok(())
    }

    // next, applied, tenants, cells; each tenant its length and text; each cell 48 bytes.
    fn write(&self, to: &mut impl Write) -> Result<()> {
        let counts = [self.tenants.len() as u64, self.cells.len() as u64];
        for number in [self.next, self.applied, counts[0], counts[1]] {
            to.write_all(&number.to_le_bytes())?;
        }
        let mut names: Vec<_> = self.tenants.iter().map(|(name, number)| (number, name)).collect();
        names.sort();
        for (_, name) in names {
            to.write_all(&(name.len() as u64).to_le_bytes())?;
            to.write_all(name.as_bytes())?;
        }
        for ((tenant, hash), cell) in &self.cells {
            to.write_all(&hash.to_le_bytes())?;
            to.write_all(&u64::from(*tenant).to_le_bytes())?;
            to.write_all(&cell.mask.to_le_bytes())?;
            to.write_all(&cell.number.unwrap_or(0.0).to_le_bytes())?;
            to.write_all(&u64::from(cell.number.is_some()).to_le_bytes())?;
        }
        Ok(())
    }

    fn read(&mut self, mut from: impl Read) -> Result<()> {
        self.next = word(&mut from)?;
        self.applied = word(&mut from)?;
        let (tenants, cells) = (word(&mut from)?, word(&mut from)?);
        for _ in 0..tenants {
            let mut name = vec![0; word(&mut from)? as usize];
            from.read_exact(&mut name)?;
            self.tenant(std::str::from_utf8(&name).map_err(std::io::Error::other)?);
        }
        for _ in 0..cells {
            let hash = u128::from(word(&mut from)?) | u128::from(word(&mut from)?) << 64;
            let (tenant, mask) = (word(&mut from)? as u32, word(&mut from)?);
            let number = f64::from_bits(word(&mut from)?);
            let number = (word(&mut from)? != 0).then_some(number);
            self.cells.insert((tenant, hash), Cell { number, mask });
        }
        Ok(())
    }
}

fn word(from: &mut impl Read) -> Result<u64> {
    let mut bytes = [0; 8];
    from.read_exact(&mut bytes)?;
    Ok(u64::from_le_bytes(bytes))
}
