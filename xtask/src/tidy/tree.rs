//! The files of the repository, as git knows them.

use std::path::Path;
use std::process::Command;

use super::TidyError;

/// A file with text in it.
pub(super) struct File {
    /// From the root, with slashes.
    pub(super) path: String,
    pub(super) text: String,
}

/// Every file that is tracked or could be: not what `.gitignore` names.
pub(super) struct Tree {
    files: Vec<File>,
    /// Paths of files that are not UTF-8.
    binary: Vec<String>,
}

impl Tree {
    /// The tree of the repository at `root`, as it is on disk.
    pub(super) fn of_git(root: &Path) -> Result<Self, TidyError> {
        let output = Command::new("git")
            .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()
            .map_err(|error| TidyError(format!("cannot run git: {error}")))?;
        if !output.status.success() {
            let text = String::from_utf8_lossy(&output.stderr);
            return Err(TidyError(format!("git ls-files: {}", text.trim())));
        }
        let mut tree = Self { files: Vec::new(), binary: Vec::new() };
        for path in String::from_utf8_lossy(&output.stdout).split_terminator('\0') {
            // A file that is tracked and deleted on disk is on its way out.
            let Ok(bytes) = std::fs::read(root.join(path)) else { continue };
            match String::from_utf8(bytes) {
                Ok(text) => tree.files.push(File { path: path.to_owned(), text }),
                Err(_) => tree.binary.push(path.to_owned()),
            }
        }
        Ok(tree)
    }

    /// A tree of these paths and texts.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let file =
            |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect(), binary: Vec::new() }
    }

    /// The files with text.
    pub(super) fn texts(&self) -> impl Iterator<Item = &File> {
        self.files.iter()
    }

    /// The files with text whose path ends with `suffix`.
    pub(super) fn ending(&self, suffix: &str) -> impl Iterator<Item = &File> {
        self.files.iter().filter(move |file| file.path.ends_with(suffix))
    }

    /// The file at `path`.
    pub(super) fn file(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Whether a path of any file begins with `start`.
    pub(super) fn has_beginning(&self, start: &str) -> bool {
        self.paths().any(|path| path.starts_with(start))
    }

    /// Whether `path` is a file, or a directory with files.
    pub(super) fn has(&self, path: &str) -> bool {
        let directory = format!("{}/", path.trim_end_matches('/'));
        path.is_empty() || self.paths().any(|it| it == path || it.starts_with(&directory))
    }

    /// How many files.
    pub(super) fn len(&self) -> usize {
        self.files.len() + self.binary.len()
    }

    fn paths(&self) -> impl Iterator<Item = &String> {
        self.files.iter().map(|file| &file.path).chain(&self.binary)
    }
}

impl File {
    /// The lines with their numbers from 1.
    pub(super) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }
}
