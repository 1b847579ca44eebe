//! Quoting as Go's `strconv.Quote` does it, for messages that scripts of the Go tools know.

use alloc::{format, string::String};
use core::fmt::Write as _;

/// Quotes octets as Go's `%q`: printable characters stay, quote and backslash get a backslash,
/// the rest becomes `\n`-like, `\xNN`, `\uNNNN` or `\UNNNNNNNN` escapes. What is printable follows
/// the Unicode version of this program's compiler instead of Go's.
pub fn go_quoted(octets: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in octets.utf8_chunks() {
        chunk.valid().chars().for_each(|character| quote_char(&mut out, character));
        for octet in chunk.invalid() {
            let _ = write!(out, "\\x{octet:02x}"); // writing to a String cannot fail
        }
    }
    out.push('"');
    out
}

/// Appends one character, escaped where Go escapes it.
fn quote_char(out: &mut String, character: char) {
    let code = u32::from(character);
    let short = match character {
        '"' => Some("\\\""),
        '\\' => Some("\\\\"),
        '\u{7}' => Some("\\a"),
        '\u{8}' => Some("\\b"),
        '\u{c}' => Some("\\f"),
        '\n' => Some("\\n"),
        '\r' => Some("\\r"),
        '\t' => Some("\\t"),
        '\u{b}' => Some("\\v"),
        _ => None,
    };
    let escaped = match short {
        Some(short) => String::from(short),
        None if is_printable(character) => String::from(character),
        None if code < 0x20 || code == 0x7f => format!("\\x{code:02x}"),
        None if code < 0x1_0000 => format!("\\u{code:04x}"),
        None => format!("\\U{code:08x}"),
    };
    out.push_str(&escaped);
}

/// Letters, marks, numbers, punctuation, symbols and the ASCII space (Go's `strconv.IsPrint`).
pub(super) fn is_printable(character: char) -> bool {
    // behind another character, `escape_debug` leaves combining marks alone
    let text = String::from_iter(['a', character]);
    matches!(character, '"' | '\'' | '\\') || text.escape_debug().eq(text.chars())
}

#[cfg(test)]
mod tests;
