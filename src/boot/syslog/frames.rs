//! Where one message ends and the next begins on a TCP connection (RFC 6587): by a count before each, or by a line's end.

/// What came of a connection and is no whole message yet.
#[derive(Debug, Default)]
pub struct Frames {
    begun: Vec<u8>,
    /// Bytes that are still to come of a message that was too long.
    to_skip: Skip,
}

#[derive(Clone, Copy, Debug, Default)]
enum Skip {
    #[default]
    Nothing,
    Bytes(usize),
    Line,
}

impl Frames {
    /// The messages that are whole with `bytes`. Of one that is longer than [`LONGEST`] only its beginning.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Vec<u8>> {
        self.begun.extend(bytes);
        let mut whole = Vec::new();
        while let Some(message) = self.next() {
            whole.extend(Some(message).filter(|message| !message.is_empty()));
        }
        whole
    }

    /// What was begun when the connection ended.
    pub fn rest(self) -> Option<Vec<u8>> {
        (!self.begun.is_empty() && matches!(self.to_skip, Skip::Nothing)).then_some(self.begun)
    }

    fn next(&mut self) -> Option<Vec<u8>> {
        match self.to_skip {
            Skip::Bytes(more) => {
                let gone = more.min(self.begun.len());
                self.begun.drain(..gone);
                self.to_skip = if gone < more { Skip::Bytes(more - gone) } else { Skip::Nothing };
            }
            Skip::Line => match self.line_end() {
                Some(end) => {
                    self.begun.drain(..=end);
                    self.to_skip = Skip::Nothing;
                }
                None => self.begun.clear(),
            },
            Skip::Nothing => {}
        }
        match self.counted() {
            Some((start, length)) if length > LONGEST => {
                let there = self.begun.get(start..start + LONGEST)?.to_vec();
                self.begun.drain(..start + LONGEST);
                self.to_skip = Skip::Bytes(length - LONGEST);
                Some(there)
            }
            Some((start, length)) => {
                let message = self.begun.get(start..start + length)?.to_vec();
                self.begun.drain(..start + length);
                Some(message)
            }
            None => match self.line_end() {
                Some(end) => {
                    let mut line: Vec<u8> = self.begun.drain(..=end).collect();
                    line.pop();
                    line.truncate(LONGEST);
                    Some(line)
                }
                None if self.begun.len() > LONGEST => {
                    self.to_skip = Skip::Line;
                    self.begun.truncate(LONGEST);
                    Some(std::mem::take(&mut self.begun))
                }
                None => None,
            },
        }
    }

    fn line_end(&self) -> Option<usize> {
        self.begun.iter().position(|byte| matches!(byte, b'\n' | 0))
    }

    /// `LENGTH SP` before a message that begins with `<` (RFC 6587 section 3.4.1): where it begins, and how long it is.
    fn counted(&self) -> Option<(usize, usize)> {
        let digits = self.begun.iter().take(DIGITS).take_while(|byte| byte.is_ascii_digit()).count();
        if digits == 0 || self.begun.get(digits) != Some(&b' ') || self.begun.get(digits + 1) != Some(&b'<') {
            return None;
        }
        let length = std::str::from_utf8(&self.begun[..digits]).ok()?.parse().ok()?;
        Some((digits + 1, length))
    }
}

/// Bytes of a message that are looked at. RFC 5424 section 6.1 asks for 480, and for 2048 if it can be.
pub const LONGEST: usize = 8192;
const DIGITS: usize = 9;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(bytes: &[u8]) -> Vec<String> {
        let mut frames = Frames::default();
        let mut whole = frames.take(bytes);
        whole.extend(frames.rest());
        whole.into_iter().map(|message| String::from_utf8_lossy(&message).into_owned()).collect()
    }

    #[test]
    fn messages_end_where_they_say_or_with_their_line() {
        assert_eq!(taken(b"<13>one\n<13>two\r\n\n<13>three"), ["<13>one", "<13>two\r", "<13>three"]);
        assert_eq!(taken(b"<13>one\0<13>two\0"), ["<13>one", "<13>two"]);
        assert_eq!(taken(b"8 <13>a\nb 5 <13>c"), ["<13>a\nb ", "<13>c"]);
        assert_eq!(taken(b"12 monkeys\n"), ["12 monkeys"], "no count");
    }

    #[test]
    fn a_message_without_an_end_is_cut_and_the_next_one_is_read() {
        let long = vec![b'x'; 3 * LONGEST];
        let lines = taken(&[&long[..], b"\n<13>next\n"].concat());
        assert_eq!((lines.len(), lines[0].len(), lines[1].as_str()), (2, LONGEST, "<13>next"));
        let counted = [format!("{} <", long.len() + 1).as_bytes(), &long, b"8 <13>next"].concat();
        let lines = taken(&counted);
        assert_eq!((lines.len(), lines[0].len(), lines[1].as_str()), (2, LONGEST, "<13>next"));
    }

    proptest! {
        #[test]
        fn how_it_was_cut_up_on_the_way_makes_no_difference(
            bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'<'), Just(b' '), b'0'..=b'9', any::<u8>()], 0..300),
            at in 0_usize..300,
        ) {
            let (one, other) = bytes.split_at(at.min(bytes.len()));
            let mut frames = Frames::default();
            let mut parts = frames.take(one);
            parts.extend(frames.take(other));
            // A count may be taken for a line's beginning as long as what makes it one has not come.
            let mut whole = Frames::default();
            prop_assert_eq!(parts, whole.take(&bytes));
        }
    }
}
