//! The data directory of a witness for many logs: one SQLite database, one lock file, one mark.
//!
//! WAL with `synchronous=FULL`: a transaction that was committed survives the loss of power.

mod schema;
#[cfg(test)]
mod tests;

use super::guard::{self, GuardError, Identity, MARK_FILE};
use super::{Advance, Backend, Cosigned, LogId, Outcome, StoreError, StoredLog, may_follow};
use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use sigsum_core::{Hash, PublicKey, TreeHead, TreeSize};
use sigsum_store::durable::{self, LockError, LockFile};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The database inside a data directory.
pub const DATABASE_FILE: &str = "witness.sqlite";
/// A database that `init` has not completed.
const UNFINISHED_FILE: &str = "witness.sqlite.new";
/// Held by the one witness that runs on a data directory.
pub const LOCK_FILE: &str = "LOCK";

/// Compare and set; `size <= ` repeats what the caller checked and the trigger enforces.
const ADVANCE: &str = "UPDATE log SET size = ?1, root_hash = ?2, checkpoint = ?3
    WHERE id = ?4 AND size = ?5 AND root_hash = ?6 AND size <= ?1";
const RECORD: &str = "INSERT INTO cosigned (log, note) VALUES (?1, ?2)
    ON CONFLICT (log) DO UPDATE SET note = excluded.note";
const HEAD: &str = "SELECT size, root_hash FROM log WHERE id = ?1";
const LOGS: &str = "SELECT log.id, origin, size, root_hash, checkpoint, note
    FROM log LEFT JOIN cosigned ON cosigned.log = log.id ORDER BY origin";

/// A data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is not the state this witness left behind.
    #[error(transparent)]
    Guard(#[from] GuardError),
    /// Another witness runs on it, or the lock file cannot be made.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The database is of another program, or of another version of this one.
    #[error("{} is not a witness database of version {}", path.display(), schema::VERSION)]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Anything that reading and writing can meet.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for OpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// An open database.
#[derive(Debug)]
pub struct SqliteStore {
    connection: Connection,
    /// Held as long as a witness runs; not held by tools that add or list logs.
    _lock: Option<LockFile>,
}

impl SqliteStore {
    /// Makes a data directory for a witness with these keys. The database appears under its name
    /// when it is complete.
    ///
    /// # Errors
    /// [`GuardError::Exists`] where a witness has left a state or the mark of one.
    pub fn init(dir: &Path, keys: &[PublicKey]) -> Result<(), OpenError> {
        std::fs::create_dir_all(dir).map_err(io_error("make directory", dir))?;
        let _lock = LockFile::acquire(&dir.join(LOCK_FILE))?;
        let database = dir.join(DATABASE_FILE);
        if database.exists() || guard::read_mark(dir).is_some_and(|starts| starts > 0) {
            return Err(GuardError::Exists { dir: dir.to_owned() }.into());
        }
        let unfinished = dir.join(UNFINISHED_FILE);
        if unfinished.exists() {
            std::fs::remove_file(&unfinished).map_err(io_error("remove", &unfinished))?;
        }
        let connection = schema::create(&unfinished)?;
        for key in keys {
            insert_key(&connection, key)?;
        }
        let inode = inode_of(&unfinished)?.cast_signed();
        connection.execute("INSERT INTO state VALUES (1, 0, ?1)", [inode])?;
        connection.close().map_err(|(_, error)| error)?;
        write_mark(dir, 0)?;
        std::fs::rename(&unfinished, &database).map_err(io_error("rename", &unfinished))?;
        let directory = std::fs::File::open(dir).map_err(io_error("open", dir))?;
        Ok(directory.sync_all().map_err(io_error("sync", dir))?)
    }

    /// Makes one more key known, for a key that has never cosigned anywhere.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn add_key(dir: &Path, key: &PublicKey) -> Result<(), OpenError> {
        Ok(insert_key(&Self::connect(dir)?.connection, key)?)
    }

    /// Opens the state for a witness with these keys and takes its lock. `accept` trusts a state
    /// that was copied or restored, once.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(dir: &Path, keys: &[PublicKey], accept: bool) -> Result<Self, OpenError> {
        let database = dir.join(DATABASE_FILE);
        if !database.exists() {
            return Err(GuardError::Missing { dir: dir.to_owned() }.into());
        }
        let lock = LockFile::acquire(&dir.join(LOCK_FILE))?;
        let mut store = Self::connect(dir)?;
        store._lock = Some(lock);
        store.check_keys(dir, keys)?;
        let recorded = store.identity()?;
        let mark = guard::read_mark(dir);
        let inode = inode_of(&database)?;
        match guard::check(dir, recorded, inode, mark) {
            Err(error) if !accept => return Err(error.into()),
            Err(error) => tracing::warn!(%error, "accepted as asked"),
            Ok(()) => {}
        }
        let starts = recorded.starts.max(mark.unwrap_or(0)).saturating_add(1);
        let values = [to_stored(starts)?, inode.cast_signed()];
        store.connection.execute("UPDATE state SET starts = ?1, inode = ?2", values)?;
        write_mark(dir, starts)?;
        Ok(store)
    }

    /// Opens the state beside a witness that may run, to add or list logs.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn connect(dir: &Path) -> Result<Self, OpenError> {
        let path = dir.join(DATABASE_FILE);
        if !path.exists() {
            return Err(GuardError::Missing { dir: dir.to_owned() }.into());
        }
        let connection = schema::connect(&path)?;
        let pragma = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (id, version) = (pragma("application_id")?, pragma("user_version")?);
        if (id, version) != (schema::APPLICATION_ID, schema::VERSION) {
            return Err(OpenError::Foreign { path });
        }
        Ok(Self { connection, _lock: None })
    }

    /// All logs that ever had a state here, by origin.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn logs(&self) -> Result<Vec<StoredLog>, StoreError> {
        let mut rows = self.connection.prepare_cached(LOGS)?;
        let mut rows = rows.query([])?;
        let mut logs = Vec::new();
        while let Some(row) = rows.next()? {
            let id = LogId(row.get(0)?);
            logs.push(StoredLog {
                id,
                origin: row.get(1)?,
                head: head_of(row.get(2)?, row.get(3)?)?,
                vkeys: self.vkeys(id)?,
                checkpoint: row.get(4)?,
                cosigned: row.get(5)?,
            });
        }
        Ok(logs)
    }

    /// Makes a state for logs that have none, with the empty tree, in one transaction.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn ensure_logs<'a>(
        &mut self,
        origins: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<LogId>, StoreError> {
        let immediate = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(immediate)?;
        let mut ids = Vec::new();
        for origin in origins {
            ids.push(ensure_log(&transaction, origin)?);
        }
        transaction.commit()?;
        Ok(ids)
    }

    /// Adds verifier keys to a log, which is made if it is new; keys that are there stay. Gives the
    /// number of new keys.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn add_vkeys(&mut self, origin: &str, vkeys: &[String]) -> Result<usize, StoreError> {
        let immediate = TransactionBehavior::Immediate;
        let transaction = self.connection.transaction_with_behavior(immediate)?;
        let log = ensure_log(&transaction, origin)?;
        let mut new = 0usize;
        for vkey in vkeys {
            let insert = "INSERT INTO vkey VALUES (?1, ?2) ON CONFLICT DO NOTHING";
            new = new.saturating_add(transaction.execute(insert, params![log.0, vkey])?);
        }
        transaction.commit()?;
        Ok(new)
    }

    fn vkeys(&self, log: LogId) -> Result<Vec<String>, StoreError> {
        let query = "SELECT vkey FROM vkey WHERE log = ?1 ORDER BY vkey";
        let mut rows = self.connection.prepare_cached(query)?;
        let vkeys = rows.query_map([log.0], |row| row.get(0))?.collect::<Result<_, _>>()?;
        Ok(vkeys)
    }

    fn check_keys(&self, dir: &Path, keys: &[PublicKey]) -> Result<(), OpenError> {
        for key in keys {
            let query = "SELECT 1 FROM own_key WHERE public_key = ?1";
            let known = self.connection.query_row(query, [key.to_hex()], |_| Ok(())).optional()?;
            if known.is_none() {
                return Err(GuardError::OtherKey { dir: dir.to_owned(), key: key.to_hex() }.into());
            }
        }
        Ok(())
    }

    fn identity(&self) -> Result<Identity, StoreError> {
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let (starts, inode) =
            self.connection.query_row("SELECT starts, inode FROM state", [], row)?;
        Ok(Identity { starts: from_stored(starts)?, inode: inode.cast_unsigned() })
    }
}

impl Backend for SqliteStore {
    fn commit(
        &mut self,
        advances: &[Advance],
        cosigned: &[Cosigned],
    ) -> Result<Vec<Outcome>, StoreError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut outcomes = Vec::with_capacity(advances.len());
        {
            let mut advance = transaction.prepare_cached(ADVANCE)?;
            let mut head = transaction.prepare_cached(HEAD)?;
            let mut record = transaction.prepare_cached(RECORD)?;
            for wish in advances {
                outcomes.push(apply(wish, &mut advance, &mut head)?);
            }
            for Cosigned { log, note } in cosigned {
                record.execute(params![log.0, note])?;
            }
        }
        transaction.commit()?;
        Ok(outcomes)
    }
}

fn apply(
    wish: &Advance,
    advance: &mut rusqlite::Statement<'_>,
    head: &mut rusqlite::Statement<'_>,
) -> Result<Outcome, StoreError> {
    let Advance { log, expected, new, checkpoint } = wish;
    if !may_follow(expected, new) {
        return Err(StoreError::Backwards { log: *log, from: expected.size.0, to: new.size.0 });
    }
    let changed = advance.execute(params![
        to_stored(new.size.0)?,
        new.root_hash.as_bytes(),
        checkpoint,
        log.0,
        to_stored(expected.size.0)?,
        expected.root_hash.as_bytes(),
    ])?;
    if changed == 1 {
        return Ok(Outcome::Advanced);
    }
    let (size, root) = head.query_row([log.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Outcome::Conflict(head_of(size, root)?))
}

fn ensure_log(connection: &Connection, origin: &str) -> Result<LogId, StoreError> {
    let mut find = connection.prepare_cached("SELECT id FROM log WHERE origin = ?1")?;
    if let Some(id) = find.query_row([origin], |row| row.get(0)).optional()? {
        return Ok(LogId(id));
    }
    let insert = "INSERT INTO log (origin, size, root_hash) VALUES (?1, 0, ?2)";
    let empty = TreeHead::empty().root_hash;
    connection.prepare_cached(insert)?.execute(params![origin, empty.as_bytes()])?;
    Ok(LogId(connection.last_insert_rowid()))
}

fn head_of(size: i64, root_hash: Vec<u8>) -> Result<TreeHead, StoreError> {
    let root_hash =
        Hash::from_slice(&root_hash).map_err(|_| StoreError::Damaged("root hash of a log"))?;
    Ok(TreeHead { size: TreeSize(from_stored(size)?), root_hash })
}

/// SQLite's integers are signed; tree sizes end at 2^63-1 as well.
fn to_stored(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number).map_err(|_| StoreError::SizeTooLarge(number))
}

fn from_stored(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Damaged("negative number"))
}

fn insert_key(connection: &Connection, key: &PublicKey) -> Result<(), StoreError> {
    let insert = "INSERT INTO own_key VALUES (?1) ON CONFLICT DO NOTHING";
    connection.execute(insert, [key.to_hex()])?;
    Ok(())
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}

fn inode_of(path: &Path) -> Result<u64, StoreError> {
    Ok(std::fs::metadata(path).map_err(io_error("look at", path))?.ino())
}

fn write_mark(dir: &Path, starts: u64) -> Result<(), OpenError> {
    let path = dir.join(MARK_FILE);
    durable::write_atomic(&path, format!("{starts}\n").as_bytes(), durable::PUBLIC_FILE)
        .map_err(StoreError::File)?;
    Ok(())
}
