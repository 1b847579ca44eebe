//! Small changes to a text of lines and words.

use super::random::Random;

/// Characters that parsers may treat in their own ways.
const CHARACTERS: &[&str] = &[
    "0", "1", "9", "a", "f", "A", "g", " ", "  ", "\t", "\r", "\n", "\n\n", "\0", "=", "+", "-",
    "#", "\u{7f}", "\u{a0}", "\u{2028}", "é", "\u{feff}", ".", ",",
];

/// Numbers at the borders of what numbers may be.
const NUMBERS: &[&str] = &[
    "0",
    "1",
    "2",
    "3",
    "01",
    "+1",
    "+2",
    "-1",
    "1 ",
    "0x1",
    "1e0",
    "",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "99999999999999999999999",
];

/// Makes a text, and changes it up to three times; most often not at all or once.
pub(super) fn change(random: &mut Random, make: fn(&mut Random) -> Vec<u8>) -> Vec<u8> {
    let mut text = make(random);
    let changes = *random.pick(&[0, 0, 0, 0, 1, 1, 1, 1, 2, 3]);
    for _ in 0..changes {
        text = change_once(random, &text);
    }
    text
}

fn change_once(random: &mut Random, text: &[u8]) -> Vec<u8> {
    match random.below(12) {
        0 => replace_octet(random, text),
        1 => insert(random, text),
        2 => delete_octet(random, text),
        3 => cut(random, text),
        4 => flip_case(random, text),
        5 | 6 => replace_number(random, text),
        7 => lines(random, text, |_, lines, at| drop(lines.remove(at))),
        8 => lines(random, text, |_, lines, at| lines.insert(at, lines[at].clone())),
        9 => lines(random, text, |random, lines, at| swap_lines(random, lines, at)),
        10 => words(random, text, |random, words| random.shuffle(words)),
        _ => words(random, text, clear_word),
    }
}

fn swap_lines(random: &mut Random, lines: &mut [Vec<u8>], at: usize) {
    let other = random.below(lines.len());
    lines.swap(at, other);
}

fn clear_word(random: &mut Random, words: &mut [Vec<u8>]) {
    let at = random.below(words.len());
    words[at].clear();
}

fn replace_octet(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let shorter = delete_octet(random, text);
    insert(random, &shorter)
}

fn insert(random: &mut Random, text: &[u8]) -> Vec<u8> {
    // Every fourth at the very end, where parsers differ most.
    let at = if random.one_in(4) { text.len() } else { random.below(text.len() + 1) };
    let character = random.pick(CHARACTERS).as_bytes();
    [&text[..at], character, &text[at..]].concat()
}

fn delete_octet(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    if !out.is_empty() {
        let at = if random.one_in(4) { out.len() - 1 } else { random.below(out.len()) };
        out.remove(at);
    }
    out
}

fn cut(random: &mut Random, text: &[u8]) -> Vec<u8> {
    text[..random.below(text.len() + 1)].to_vec()
}

/// The other case, from some octet on.
fn flip_case(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let at = random.below(text.len() + 1);
    let flip = |octet: &u8| {
        if octet.is_ascii_lowercase() {
            octet.to_ascii_uppercase()
        } else {
            octet.to_ascii_lowercase()
        }
    };
    // Keywords keep theirs, most often, so that values are looked at.
    let whole = random.one_in(4);
    let mut out = text[..at].to_vec();
    let mut is_value = false;
    for octet in &text[at..] {
        out.push(if is_value || whole { flip(octet) } else { *octet });
        match octet {
            b'=' | b' ' => is_value = true,
            b'\n' => is_value = false,
            _ => {}
        }
    }
    out
}

/// Another number in place of a run of up to 19 digits that stands alone.
fn replace_number(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let is_border = |octet: Option<&u8>| octet.is_none_or(|o| !o.is_ascii_alphanumeric());
    let mut runs = Vec::new();
    let mut start = 0;
    while start < text.len() {
        let digits = text[start..].iter().take_while(|octet| octet.is_ascii_digit()).count();
        let alone = is_border(start.checked_sub(1).and_then(|at| text.get(at)))
            && is_border(text.get(start + digits));
        if (1..=19).contains(&digits) && alone {
            runs.push(start..start + digits);
        }
        start += digits.max(1);
    }
    if runs.is_empty() {
        return text.to_vec();
    }
    let run = random.pick(&runs).clone();
    let number = random.pick(NUMBERS).as_bytes();
    [&text[..run.start], number, &text[run.end..]].concat()
}

/// Changes the list of lines at one of them.
fn lines(
    random: &mut Random,
    text: &[u8],
    change: fn(&mut Random, &mut Vec<Vec<u8>>, usize),
) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> =
        text.split_inclusive(|o| *o == b'\n').map(<[u8]>::to_vec).collect();
    if !lines.is_empty() {
        let at = random.below(lines.len());
        change(random, &mut lines, at);
    }
    lines.concat()
}

/// Changes the words of one line.
fn words(random: &mut Random, text: &[u8], change: fn(&mut Random, &mut [Vec<u8>])) -> Vec<u8> {
    let mut lines: Vec<Vec<u8>> = text.split(|o| *o == b'\n').map(<[u8]>::to_vec).collect();
    let at = random.below(lines.len());
    let mut words: Vec<Vec<u8>> = lines[at].split(|o| *o == b' ').map(<[u8]>::to_vec).collect();
    change(random, &mut words);
    lines[at] = words.join(&b' ');
    lines.join(&b'\n')
}
