//! An authority's certificate as firmware takes it: an EFI signature list (UEFI 2.10 section 32.4.1). OVMF and many
//! vendors' setup menus enrol this form, and the variable `TlsCaCertificate` holds it (section 24.7.3).

/// One list with one certificate, which is given in DER.
pub fn of(der: &[u8]) -> Vec<u8> {
    let signature = OWNER.len() + der.len();
    let list = HEADER + signature;
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes();
    [&X509[..], &length(list), &length(0), &length(signature), &OWNER, der].concat()
}

/// `EFI_CERT_X509_GUID`, a5c059a1-94e4-4aa7-87b5-ab155c2bf072: its first three fields are little-endian.
const X509: [u8; 16] = [0xa1, 0x59, 0xc0, 0xa5, 0xe4, 0x94, 0xa7, 0x4a, 0x87, 0xb5, 0xab, 0x15, 0x5c, 0x2b, 0xf0, 0x72];
/// Whose certificate it is: oxbow's, c5d4e3b0-6f78-4b6f-9a77-7374617469ef, for which the firmware has no use of its own.
const OWNER: [u8; 16] =
    [0xb0, 0xe3, 0xd4, 0xc5, 0x78, 0x6f, 0x6f, 0x4b, 0x9a, 0x77, 0x73, 0x74, 0x61, 0x74, 0x69, 0xef];
/// Type, length of the list, of its header (none) and of one signature.
const HEADER: usize = 16 + 3 * 4;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_says_its_type_and_its_lengths_before_the_certificate() {
        let list = of(b"certificate");
        let word = |at: usize| u32::from_le_bytes([list[at], list[at + 1], list[at + 2], list[at + 3]]);
        assert_eq!(list[..4], [0xa1, 0x59, 0xc0, 0xa5], "a5c059a1-…");
        assert_eq!((word(16), word(20), word(24)), (28 + 16 + 11, 0, 16 + 11));
        assert_eq!(list.len(), 28 + 16 + 11);
        assert!(list.ends_with(b"certificate"));
    }
}
