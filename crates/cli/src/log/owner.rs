//! Whose a log's directory is. Files are for their owner alone, so that a command that root runs in
//! the directory of the log's own user would leave files that the log cannot read.

use crate::failure::Failure;
use crate::shell::shell_word;
use std::ffi::OsString;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Refuses to go on in a directory of another user, before anything is written. What cannot be
/// looked at is left to whoever opens it.
pub(super) fn check_owner(dir: &Path) -> Result<(), Failure> {
    let us = rustix::process::geteuid().as_raw();
    let (found, is_there) = match std::fs::metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
            (parent.unwrap_or(Path::new(".")), false)
        }
        _ => (dir, true),
    };
    let Ok(meta) = std::fs::metadata(found) else { return Ok(()) };
    if is_right(us, meta.uid(), is_there) {
        return Ok(());
    }
    let owner = meta.uid();
    let arguments = std::env::args_os().skip(1);
    Err(Failure::new(format!(
        "{} belongs to user {owner}, and this runs as user {us}: its log could not read what is \
         written now, so nothing was changed",
        found.display()
    ))
    .remedy(format!("as that user: {}", line_of(us, found, arguments))))
}

/// Whether `us` may write in the directory, or make it in one that is `owner`'s: below `/tmp`, say,
/// anybody makes directories, but what root makes in a user's is meant for that user.
fn is_right(us: u32, owner: u32, is_there: bool) -> bool {
    us == owner || (!is_there && us != 0)
}

/// A line for the shell that does the same as the owner of `found`.
fn line_of(us: u32, found: &Path, arguments: impl Iterator<Item = OsString>) -> String {
    let user = format!("\"$(stat -c %U {})\"", shell_word(found));
    let switch = match us {
        0 => format!("runuser -u {user} -- sigsum"),
        _ => format!("sudo -u {user} sigsum"),
    };
    let words = arguments.map(|word| shell_word(Path::new(&word)));
    std::iter::once(switch).chain(words).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_is_its_owners_alone() {
        assert!(is_right(1000, 1000, true) && is_right(0, 0, true));
        assert!(!is_right(0, 1000, true), "root leaves files that the log cannot read");
        assert!(!is_right(1000, 0, true) && !is_right(1000, 1001, true));
    }

    #[test]
    fn a_directory_that_is_to_be_made_is_for_the_owner_of_what_it_is_in() {
        assert!(is_right(1000, 0, false), "as in /tmp");
        assert!(is_right(0, 0, false));
        assert!(!is_right(0, 1000, false));
    }

    #[test]
    fn the_remedy_is_a_line_that_can_be_copied() {
        let arguments = || ["log", "promote", "--data-dir", "a b"].map(OsString::from).into_iter();
        assert_eq!(
            line_of(0, Path::new("a b"), arguments()),
            "runuser -u \"$(stat -c %U 'a b')\" -- sigsum log promote --data-dir 'a b'"
        );
        assert_eq!(
            line_of(1000, Path::new("x"), arguments()),
            "sudo -u \"$(stat -c %U x)\" sigsum log promote --data-dir 'a b'"
        );
    }
}
