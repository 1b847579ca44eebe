//! Words that can be copied into a shell.

use std::path::Path;

/// A path as one word of a shell, in quotes only where it needs them.
pub(crate) fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text;
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The directory to put in front of `PATH` so that `sigsum` is this program; `None` where it is
/// already, or where nobody can tell.
#[cfg(feature = "testnet")]
pub(crate) fn missing_from_path() -> Option<std::path::PathBuf> {
    let program = std::env::current_exe().and_then(|path| path.canonicalize()).ok()?;
    if program.file_name()? != "sigsum" {
        return None;
    }
    let search = std::env::var_os("PATH").unwrap_or_default();
    let mut found = std::env::split_paths(&search).map(|dir| dir.join("sigsum"));
    let first = found.find(|path| path.is_file()).and_then(|path| path.canonicalize().ok());
    if first.as_ref() == Some(&program) {
        return None;
    }
    program.parent().map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_paths_stay_and_others_are_quoted() {
        assert_eq!(shell_word(Path::new("/a/b-c_1.txt")), "/a/b-c_1.txt");
        assert_eq!(shell_word(Path::new("my file")), "'my file'");
        assert_eq!(shell_word(Path::new("a$b")), "'a$b'");
        assert_eq!(shell_word(Path::new("it's")), r"'it'\''s'");
        assert_eq!(shell_word(Path::new("")), "''");
    }
}
