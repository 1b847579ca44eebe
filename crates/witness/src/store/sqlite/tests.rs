//! The database: what survives, what is refused, what cannot go backwards.

use super::*;
use crate::testing::{TestLog, data_dir, signer};
use std::fs;

fn own() -> PublicKey {
    crate::testing::cosigner().public_key()
}

fn open(dir: &Path) -> SqliteStore {
    SqliteStore::open(dir, &[own()], false).unwrap()
}

fn log(store: &mut SqliteStore) -> LogId {
    store.ensure_logs(["o"]).unwrap()[0]
}

fn refusal(dir: &Path) -> OpenError {
    SqliteStore::open(dir, &[own()], false).unwrap_err()
}

fn advance(log: LogId, tree: &TestLog, old: u64, new: u64) -> Advance {
    let checkpoint = tree.checkpoint(new).to_string();
    Advance { log, expected: tree.head(old), new: tree.head(new), checkpoint }
}

fn restored(error: &OpenError) -> bool {
    matches!(error, OpenError::Guard(GuardError::Restored { .. }))
}

#[test]
fn what_was_committed_is_there_after_reopening() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let log = log(&mut store);
    let cosigned = Cosigned { log, note: "note\n".into() };
    let outcome = store.commit(&[advance(log, &tree, 0, 7)], &[cosigned]).unwrap();
    assert_eq!(outcome, [Outcome::Advanced]);
    drop(store);
    let logs = open(dir.path()).logs().unwrap();
    assert_eq!(logs.len(), 1);
    assert_eq!((logs[0].id, logs[0].origin.as_str(), logs[0].head), (log, "o", tree.head(7)));
    assert_eq!(logs[0].checkpoint, Some(tree.checkpoint(7).to_string()));
    assert_eq!(logs[0].cosigned.as_deref(), Some("note\n"));
}

#[test]
fn every_commit_reaches_the_disk() {
    let dir = data_dir();
    let store = open(dir.path());
    let pragma = |name| store.connection.pragma_query_value(None, name, |row| row.get(0));
    assert_eq!(pragma("synchronous"), Ok(2));
    let mode: String =
        store.connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

#[test]
fn a_new_log_starts_with_the_empty_tree_and_is_made_once() {
    let dir = data_dir();
    let mut store = open(dir.path());
    let log = log(&mut store);
    store.commit(&[advance(log, &TestLog::new(1), 0, 7)], &[]).unwrap();
    let ids = store.ensure_logs(["p", "o", "p"]).unwrap();
    assert_eq!((ids[0], ids[1]), (ids[2], log));
    assert_ne!(ids[0], log);
    let logs = store.logs().unwrap();
    assert_eq!((logs[0].head, logs[1].head), (TestLog::new(1).head(7), TreeHead::empty()));
}

#[test]
fn an_advance_from_another_head_than_the_stored_one_changes_nothing() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let log = log(&mut store);
    store.commit(&[advance(log, &tree, 0, 7)], &[]).unwrap();
    let fork = tree.fork(0);
    let batch = [advance(log, &tree, 0, 9), advance(log, &tree, 6, 9), advance(log, &fork, 7, 9)];
    let conflict = Outcome::Conflict(tree.head(7));
    assert_eq!(store.commit(&batch, &[]).unwrap(), [conflict; 3]);
    assert_eq!(store.logs().unwrap()[0].head, tree.head(7));
}

#[test]
fn of_two_equal_wishes_in_one_batch_one_wins() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let log = log(&mut store);
    let batch = [advance(log, &tree, 0, 9), advance(log, &tree, 0, 7)];
    let expected = [Outcome::Advanced, Outcome::Conflict(tree.head(9))];
    assert_eq!(store.commit(&batch, &[]).unwrap(), expected);
}

#[test]
fn the_same_head_may_be_stored_again() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let log = log(&mut store);
    let batch = [advance(log, &tree, 0, 7), advance(log, &tree, 7, 7)];
    assert_eq!(store.commit(&batch, &[]).unwrap(), [Outcome::Advanced; 2]);
}

#[test]
fn a_batch_with_a_step_backwards_changes_nothing() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let ids = store.ensure_logs(["o", "p"]).unwrap();
    let (log, other) = (ids[0], ids[1]);
    store.commit(&[advance(log, &tree, 0, 7)], &[]).unwrap();
    let other_tree_of_same_size =
        Advance { new: tree.fork(0).head(7), ..advance(log, &tree, 7, 7) };
    for backwards in [advance(log, &tree, 7, 6), other_tree_of_same_size] {
        let result = store.commit(&[advance(other, &tree, 0, 3), backwards], &[]);
        assert!(matches!(result, Err(StoreError::Backwards { .. })), "{result:?}");
    }
    let heads: Vec<_> = store.logs().unwrap().iter().map(|log| log.head).collect();
    assert_eq!(heads, [tree.head(7), TreeHead::empty()]);
}

#[test]
fn no_program_moves_a_log_backwards_or_forgets_it() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let log = log(&mut store);
    store.commit(&[advance(log, &tree, 0, 7)], &[]).unwrap();
    for sql in [
        "UPDATE log SET size = 6",
        "UPDATE log SET root_hash = x'00'",
        "UPDATE log SET origin = 'p'",
        "DELETE FROM log",
    ] {
        let error = store.connection.execute(sql, []).unwrap_err().to_string();
        assert!(
            error.contains("a witness state is never") || error.contains("never moves"),
            "{error}"
        );
    }
    assert_eq!(store.logs().unwrap()[0].head, tree.head(7));
}

#[test]
fn a_tree_size_above_the_limit_of_the_format_is_refused() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    let mut store = open(dir.path());
    let log = log(&mut store);
    let mut wish = advance(log, &tree, 0, 7);
    wish.new.size = TreeSize(1 << 63);
    let result = store.commit(&[wish], &[]);
    assert!(matches!(result, Err(StoreError::SizeTooLarge(_))), "{result:?}");
}

#[test]
fn keys_of_a_log_are_added_once() {
    let dir = data_dir();
    let mut store = open(dir.path());
    assert_eq!(store.add_vkeys("o", &["a".into(), "b".into()]).unwrap(), 2);
    assert_eq!(store.add_vkeys("o", &["b".into(), "c".into()]).unwrap(), 1);
    assert_eq!(store.logs().unwrap()[0].vkeys, ["a", "b", "c"]);
}

#[test]
fn a_missing_state_is_refused_with_the_way_out() {
    let dir = tempfile::tempdir().unwrap();
    let error = refusal(dir.path());
    assert!(matches!(error, OpenError::Guard(GuardError::Missing { .. })));
    assert!(error.to_string().contains("sigsum witness init"), "{error}");
    assert!(!dir.path().join(DATABASE_FILE).exists());
}

#[test]
fn a_state_that_was_deleted_is_neither_opened_nor_made_anew() {
    let dir = data_dir();
    drop(open(dir.path()));
    fs::remove_file(dir.path().join(DATABASE_FILE)).unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Guard(GuardError::Missing { .. })));
    let error = SqliteStore::init(dir.path(), &[own()]).unwrap_err();
    assert!(matches!(error, OpenError::Guard(GuardError::Exists { .. })));
}

#[test]
fn init_leaves_a_state_alone() {
    let dir = data_dir();
    let error = SqliteStore::init(dir.path(), &[own()]).unwrap_err();
    assert!(matches!(error, OpenError::Guard(GuardError::Exists { .. })));
    drop(open(dir.path()));
}

#[test]
fn an_init_that_was_cut_short_can_be_repeated() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path()).unwrap();
    durable::write_atomic(&dir.path().join(UNFINISHED_FILE), b"half", 0o644).unwrap();
    write_mark(dir.path(), 0).unwrap();
    SqliteStore::init(dir.path(), &[own()]).unwrap();
    drop(open(dir.path()));
}

#[test]
fn a_state_of_another_key_is_refused_until_the_key_is_made_known() {
    let dir = data_dir();
    let keys = [own(), signer(5).public_key()];
    let error = SqliteStore::open(dir.path(), &keys, false).unwrap_err();
    assert!(matches!(error, OpenError::Guard(GuardError::OtherKey { .. })));
    SqliteStore::add_key(dir.path(), &keys[1]).unwrap();
    SqliteStore::open(dir.path(), &keys, false).unwrap();
}

#[test]
fn a_copied_state_is_refused_until_it_is_accepted_once() {
    let dir = data_dir();
    drop(open(dir.path()));
    let database = dir.path().join(DATABASE_FILE);
    let copy = dir.path().join("copy");
    fs::copy(&database, &copy).unwrap();
    fs::rename(&copy, &database).unwrap();
    let error = refusal(dir.path());
    assert!(restored(&error) && error.to_string().contains("--accept-state"), "{error}");
    assert!(restored(&refusal(dir.path())), "a refused start must not accept");
    drop(SqliteStore::open(dir.path(), &[own()], true).unwrap());
    drop(open(dir.path()));
}

#[test]
fn an_old_backup_over_the_database_is_refused() {
    let (dir, tree) = (data_dir(), TestLog::new(1));
    drop(open(dir.path()));
    let database = dir.path().join(DATABASE_FILE);
    let backup = fs::read(&database).unwrap();
    let mut store = open(dir.path());
    let log = log(&mut store);
    store.commit(&[advance(log, &tree, 0, 7)], &[]).unwrap();
    drop(store);
    use std::io::Write as _;
    let mut file = fs::OpenOptions::new().write(true).truncate(true).open(&database).unwrap();
    file.write_all(&backup).unwrap();
    assert!(restored(&refusal(dir.path())));
}

#[test]
fn a_crash_before_the_mark_is_written_is_no_restore() {
    let dir = data_dir();
    drop(open(dir.path()));
    let mark = guard::read_mark(dir.path()).unwrap();
    drop(open(dir.path()));
    write_mark(dir.path(), mark).unwrap();
    drop(open(dir.path()));
}

#[test]
fn two_witnesses_cannot_have_one_state() {
    let dir = data_dir();
    let _first = open(dir.path());
    assert!(matches!(refusal(dir.path()), OpenError::Lock(LockError::Held { .. })));
    log(&mut SqliteStore::connect(dir.path()).unwrap());
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = data_dir();
    let database = dir.path().join(DATABASE_FILE);
    durable::write_atomic(&database, &[b'x'; 4096], 0o644).unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Store(StoreError::Sqlite(_))));
}

#[test]
fn a_database_of_another_program_is_refused() {
    let dir = data_dir();
    let database = dir.path().join(DATABASE_FILE);
    fs::remove_file(&database).unwrap();
    Connection::open(&database).unwrap().execute_batch("CREATE TABLE log (x)").unwrap();
    assert!(matches!(refusal(dir.path()), OpenError::Foreign { .. }));
}

#[test]
fn a_damaged_root_hash_is_named() {
    let dir = data_dir();
    let store = open(dir.path());
    let insert = "INSERT INTO log (origin, size, root_hash) VALUES ('o', 1, x'00')";
    store.connection.execute(insert, []).unwrap();
    assert!(matches!(store.logs(), Err(StoreError::Damaged(_))));
}
