//! The PEM armour of OpenSSH private keys (RFC 7468, as OpenSSH writes it).

use zeroize::Zeroizing;

/// Label of OpenSSH private keys.
pub(crate) const LABEL: &str = "OPENSSH PRIVATE KEY";
/// Base64 characters a line in what we write. OpenSSH writes 70, RFC 7468 asks for 64; both read
/// either.
const COLUMNS: usize = 64;

/// What looking for a PEM block found.
pub(crate) enum Found {
    /// No `-----BEGIN LABEL-----` line at all.
    NoPem,
    /// The first block has another label.
    OtherLabel(String),
    /// The block has no end line, or is not base64.
    Malformed,
    /// The decoded bytes.
    Block(Zeroizing<Vec<u8>>),
}

/// Decodes the first PEM block; text before and behind it is ignored.
pub(crate) fn decode(text: &[u8]) -> Found {
    let mut lines = text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii_end);
    let begin = |line: &[u8]| {
        let label = line.strip_prefix(b"-----BEGIN ")?.strip_suffix(b"-----")?;
        Some(crate::wire::shown(label))
    };
    let Some(label) = lines.by_ref().find_map(begin) else {
        return Found::NoPem;
    };
    if label != LABEL {
        return Found::OtherLabel(label);
    }
    let end = format!("-----END {LABEL}-----");
    let mut encoded = Zeroizing::new(String::with_capacity(text.len()));
    for line in lines {
        if line == end.as_bytes() {
            return match sigsum_core::bytes::from_base64(&encoded) {
                Ok(bytes) => Found::Block(Zeroizing::new(bytes)),
                Err(_) => Found::Malformed,
            };
        }
        match str::from_utf8(line) {
            Ok(line) => encoded.push_str(line),
            Err(_) => return Found::Malformed,
        }
    }
    Found::Malformed
}

/// Writes what [`decode`] reads.
pub(crate) fn encode(bytes: &[u8]) -> Zeroizing<String> {
    let base64 = Zeroizing::new(sigsum_core::bytes::to_base64(bytes));
    // Reserved in full, so that no reallocation leaves a copy of the secret behind.
    let mut out = Zeroizing::new(String::with_capacity(base64.len().saturating_mul(2).max(256)));
    out.push_str("-----BEGIN OPENSSH PRIVATE KEY-----\n");
    let mut rest = base64.as_str();
    while !rest.is_empty() {
        let (line, behind) = rest.split_at_checked(COLUMNS).unwrap_or((rest, ""));
        out.push_str(line);
        out.push('\n');
        rest = behind;
    }
    out.push_str("-----END OPENSSH PRIVATE KEY-----\n");
    out
}
