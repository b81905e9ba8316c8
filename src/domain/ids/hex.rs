//! Hex digits and byte orders of identifiers.

/// Exactly `N` bytes from `2 * N` hex digits of either case.
pub(crate) fn hex_bytes<const N: usize>(digits: &str) -> Option<[u8; N]> {
    if digits.len() != N * 2 || !digits.is_ascii() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
        let high = char::from(pair[0]).to_digit(16)?;
        let low = char::from(pair[1]).to_digit(16)?;
        *byte = u8::try_from(high * 16 + low).ok()?;
    }
    Some(bytes)
}

/// A UUID with its first three fields in the other byte order (SMBIOS 2.6 section 7.2.1).
pub(crate) fn other_byte_order(octets: [u8; 16]) -> [u8; 16] {
    let [a, b, c, d, e, f, g, h, rest @ ..] = octets;
    let mut swapped = [d, c, b, a, f, e, h, g, 0, 0, 0, 0, 0, 0, 0, 0];
    swapped[8..].copy_from_slice(&rest);
    swapped
}
