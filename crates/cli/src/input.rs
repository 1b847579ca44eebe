//! What is signed or verified: data that is hashed, or a hash that is given.

use crate::failure::{Failure, file_failure};
use crate::files::{MAX_TEXT_FILE_BYTES, say_if_terminal};
use sigsum_core::Message;
use sigsum_core::crypto::MessageHasher;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Bytes read at a time while hashing.
const PIECE_BYTES: usize = 64 * 1024;

/// Hashes a reader of any length.
fn hash_reader(mut from: impl Read) -> io::Result<Message> {
    let mut hasher = MessageHasher::new();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        let n = match from.read(&mut piece) {
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(e),
        };
        match piece.get(..n) {
            Some([]) | None => return Ok(hasher.finish()),
            Some(bytes) => hasher.update(bytes),
        }
    }
}

/// Reads a `--raw-hash` input: exactly 32 octets, or else 64 hex digits between white space.
fn raw_hash(from: impl Read) -> io::Result<Result<Message, Failure>> {
    let mut text = Vec::new();
    from.take(MAX_TEXT_FILE_BYTES).read_to_end(&mut text)?;
    if let Ok(message) = Message::from_slice(&text) {
        return Ok(Ok(message));
    }
    let hex = std::str::from_utf8(&text).ok().and_then(|t| Message::from_hex(t.trim()).ok());
    Ok(hex.ok_or_else(|| {
        Failure::new("input is not a SHA-256 hash")
            .remedy("with --raw-hash give 32 raw octets or 64 hex digits; without it the input itself is hashed")
    }))
}

fn read_from(from: impl Read, is_raw_hash: bool) -> io::Result<Result<Message, Failure>> {
    if is_raw_hash { raw_hash(from) } else { hash_reader(from).map(Ok) }
}

/// The message of a file.
pub(crate) fn message_of_file(path: &Path, is_raw_hash: bool) -> Result<Message, Failure> {
    let file = File::open(path).map_err(|e| file_failure("open", path, &e))?;
    read_from(file, is_raw_hash).map_err(|e| file_failure("read", path, &e))?
}

/// The message of standard input.
pub(crate) fn message_of_stdin(is_raw_hash: bool) -> Result<Message, Failure> {
    say_if_terminal();
    read_from(io::stdin().lock(), is_raw_hash)
        .map_err(|e| Failure::new(format!("reading standard input failed: {e}")))?
}
