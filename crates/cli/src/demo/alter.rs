//! Forgeries: one changed byte in the file, in the proof, in a cosignature.

use sigsum_core::Message;

/// Flips the lowest bit of the middle byte of some data.
pub(crate) fn alter_data(data: &[u8]) -> Vec<u8> {
    let mut out = data.to_vec();
    match out.get_mut(data.len() / 2) {
        Some(byte) => *byte ^= 1,
        None => out.push(b'x'),
    }
    out
}

/// Changes one hex digit in the value of the `occurrence`-th line with that key, at the end of the
/// line. `None` where the proof has no such line.
pub(crate) fn alter_line(proof: &str, key: &str, occurrence: usize) -> Option<String> {
    let prefix = format!("{key}=");
    let mut seen = 0;
    let mut is_altered = false;
    let mut out = String::with_capacity(proof.len());
    for line in proof.split_inclusive('\n') {
        if line.starts_with(&prefix) {
            if seen == occurrence {
                let text = line.trim_end_matches('\n');
                let (kept, last) = text.split_at_checked(text.len().checked_sub(1)?)?;
                out.push_str(kept);
                out.push(if last == "0" { '1' } else { '0' });
                out.push('\n');
                is_altered = true;
                seen += 1;
                continue;
            }
            seen += 1;
        }
        out.push_str(line);
    }
    is_altered.then_some(out)
}

/// The message of altered data.
pub(crate) fn altered_message(data: &[u8]) -> Message {
    Message::of_data(&alter_data(data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_digit_of_the_named_line_changes() {
        let altered = alter_line("a=00\nb=12\nb=10\n", "b", 1);
        assert_eq!(altered.as_deref(), Some("a=00\nb=12\nb=11\n"));
    }

    #[test]
    fn a_missing_line_is_not_altered() {
        assert_eq!(alter_line("a=00\n", "b", 0), None);
        assert_eq!(alter_line("b=00\n", "b", 1), None);
    }

    #[test]
    fn altered_data_differs_in_one_byte() {
        assert_eq!(alter_data(b"abc"), b"acc");
        assert_eq!(alter_data(b""), b"x");
    }
}
