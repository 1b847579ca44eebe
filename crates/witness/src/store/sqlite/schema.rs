//! The tables of the data directory's database, and how a connection is set up.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::Duration;

/// "SigW": tells `file(1)` and us whose database it is.
pub(super) const APPLICATION_ID: i32 = 0x5369_6757;
/// Version of [`TABLES`].
pub(super) const VERSION: i32 = 1;
/// How long another program's write (`add-log`) may hold the database.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// `log` holds what a cosignature depends on; a trigger keeps any program from moving it backwards
/// or losing it. `cosigned` may be older; it is for the read API.
pub(super) const TABLES: &str = "
CREATE TABLE own_key (
    public_key TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE state (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    starts INTEGER NOT NULL,
    inode INTEGER NOT NULL
) STRICT;
CREATE TABLE log (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    origin TEXT NOT NULL UNIQUE,
    size INTEGER NOT NULL,
    root_hash BLOB NOT NULL,
    checkpoint TEXT
) STRICT;
CREATE TABLE cosigned (
    log INTEGER PRIMARY KEY REFERENCES log (id),
    note TEXT NOT NULL
) STRICT;
CREATE TABLE vkey (
    log INTEGER NOT NULL REFERENCES log (id),
    vkey TEXT NOT NULL,
    PRIMARY KEY (log, vkey)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER log_never_backwards BEFORE UPDATE ON log
WHEN NEW.size < OLD.size OR (NEW.size = OLD.size AND NEW.root_hash <> OLD.root_hash)
    OR NEW.origin <> OLD.origin OR NEW.id <> OLD.id
BEGIN SELECT RAISE(ABORT, 'a witness state never moves backwards'); END;
CREATE TRIGGER log_never_forgotten BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'a witness state is never forgotten'); END;
";

/// Opens an existing database so that every commit is on disk when it returns.
pub(super) fn connect(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    configure(&connection)?;
    Ok(connection)
}

/// Creates a database with its tables.
pub(super) fn create(path: &Path) -> Result<Connection, rusqlite::Error> {
    let connection = Connection::open(path)?;
    configure(&connection)?;
    connection.execute_batch(TABLES)?;
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(None, "user_version", VERSION)?;
    Ok(connection)
}

fn configure(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // Where the file system cannot do WAL, SQLite stays with its rollback journal: slower, as safe.
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Pages of WAL between two checkpoints: 16 MiB, some times the rows of 10 000 logs, so that each
    // page is written back once for several changes.
    connection.pragma_update(None, "wal_autocheckpoint", 4096)?;
    // In KiB when negative: the rows of 10 000 logs.
    connection.pragma_update(None, "cache_size", -16 * 1024)?;
    Ok(())
}
