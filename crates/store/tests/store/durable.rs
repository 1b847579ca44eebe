//! Small durable files and locks, for every part of the system.

use sigsum_store::durable::{LockError, LockFile, PRIVATE_FILE, create_new, write_atomic};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn a_file_is_replaced_with_its_mode_and_nothing_is_left_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    write_atomic(&path, b"one", 0o644).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"one".to_vec(), 0o644));
    write_atomic(&path, b"second", PRIVATE_FILE).unwrap();
    assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"second".to_vec(), 0o600));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn the_umask_takes_nothing_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("open");
    write_atomic(&path, b"all", 0o666).unwrap();
    assert_eq!(mode(&path), 0o666);
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one_and_says_which() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing/state");
    let error = write_atomic(&missing, b"x", 0o600).unwrap_err();
    assert_eq!(error.source.kind(), ErrorKind::NotFound);
    assert!(error.to_string().contains("missing"), "{error}");
    let occupied = dir.path().join("dir");
    fs::create_dir(&occupied).unwrap();
    write_atomic(&occupied, b"x", 0o600).unwrap_err();
    assert!(occupied.is_dir());
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn an_existing_file_is_not_created_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    create_new(&path, b"secret", PRIVATE_FILE).unwrap();
    assert_eq!(mode(&path), 0o600);
    let error = create_new(&path, b"other", PRIVATE_FILE).unwrap_err();
    assert_eq!(error.source.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read(&path).unwrap(), b"secret");
}

#[test]
fn a_lock_has_one_holder() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("LOCK");
    let lock = LockFile::acquire(&path).unwrap();
    let error = LockFile::acquire(&path).unwrap_err();
    assert!(matches!(error, LockError::Held { .. }), "{error}");
    drop(lock);
    LockFile::acquire(&path).unwrap();
    let error = LockFile::acquire(&dir.path().join("none/LOCK")).unwrap_err();
    assert!(matches!(error, LockError::File(_)), "{error}");
}

#[test]
fn many_threads_replacing_a_file_leave_one_of_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    std::thread::scope(|scope| {
        for writer in 0..8u8 {
            let path = &path;
            scope.spawn(move || write_atomic(path, &[writer; 5000], 0o644).unwrap());
        }
    });
    let found = fs::read(&path).unwrap();
    assert!(found.len() == 5000 && found.iter().all(|byte| *byte == found[0]));
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}
