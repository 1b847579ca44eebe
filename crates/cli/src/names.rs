//! The names that the one executable answers to: `sigsum submit` and a link named `sigsum-submit`
//! are the same command.

use std::ffi::OsString;
use std::path::Path;

/// Link name and the words it stands for, in the order that `sigsum links` makes them.
pub(crate) const LINKS: &[(&str, &[&str])] = &[
    ("sigsum-key", &["key"]),
    ("sigsum-submit", &["submit"]),
    ("sigsum-verify", &["verify"]),
    ("sigsum-token", &["token"]),
    ("sigsum-policy", &["policy"]),
    #[cfg(feature = "monitor")]
    ("sigsum-monitor", &["monitor"]),
    #[cfg(feature = "witness")]
    ("sigsum-witness", &["witness", "single"]),
    #[cfg(feature = "log")]
    ("sigsum-log-primary", &["log", "primary"]),
    #[cfg(feature = "log")]
    ("sigsum-log-secondary", &["log", "secondary"]),
    #[cfg(feature = "log")]
    ("sigsum-mktree", &["log", "init"]),
];

/// Tools that take `version` and `-v` as their first word, as sigsum-key does.
const WITH_VERSION_WORD: &[&str] = &["key", "token", "policy"];

/// `sigsum key version` and `sigsum key -v` for `sigsum key --version`.
fn spell_out_version(words: &mut [OsString]) {
    if let [_, tool, first, ..] = words
        && WITH_VERSION_WORD.iter().any(|name| *name == tool)
        && (*first == "version" || *first == "-v")
    {
        *first = OsString::from("--version");
    }
}

/// Rewrites the words of the command line where the program was called by one of its other names.
/// The name as called comes back too, for messages.
pub(crate) fn resolve(mut words: Vec<OsString>) -> (String, Vec<OsString>) {
    let called = words.first().map(Path::new).and_then(Path::file_name);
    let called = called.map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some((name, stands_for)) = LINKS.iter().find(|(name, _)| *name == called) {
        let rest = words.split_off(1);
        let mut resolved = vec![OsString::from("sigsum")];
        resolved.extend(stands_for.iter().map(OsString::from));
        resolved.extend(rest);
        spell_out_version(&mut resolved);
        return ((*name).to_owned(), resolved);
    }
    spell_out_version(&mut words);
    ("sigsum".to_owned(), words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn a_link_name_stands_for_its_command() {
        let (name, resolved) = resolve(words("/usr/bin/sigsum-key to-hex -k x"));
        assert_eq!(name, "sigsum-key");
        assert_eq!(resolved, words("sigsum key to-hex -k x"));
    }

    #[test]
    fn version_as_a_word_is_the_version_flag() {
        assert_eq!(resolve(words("sigsum-key version")).1, words("sigsum key --version"));
        assert_eq!(resolve(words("sigsum token -v")).1, words("sigsum token --version"));
        assert_eq!(resolve(words("sigsum key from-vkey -v")).1, words("sigsum key from-vkey -v"));
    }

    #[test]
    fn the_own_name_and_unknown_names_change_nothing() {
        for line in ["sigsum key", "/opt/s/sigsum", "renamed submit"] {
            assert_eq!(resolve(words(line)).1, words(line));
        }
    }
}
