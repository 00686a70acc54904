//! How a token's bytes are written: base64url, numbers of varying length, distances in one byte.
//!
//! Invariant: no input makes a reader panic or run past its end.

/// Six bits as a character that needs no escape in JSON, URLs or headers.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64url without padding (RFC 4648, section 5).
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let part = |at: usize| u32::from(chunk.get(at).copied().unwrap_or_default());
        let bits = part(0) << 16 | part(1) << 8 | part(2);
        for at in 0..=chunk.len() {
            let six = (bits >> (18 - 6 * at)) & 63;
            text.extend(ALPHABET.get(six as usize).map(|byte| char::from(*byte)));
        }
    }
    text
}

/// The bytes of such a text; none if it is not one.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3 + 2);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for byte in chunk {
            let six = ALPHABET.iter().position(|known| known == byte)?;
            bits = bits << 6 | u32::try_from(six).ok()?;
        }
        bits <<= 6 * (4 - chunk.len());
        let whole = chunk.len() * 6 / 8;
        bytes.extend(bits.to_be_bytes().iter().skip(1).take(whole));
    }
    Some(bytes)
}

/// Appends a number, seven bits a byte, lowest first.
pub(super) fn put_varint(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            return out.push(low);
        }
        out.push(low | 0x80);
    }
}

/// Takes bytes apart.
#[derive(Debug)]
pub(super) struct Reader<'a>(std::slice::Iter<'a, u8>);

impl<'a> Reader<'a> {
    /// At the beginning.
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes.iter())
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.0.next().copied()
    }

    /// Four bytes as a number.
    pub(super) fn word(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes([self.byte()?, self.byte()?, self.byte()?, self.byte()?]))
    }

    /// A number of [`put_varint`].
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }
}

/// Distances in one byte, five bits of magnitude and three of precision: exact up to 15, else up to an
/// eighth too long, so that a place comes back a little older, never newer.
pub(super) mod round_down {
    /// The shortest distance that a code can say and that is not shorter than this.
    pub(in super::super) fn code(distance: u64) -> u8 {
        (0..=u8::MAX).find(|code| self::distance(*code) >= distance).unwrap_or(u8::MAX)
    }

    /// What a code says; the last one says "from the very beginning".
    pub(in super::super) fn distance(code: u8) -> u64 {
        let (magnitude, precise) = (u32::from(code >> 3), u64::from(code & 7));
        match (code, magnitude) {
            (u8::MAX, _) => u64::MAX,
            (_, 0) => precise,
            _ => (8 + precise) << (magnitude - 1),
        }
    }
}
