//! Follows the frames of a WebSocket from server to client, so that a whole one can be lost.
//!
//! Invariant: unless a loss is wanted every byte passes at once; what is lost is one whole unfragmented text frame
//! with changes, so that everything after it can still be read.

/// How a text with changes begins.
const CHANGES: &[u8] = br#"{"t":"ch""#;
/// End of the head of an HTTP answer.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// First byte of an unfragmented text frame.
const TEXT: u8 = 0x81;

/// Where in the stream we are.
#[derive(Debug, Default)]
enum Place {
    /// In the head of the answer to the upgrade, read so far.
    #[default]
    Head,
    /// Between two frames; what is held is the beginning of the next.
    Between,
    /// Within a frame of which so many bytes are still to pass.
    Passing(u64),
    /// The same, of a frame that is lost.
    Losing(u64),
    /// This is no WebSocket.
    Foreign,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Frames {
    place: Place,
    held: Vec<u8>,
    lost: u64,
}

impl Frames {
    /// Frames lost so far.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// What passes of a piece, when `wanted` frames with changes are to be lost on this connection in all.
    pub(super) fn pass(&mut self, piece: &[u8], wanted: u64) -> Vec<u8> {
        let mut out = Vec::with_capacity(piece.len());
        let mut rest = piece;
        while !rest.is_empty() {
            rest = match self.place {
                Place::Foreign => {
                    out.extend_from_slice(rest);
                    &[]
                }
                Place::Head => self.head(rest, &mut out),
                Place::Between => self.between(rest, wanted, &mut out),
                Place::Passing(left) => {
                    let (now, later) = split(rest, left);
                    out.extend_from_slice(now);
                    self.place = after(left, now.len(), Place::Passing);
                    later
                }
                Place::Losing(left) => {
                    let (now, later) = split(rest, left);
                    self.place = after(left, now.len(), Place::Losing);
                    later
                }
            };
        }
        out
    }

    fn head<'a>(&mut self, rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
        let known = self.held.len();
        self.held.extend_from_slice(rest);
        let end = self.held.windows(HEAD_END.len()).position(|bytes| bytes == HEAD_END);
        let Some(end) = end.map(|at| at + HEAD_END.len()) else {
            out.extend_from_slice(rest);
            return &[];
        };
        let upgraded = self.held.starts_with(b"HTTP/1.1 101");
        self.place = if upgraded { Place::Between } else { Place::Foreign };
        self.held.clear();
        let (now, later) = split(rest, (end - known) as u64);
        out.extend_from_slice(now);
        later
    }

    /// Takes bytes until it is known what the frame is.
    fn between<'a>(&mut self, rest: &'a [u8], wanted: u64, out: &mut Vec<u8>) -> &'a [u8] {
        let Some((first, rest)) = rest.split_first() else { return rest };
        self.held.push(*first);
        let Some((head, payload)) = lengths(&self.held) else { return rest };
        let looks_like_changes = |held: &[u8]| {
            let begun = held.get(head..).unwrap_or_default();
            CHANGES.starts_with(begun) || begun.starts_with(CHANGES)
        };
        let candidate = self.lost < wanted
            && self.held.first() == Some(&TEXT)
            && payload > CHANGES.len() as u64
            && looks_like_changes(&self.held);
        let seen = self.held.len() - head;
        if candidate && seen < CHANGES.len() {
            return rest;
        }
        let left = payload - seen as u64;
        if candidate {
            self.lost += 1;
            self.place = Place::Losing(left);
        } else {
            out.append(&mut self.held);
            self.place = after(left, 0, Place::Passing);
        }
        self.held.clear();
        rest
    }
}

/// Length of a frame's head and of its payload, once they are known. Servers do not mask.
fn lengths(held: &[u8]) -> Option<(usize, u64)> {
    let short = held.get(1)? & 0x7f;
    match short {
        126 => {
            let bytes = held.get(2..4)?.try_into().ok()?;
            Some((4, u64::from(u16::from_be_bytes(bytes))))
        }
        127 => {
            let bytes = held.get(2..10)?.try_into().ok()?;
            Some((10, u64::from_be_bytes(bytes)))
        }
        _ => Some((2, u64::from(short))),
    }
}

fn split(bytes: &[u8], at: u64) -> (&[u8], &[u8]) {
    let at = usize::try_from(at).unwrap_or(usize::MAX).min(bytes.len());
    bytes.split_at_checked(at).unwrap_or((bytes, &[]))
}

fn after(left: u64, now: usize, place: fn(u64) -> Place) -> Place {
    match left.saturating_sub(now as u64) {
        0 => Place::Between,
        left => place(left),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n";

    fn text(text: &str) -> Vec<u8> {
        let bytes = text.as_bytes();
        let mut frame = vec![TEXT];
        match (u8::try_from(bytes.len()), u16::try_from(bytes.len())) {
            (Ok(n), _) if n < 126 => frame.push(n),
            (_, Ok(n)) => {
                frame.push(126);
                frame.extend_from_slice(&n.to_be_bytes());
            }
            (_, Err(_)) => {
                frame.push(127);
                frame.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
            }
        }
        frame.extend_from_slice(bytes);
        frame
    }

    fn stream(texts: &[&str]) -> Vec<u8> {
        let frames = texts.iter().flat_map(|one| text(one));
        HEAD.iter().copied().chain(frames).collect()
    }

    fn through(bytes: &[u8], pieces: usize, wanted: u64) -> (Vec<u8>, u64) {
        let mut frames = Frames::default();
        let out = bytes.chunks(pieces).flat_map(|piece| frames.pass(piece, wanted)).collect();
        (out, frames.lost())
    }

    #[test]
    fn the_wanted_frames_are_lost_whole_wherever_the_pieces_end() {
        let long = format!(r#"{{"t":"ch","b":"{}"}}"#, "x".repeat(70_000));
        let middle = format!(r#"{{"t":"ch","b":"{}"}}"#, "x".repeat(300));
        let whole =
            [r#"{"t":"welcome"}"#, "", r#"{"t":"ch","n":1}"#, &long, &middle, r#"{"t":"ping"}"#];
        for pieces in [1, 2, 7, 100, 16 * 1024, 1 << 20] {
            let (out, lost) = through(&stream(&whole), pieces, 2);
            let expected = [r#"{"t":"welcome"}"#, "", &middle, r#"{"t":"ping"}"#];
            assert!(out == stream(&expected), "in pieces of {pieces}");
            assert_eq!(lost, 2);
        }
    }

    #[test]
    fn what_is_no_change_or_no_websocket_passes() {
        let bytes = stream(&[r#"{"t":"ping"}"#, r#"{"t":"ch"#]);
        assert_eq!(through(&bytes, 3, 5), (bytes.clone(), 0));
        let plain = b"HTTP/1.1 200 OK\r\n\r\n\x81\x10{\"t\":\"ch\",\"n\":1}".to_vec();
        assert_eq!(through(&plain, 4, 5), (plain.clone(), 0));
    }
}
