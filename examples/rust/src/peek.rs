//! One field of an event's envelope, read from bytes that nobody has verified: every step is checked,
//! and nothing else of the event is looked at.

/// The text in a slot of the root table (`AtomEvent::VT_REGION`), None when it is absent.
pub fn text(event: &[u8], slot: u16) -> Result<Option<&[u8]>, &'static str> {
    const BAD: &str = "the envelope runs past the end";
    let root = u32_at(event, 0).ok_or(BAD)?;
    let back = u32_at(event, root).ok_or(BAD)? as u32 as i32;
    let vtable = usize::try_from(root as i64 - i64::from(back)).map_err(|_| BAD)?;
    if usize::from(slot) + 2 > u16_at(event, vtable).ok_or(BAD)? {
        return Ok(None);
    }
    let field = match u16_at(event, vtable + usize::from(slot)).ok_or(BAD)? {
        0 => return Ok(None),
        offset => root + offset,
    };
    let length_at = field + u32_at(event, field).ok_or(BAD)?;
    let length = u32_at(event, length_at).ok_or(BAD)?;
    let text = event.get(length_at + 4..).and_then(|rest| rest.get(..length));
    text.map(Some).ok_or(BAD)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_le_bytes(found.try_into().ok()?).into())
}

fn u32_at(bytes: &[u8], at: usize) -> Option<usize> {
    let found = bytes.get(at..at.checked_add(4)?)?;
    usize::try_from(u32::from_le_bytes(found.try_into().ok()?)).ok()
}
