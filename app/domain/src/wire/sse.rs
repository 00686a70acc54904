//! Takes an event stream (`text/event-stream`) apart, as its bytes come.
//!
//! Only what a live stream says is read: the data of each event. Names, ids and comments are skipped.
//!
//! Invariant: how the bytes were cut on their way changes nothing; no more is kept than one event that has
//! not ended, and that is bounded.

/// Longest event, in bytes; one that is longer ends the stream. A snapshot comes in parts far below it.
pub const LONGEST_EVENT: usize = 16 << 20;

/// See the module.
#[derive(Debug, Default)]
pub struct Events {
    bytes: Vec<u8>,
    /// No line ends before this byte.
    scanned: usize,
    data: String,
    broken: bool,
}

impl Events {
    /// Takes the next bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The data of the next event that is complete. Call it until there is none before the next [`Self::push`].
    pub fn next_data(&mut self) -> Option<String> {
        while let Some(line) = self.next_line() {
            if line.is_empty() {
                if !self.data.is_empty() {
                    return Some(std::mem::take(&mut self.data));
                }
            } else if let Some(data) = line.strip_prefix("data:") {
                if !self.data.is_empty() {
                    self.data.push('\n');
                }
                self.data.push_str(data.strip_prefix(' ').unwrap_or(data));
            }
        }
        None
    }

    /// Whether something came that is no event stream: not text, or an event without end.
    pub fn is_broken(&self) -> bool {
        self.broken || self.bytes.len() + self.data.len() > LONGEST_EVENT
    }

    fn next_line(&mut self) -> Option<String> {
        let found = self.bytes.iter().skip(self.scanned).position(|byte| *byte == b'\n');
        let Some(end) = found.map(|at| self.scanned + at) else {
            self.scanned = self.bytes.len();
            return None;
        };
        self.scanned = 0;
        let mut line: Vec<u8> = self.bytes.drain(..=end).collect();
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let line = String::from_utf8(line);
        self.broken |= line.is_err();
        line.ok()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(pieces: &[&[u8]]) -> Vec<String> {
        let mut events = Events::default();
        let mut found = Vec::new();
        for piece in pieces {
            events.push(piece);
            found.extend(std::iter::from_fn(|| events.next_data()));
        }
        assert!(!events.is_broken());
        found
    }

    #[test]
    fn data_is_read_and_everything_else_skipped() {
        let stream = "retry: 5\n\n: a comment\nid: e:7\ndata: {\"t\":1}\n\nevent: x\r\ndata:two\r\ndata: lines\r\n\r\ndata: not ended\n";
        assert_eq!(all(&[stream.as_bytes()]), ["{\"t\":1}", "two\nlines"]);
    }

    #[test]
    fn what_is_no_text_or_never_ends_is_broken() {
        let mut events = Events::default();
        events.push(b"data: \xff\xfe\n\n");
        assert_eq!(events.next_data(), None);
        assert!(events.is_broken());
        let mut events = Events::default();
        for _ in 0..=LONGEST_EVENT >> 20 {
            assert!(!events.is_broken());
            events.push(&vec![b'a'; 1 << 20]);
            assert_eq!(events.next_data(), None);
        }
        assert!(events.is_broken());
    }

    proptest! {
        #[test]
        fn how_the_bytes_were_cut_changes_nothing(data in prop::collection::vec("[a-zä→:]{1,9}", 0..8), cuts in prop::collection::vec(1_usize..9, 1..40)) {
            let stream = data.iter().fold(String::new(), |stream, data| stream + "id: 1\ndata: " + data + "\n\n");
            let mut rest = stream.as_bytes();
            let mut pieces = Vec::new();
            for cut in cuts.iter().cycle() {
                if rest.is_empty() { break; }
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                pieces.push(piece);
                rest = later;
            }
            prop_assert_eq!(all(&pieces), data);
        }
    }
}
