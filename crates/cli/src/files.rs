//! Reading input and writing output of the tools: files, standard input, standard output.

use crate::failure::{Failure, file_failure};
use sigsum_store::durable::{FileError, NewFile, write_all_atomic};
use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Largest text file that a tool reads whole: keys, tokens, policies, proofs. A policy with a
/// thousand witnesses is below 256 KiB; a proof with 256 cosignatures below 64 KiB.
pub(crate) const MAX_TEXT_FILE_BYTES: u64 = 1 << 20;

/// Reads at most `limit` bytes of a reader, refusing more.
fn read_limited(mut from: impl std::io::Read, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    from.by_ref().take(limit.saturating_add(1)).read_to_end(&mut out)?;
    if out.len() as u64 > limit {
        return Err(std::io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(out)
}

/// Reads a small text file.
pub(crate) fn read_text_file(path: &Path) -> Result<Vec<u8>, Failure> {
    File::open(path)
        .and_then(|f| read_limited(f, MAX_TEXT_FILE_BYTES))
        .map_err(|e| file_failure("open", path, &e))
}

/// Somebody at a terminal who forgot `< FILE` would wait for ever.
pub(crate) fn say_if_terminal() {
    if std::io::stdin().is_terminal() {
        crate::say("reading from the terminal; Ctrl-D ends the input, or use `< FILE`");
    }
}

/// Reads a small text from a file, or from standard input where no file is named.
pub(crate) fn read_text(path: Option<&Path>) -> Result<Vec<u8>, Failure> {
    match path {
        Some(path) => read_text_file(path),
        None => {
            say_if_terminal();
            read_limited(std::io::stdin().lock(), MAX_TEXT_FILE_BYTES)
                .map_err(|e| Failure::new(format!("reading standard input failed: {e}")))
        }
    }
}

/// Reads all of standard input, of any size.
pub(crate) fn read_stdin() -> Result<Vec<u8>, Failure> {
    say_if_terminal();
    let mut out = Vec::new();
    std::io::stdin()
        .lock()
        .read_to_end(&mut out)
        .map_err(|e| Failure::new(format!("reading standard input failed: {e}")))?;
    Ok(out)
}

/// Writes to standard output.
pub(crate) fn print(text: impl AsRef<[u8]>) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_ref())?;
    out.flush()?;
    Ok(())
}

/// Writes to a file, whole or not at all, or to standard output where no file is named.
pub(crate) fn write_output(path: Option<&Path>, text: &[u8], mode: u32) -> Result<(), Failure> {
    let Some(path) = path else { return print(text) };
    sigsum_store::durable::write_atomic(path, text, mode)
        .map_err(|e| Failure::new(format!("writing {} failed: {e}", path.display())))
}

/// Writes to many files, each whole or not at all.
pub(crate) fn write_outputs(files: &[(&Path, &[u8])], mode: u32) -> Result<(), FileError> {
    let files: Vec<_> = files.iter().map(|&(path, bytes)| NewFile { path, bytes }).collect();
    write_all_atomic(&files, mode)
}

/// The socket of the user's ssh-agent.
pub(crate) fn agent_socket() -> Option<PathBuf> {
    std::env::var_os("SSH_AUTH_SOCK").filter(|v| !v.is_empty()).map(PathBuf::from)
}
