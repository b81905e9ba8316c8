//! Text from outside, made safe inside an iPXE script.

use crate::domain::text;

/// `text` as words that iPXE prints and does not act on.
pub(crate) fn harmless(text: &str) -> String {
    let plain = text::clean(text, 200).replace(['$', '{', '}', '|', '&', '#', '`', '"', '\'', '\\'], " ");
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}
