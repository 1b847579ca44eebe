//! Where policies come from: files, and names that stand for an installed or a built-in policy.

use sigsum_core::policy::named::{FILE_SUFFIX, NameError, builtin, builtin_names, check_name};
use sigsum_core::policy::{MAX_POLICY_BYTES, Policy, PolicyError};
use sigsum_keys::os_text;
use std::ffi::OsStr;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Where policies are installed unless `SIGSUM_POLICY_DIR` names another directory.
const DEFAULT_DIRECTORY: &str = "/etc/sigsum/policy";

/// Why a policy file cannot be used. The texts are those of the Go tools.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// The file cannot be read.
    #[error("open {}: {}", .path.display(), os_text(.error))]
    Io {
        /// Path of the file.
        path: PathBuf,
        /// What the operating system says.
        error: std::io::Error,
    },
    /// The file is above [`MAX_POLICY_BYTES`].
    #[error("failed to parse policy file {path:?}: larger than {MAX_POLICY_BYTES} bytes")]
    TooLarge {
        /// Path of the file.
        path: PathBuf,
    },
    /// The file is no policy.
    #[error("failed to parse policy file {path:?}: {error}")]
    Policy {
        /// Path of the file.
        path: PathBuf,
        /// What is wrong, and where.
        error: PolicyError,
    },
}

/// Reads a policy in Sigsum's format.
///
/// # Errors
/// [`PolicyFileError`].
pub fn read_policy_file(path: &Path) -> Result<Policy, PolicyFileError> {
    let text = read(path)?;
    Policy::parse_sigsum(&text)
        .map_err(|error| PolicyFileError::Policy { path: path.to_owned(), error })
}

fn read(path: &Path) -> Result<Vec<u8>, PolicyFileError> {
    let io = |error| PolicyFileError::Io { path: path.to_owned(), error };
    let limit = u64::try_from(MAX_POLICY_BYTES).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(io)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut text).map_err(io)?;
    if text.len() > MAX_POLICY_BYTES {
        return Err(PolicyFileError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// Why a name stands for no policy. The texts are those of the Go tools.
#[derive(Debug, thiserror::Error)]
pub enum NamedPolicyError {
    /// Not a policy name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Neither installed nor built in.
    #[error(
        "failed to get named policy for name '{name:?}', errors '{installed}' \
         and 'no builtin policy has this name'"
    )]
    Unknown {
        /// The name.
        name: String,
        /// Why there is no installed policy.
        installed: PolicyFileError,
    },
    /// The installed file cannot be read to its end, or is too large.
    #[error(transparent)]
    File(PolicyFileError),
    /// The text is no policy.
    #[error("{error}")]
    Policy {
        /// The name.
        name: String,
        /// What is wrong, and where.
        error: PolicyError,
    },
}

/// Where a named policy was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySource {
    /// This file.
    Installed(PathBuf),
    /// This program.
    Builtin,
}

/// A named policy's text and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedPolicyText {
    /// The bytes as they are.
    pub text: Vec<u8>,
    /// Where they come from.
    pub source: PolicySource,
}

/// The policies that can be named: those installed in one directory, and those built in. An
/// installed policy hides a built-in one of the same name.
#[derive(Debug, Clone)]
pub struct NamedPolicies {
    directory: PathBuf,
}

impl NamedPolicies {
    /// Takes the value of `SIGSUM_POLICY_DIR`; if unset or empty, it is `/etc/sigsum/policy`.
    pub fn new(directory: Option<&OsStr>) -> Self {
        let directory = directory.filter(|d| !d.is_empty());
        Self { directory: directory.unwrap_or(OsStr::new(DEFAULT_DIRECTORY)).into() }
    }

    /// All names, sorted by bytes, each once. Installed are files named `NAME.sigsum-policy`, or
    /// links to such; a directory that cannot be read counts as empty.
    pub fn list(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let installed = entries.filter_map(|entry| {
            let file_name = entry.file_name();
            let name = file_name.to_str()?.strip_suffix(FILE_SUFFIX)?;
            check_name(name).ok()?;
            entry.path().metadata().ok()?.is_file().then(|| name.to_owned())
        });
        let mut names: Vec<String> = builtin_names().map(str::to_owned).chain(installed).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The text of a named policy; where the installed file cannot be opened, for whatever reason,
    /// that of the built-in one.
    ///
    /// # Errors
    /// [`NamedPolicyError`], never [`NamedPolicyError::Policy`].
    pub fn read(&self, name: &str) -> Result<NamedPolicyText, NamedPolicyError> {
        check_name(name)?;
        let path = self.directory.join(format!("{name}{FILE_SUFFIX}"));
        match (read(&path), builtin(name)) {
            (Ok(text), _) => Ok(NamedPolicyText { text, source: PolicySource::Installed(path) }),
            (Err(PolicyFileError::Io { .. }), Some(text)) => {
                Ok(NamedPolicyText { text: text.to_vec(), source: PolicySource::Builtin })
            }
            (Err(installed @ PolicyFileError::Io { .. }), None) => {
                Err(NamedPolicyError::Unknown { name: name.to_owned(), installed })
            }
            (Err(error), _) => Err(NamedPolicyError::File(error)),
        }
    }

    /// A named policy.
    ///
    /// # Errors
    /// [`NamedPolicyError`].
    pub fn load(&self, name: &str) -> Result<(Policy, PolicySource), NamedPolicyError> {
        let found = self.read(name)?;
        let policy = Policy::parse_sigsum(&found.text)
            .map_err(|error| NamedPolicyError::Policy { name: name.to_owned(), error })?;
        Ok((policy, found.source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const BUILTIN: &str = "sigsum-test-2025-3";

    struct Dir(tempfile::TempDir);

    impl Dir {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str, text: &str) -> PathBuf {
            let path = self.0.path().join(name);
            std::fs::File::create(&path).unwrap().write_all(text.as_bytes()).unwrap();
            path
        }

        fn policies(&self) -> NamedPolicies {
            NamedPolicies::new(Some(self.0.path().as_os_str()))
        }
    }

    #[test]
    fn without_a_directory_the_builtin_policies_remain() {
        let dir = Dir::new();
        let policies = NamedPolicies::new(Some(dir.0.path().join("none").as_os_str()));
        let names = policies.list();
        assert_eq!(names.len(), 4, "{names:?}");
        assert!(names.is_sorted());
        for name in &names {
            assert_eq!(policies.load(name).unwrap().1, PolicySource::Builtin);
        }
    }

    #[test]
    fn an_unset_or_empty_variable_means_the_default_directory() {
        for unset in [None, Some(OsStr::new(""))] {
            assert_eq!(NamedPolicies::new(unset).directory, Path::new("/etc/sigsum/policy"));
        }
    }

    #[test]
    fn installed_policies_come_first_and_are_listed_once() {
        let dir = Dir::new();
        let path = dir.file(&format!("{BUILTIN}.sigsum-policy"), "quorum none\n");
        dir.file("mine.sigsum-policy", "quorum none\n");
        let found = dir.policies().read(BUILTIN).unwrap();
        assert_eq!(found.text, b"quorum none\n");
        assert_eq!(found.source, PolicySource::Installed(path));
        let names = dir.policies().list();
        assert_eq!(names.len(), 5, "{names:?}");
        assert!(names.is_sorted() && names.contains(&"mine".to_owned()));
    }

    #[test]
    fn only_regular_files_with_valid_names_are_listed() {
        let dir = Dir::new();
        let target = dir.file("target", "quorum none\n");
        dir.file("Upper.sigsum-policy", "");
        dir.file("x.sigsum-policy", "");
        dir.file("-x.sigsum-policy", "");
        dir.file("other.policy", "");
        std::fs::create_dir(dir.0.path().join("directory.sigsum-policy")).unwrap();
        let link = |name: &str, to: &Path| {
            std::os::unix::fs::symlink(to, dir.0.path().join(name)).unwrap();
        };
        link("linked.sigsum-policy", &target);
        link("dangling.sigsum-policy", Path::new("none"));
        let builtin: Vec<_> = builtin_names().map(str::to_owned).collect();
        let mut listed = dir.policies().list();
        listed.retain(|name| !builtin.contains(name));
        assert_eq!(listed, ["linked"]);
    }

    #[test]
    fn a_file_that_cannot_be_opened_gives_way_to_the_builtin_policy() {
        let dir = Dir::new();
        let link = dir.0.path().join(format!("{BUILTIN}.sigsum-policy"));
        std::os::unix::fs::symlink("none", link).unwrap();
        assert_eq!(dir.policies().load(BUILTIN).unwrap().1, PolicySource::Builtin);
    }

    #[test]
    fn errors_are_those_of_the_go_tools() {
        let dir = Dir::new();
        let error = |name: &str| dir.policies().load(name).unwrap_err().to_string();
        assert!(error("A").starts_with("invalid policy name \"A\", does not match regexp "));
        let path = dir.0.path().join("none.sigsum-policy");
        let expected = format!(
            "failed to get named policy for name '\"none\"', errors \
             'open {}: no such file or directory' and ",
            path.display()
        );
        assert!(error("none").starts_with(&expected), "{}", error("none"));
        dir.file("bad.sigsum-policy", "quorum none\nrubbish\n");
        assert_eq!(error("bad"), "2: unknown keyword: \"rubbish\"");
    }

    #[test]
    fn policy_files_are_read_with_errors_that_name_them() {
        let dir = Dir::new();
        assert!(read_policy_file(&dir.file("good", "quorum none\n")).is_ok());
        let path = dir.file("bad", "rubbish\n");
        let error = read_policy_file(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("failed to parse policy file {path:?}: 1: unknown keyword: \"rubbish\"")
        );
        let missing = dir.0.path().join("missing");
        let error = read_policy_file(&missing).unwrap_err().to_string();
        assert_eq!(error, format!("open {}: no such file or directory", missing.display()));
        let large = std::fs::File::create(dir.0.path().join("large")).unwrap();
        large.set_len(u64::try_from(MAX_POLICY_BYTES).unwrap() + 1).unwrap();
        let error = read_policy_file(&dir.0.path().join("large")).unwrap_err();
        assert!(matches!(error, PolicyFileError::TooLarge { .. }), "{error}");
    }
}
