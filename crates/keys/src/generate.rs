//! Writes new key pairs: `FILE` and `FILE.pub`, for the owner only.

use crate::load::KeyFileError;
use crate::private::write_private_key;
use crate::public::format_public_key;
use crate::signer::Ed25519Signer;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// What to do with files that are in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// Leave them alone and fail.
    Refuse,
    /// Replace them, as `sigsum-key generate` always did.
    Replace,
}

/// Writes the private key to `path` and the public key to `path` with `.pub` behind it, both with
/// mode 0600. Each file is written whole beside its place, synced and moved there, so that no key
/// is ever lost half-way; the private key comes first.
///
/// # Errors
/// [`KeyFileError::Exists`], [`KeyFileError::Io`] or [`KeyFileError::Random`].
pub fn write_key_pair(
    path: &Path,
    signer: &Ed25519Signer,
    existing: Existing,
) -> Result<(), KeyFileError> {
    let mut public_path = path.as_os_str().to_owned();
    public_path.push(".pub");
    let public_path = PathBuf::from(public_path);
    if existing == Existing::Refuse
        && let Some(path) = [path, &public_path].into_iter().find(|p| p.symlink_metadata().is_ok())
    {
        return Err(KeyFileError::Exists { path: path.to_owned() });
    }
    place(path, write_private_key(signer)?.as_bytes(), existing)?;
    place(&public_path, format_public_key(&signer.public_key()).as_bytes(), existing)
}

fn place(path: &Path, content: &[u8], existing: Existing) -> Result<(), KeyFileError> {
    let io = |operation| move |error| KeyFileError::Io { operation, path: path.to_owned(), error };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Created with mode 0600 under a name that nobody else has.
    let mut file = tempfile::Builder::new()
        .prefix(".sigsum-key-")
        .tempfile_in(directory)
        .map_err(io("open"))?;
    file.write_all(content).map_err(io("write"))?;
    file.as_file().sync_all().map_err(io("sync"))?;
    let moved = match existing {
        Existing::Replace => file.persist(path),
        Existing::Refuse => file.persist_noclobber(path),
    };
    match moved {
        Ok(_) => {}
        Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {
            return Err(KeyFileError::Exists { path: path.to_owned() });
        }
        Err(e) => return Err(io("rename")(e.error)),
    }
    let directory = std::fs::File::open(directory).map_err(io("open"))?;
    directory.sync_all().map_err(io("sync"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{read_private_key, read_public_key};
    use std::os::unix::fs::PermissionsExt as _;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn key_pairs_are_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let (path, public) = (dir.path().join("k"), dir.path().join("k.pub"));
        let signer = Ed25519Signer::generate().unwrap();
        write_key_pair(&path, &signer, Existing::Refuse).unwrap();
        assert_eq!((mode(&path), mode(&public)), (0o600, 0o600));
        assert_eq!(read_private_key(&path).unwrap().public_key(), signer.public_key());
        assert_eq!(read_public_key(&public).unwrap().key, signer.public_key());
        assert_eq!(dir.path().read_dir().unwrap().count(), 2, "nothing else is left behind");
    }

    #[test]
    fn existing_files_are_replaced_or_kept_as_asked() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        let (old, new) = (Ed25519Signer::generate().unwrap(), Ed25519Signer::generate().unwrap());
        write_key_pair(&path, &old, Existing::Refuse).unwrap();
        let refused = write_key_pair(&path, &new, Existing::Refuse);
        assert!(matches!(refused, Err(KeyFileError::Exists { .. })), "{refused:?}");
        assert_eq!(read_private_key(&path).unwrap().public_key(), old.public_key());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        write_key_pair(&path, &new, Existing::Replace).unwrap();
        assert_eq!(read_private_key(&path).unwrap().public_key(), new.public_key());
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_public_key_in_the_way_saves_the_private_one_too() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("k");
        std::fs::File::create(dir.path().join("k.pub")).unwrap();
        let signer = Ed25519Signer::generate().unwrap();
        let refused = write_key_pair(&path, &signer, Existing::Refuse);
        assert!(matches!(refused, Err(KeyFileError::Exists { .. })), "{refused:?}");
        assert!(!path.exists());
    }

    #[test]
    fn a_missing_directory_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("none/k");
        let signer = Ed25519Signer::generate().unwrap();
        let error = write_key_pair(&path, &signer, Existing::Replace).unwrap_err().to_string();
        assert_eq!(error, format!("open {}: no such file or directory", path.display()));
    }
}
