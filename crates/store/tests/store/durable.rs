//! Small durable files and locks, for every part of the system.

use sigsum_store::durable::{
    LockError, LockFile, NewFile, PRIVATE_FILE, create_new, write_all_atomic, write_atomic,
};
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
fn many_files_are_written_together_in_their_directories() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("a")).unwrap();
    // More than are written at once, and one of them replaces another.
    let path = |n: usize| dir.path().join(format!("{}{n}", "a/".repeat(n % 2)));
    let paths: Vec<_> = (0..300).map(path).collect();
    write_atomic(&paths[7], b"old", PRIVATE_FILE).unwrap();
    let texts: Vec<_> = (0..300).map(|n| format!("text {n}")).collect();
    let files: Vec<_> = paths
        .iter()
        .zip(&texts)
        .map(|(path, text)| NewFile { path, bytes: text.as_bytes() })
        .collect();
    write_all_atomic(&files, 0o640).unwrap();
    for (path, text) in paths.iter().zip(&texts) {
        assert_eq!((fs::read_to_string(path).unwrap(), mode(path)), (text.clone(), 0o640));
    }
    assert_eq!(fs::read_dir(dir.path().join("a")).unwrap().count(), 150);
    write_all_atomic(&[], 0o640).unwrap();
}

#[test]
fn a_file_of_many_that_cannot_be_written_leaves_nothing_temporary() {
    let dir = tempfile::tempdir().unwrap();
    let (good, occupied) = (dir.path().join("good"), dir.path().join("occupied"));
    fs::create_dir(&occupied).unwrap();
    let missing = dir.path().join("missing/file");
    for bad in [&occupied, &missing] {
        let files = [bad, &good].map(|path| NewFile { path, bytes: b"x" });
        let error = write_all_atomic(&files, 0o644).unwrap_err();
        assert_eq!(&error.path, bad);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "only the directory is there");
    }
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
