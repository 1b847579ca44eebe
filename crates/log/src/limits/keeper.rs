//! Keeps the counters in the data directory, from a thread of its own: no submission waits for the
//! disk, or for more than a copy of the counters.
//!
//! What was counted is written once in [`SAVE_INTERVAL`]. A crash, of the process or the machine,
//! forgets what was counted in that time and nothing else.
//!
//! Nothing here keeps a log from starting: one that counts anew, or does not save, is better than none.

use super::{Inner, Limits, moment};
use sigsum_limits::{Moment, Quota, QuotaTime, Restored, write_added, write_snapshot};
use sigsum_service::clock::Clock;
use sigsum_store::durable::FileError;
use sigsum_store::{Ledger, OpenedLedger, Place};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

/// Where it is in the data directory.
const DIR: &str = "quota";
/// Time between two writes, of which there is none where nothing was counted. What a crash forgets
/// is this second's leaves: at the rate of a limit of 10 000 in a day, none or one.
pub(crate) const SAVE_INTERVAL: Duration = Duration::from_secs(1);

/// The counters' file.
pub(crate) struct Keeper {
    place: Place,
    /// None where there was never a limit, or where nothing could be written yet.
    ledger: Option<Ledger>,
    clock: Arc<dyn Clock>,
    failing: bool,
    /// What is there could not be read, and so must not be replaced.
    is_unread: bool,
}

/// What was counted before this process.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub(crate) quota: Quota,
    /// What time it is for the counters.
    pub(crate) now: QuotaTime,
}

impl Keeper {
    /// Opens the counters of a data directory; makes them at once where there are limits, and else
    /// when something is counted. What is damaged is said, put aside and forgotten; what cannot be
    /// read is said, and stays as it is until the next start; what cannot be written is tried again.
    /// Blocks.
    pub(crate) fn open(place: Place, is_limited: bool, clock: Arc<dyn Clock>) -> (Self, Kept) {
        let mut keeper = Self { place, ledger: None, clock, failing: false, is_unread: false };
        let kept = keeper.read(is_limited).unwrap_or_else(|error| {
            tracing::error!(%error, "cannot read the counters of rate limits: they begin at nothing, \
                                     and are not saved before the next start");
            keeper.is_unread = true;
            Kept::default()
        });
        (keeper, kept)
    }

    fn read(&mut self, is_limited: bool) -> Result<Kept, FileError> {
        let is_there = self.place.names()?.iter().any(|name| name == DIR);
        if !is_limited && !is_there {
            return Ok(Kept::default());
        }
        let dir = match self.place.private_dir(DIR) {
            Err(error) if !is_there => {
                self.cannot_save(&error);
                return Ok(Kept::default());
            }
            dir => dir?,
        };
        let path = dir.path().display().to_string();
        let (opened, contents) = OpenedLedger::open(dir)?;
        for name in &contents.damaged {
            tracing::error!(path, name, "counters of rate limits are damaged and start anew");
        }
        let now = moment::now(&*self.clock);
        let kept = match contents.snapshot {
            Some(snapshot) => restore(&snapshot, &contents.added, &now),
            None => Kept::default(),
        };
        // Time went on since the last record: the new one says so.
        let mut quota = kept.quota;
        quota.advance(kept.now);
        match opened.begin(&write_snapshot(&quota, &now)) {
            Ok(ledger) => self.ledger = Some(ledger),
            Err(error) => self.cannot_save(&error),
        }
        Ok(Kept { quota, now: kept.now })
    }

    /// Told once, until something is saved.
    fn cannot_save(&mut self, error: &FileError) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "cannot save the counters of rate limits; a crash now would \
                                     forget what was counted since");
        }
    }

    /// Starts the thread.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(crate) fn start(self, limits: &Limits) -> std::io::Result<KeeperThread> {
        let (stop, stopped) = mpsc::channel();
        let inner = Arc::clone(&limits.inner);
        let mut keeper = self;
        let builder = std::thread::Builder::new().name("quota".into());
        let thread = builder.spawn(move || {
            while stopped.recv_timeout(SAVE_INTERVAL) == Err(mpsc::RecvTimeoutError::Timeout) {
                keeper.save(&inner);
            }
            keeper.save(&inner);
        })?;
        Ok(KeeperThread { stop: Some(stop), thread: Some(thread) })
    }

    /// Writes what was counted since the last time.
    pub(super) fn save(&mut self, inner: &Inner) {
        let now = moment::now(&*self.clock);
        let saved = self.try_save(inner, &now);
        inner.metrics.counters(inner.quota().len());
        match saved {
            Some(Ok(())) if std::mem::take(&mut self.failing) => {
                tracing::info!("counters of rate limits are saved again");
            }
            None | Some(Ok(())) => {}
            Some(Err(error)) => {
                inner.metrics.not_saved();
                self.cannot_save(&error);
            }
        }
    }

    /// `None` where there is nothing to save.
    fn try_save(&mut self, inner: &Inner, now: &Moment) -> Option<Result<(), FileError>> {
        if self.is_unread {
            if !inner.quota().take_unsaved().is_empty() {
                inner.metrics.not_saved();
            }
            return None;
        }
        let wants_snapshot = self.ledger.as_ref().is_none_or(Ledger::wants_snapshot);
        let is_begun = self.ledger.is_some();
        let mut quota = inner.quota();
        if !quota.has_unsaved() && (!wants_snapshot || !is_begun) {
            return None;
        }
        let time = quota.advance(inner.clock.now());
        let counted = quota.take_unsaved();
        let copy = wants_snapshot.then(|| {
            quota.sweep();
            quota.clone()
        });
        drop(quota); // nobody waits for the text, or for the disk
        let text = match &copy {
            Some(quota) => write_snapshot(quota, now),
            None => write_added(&counted, time, now),
        };
        let saved = match &mut self.ledger {
            Some(ledger) if wants_snapshot => ledger.replace(&text),
            Some(ledger) => ledger.add(&text),
            None => self.begin(&text),
        };
        Some(saved.inspect_err(|_| inner.quota().put_unsaved(counted)))
    }

    /// Makes the file where limits came later than the start.
    fn begin(&mut self, snapshot: &str) -> Result<(), FileError> {
        let (opened, _) = OpenedLedger::open(self.place.private_dir(DIR)?)?;
        self.ledger = Some(opened.begin(snapshot)?);
        Ok(())
    }
}

/// Reads what was kept. Time went on while no process counted it.
fn restore(snapshot: &str, added: &[String], now: &Moment) -> Kept {
    let unreadable = |error| {
        tracing::error!(%error, "counters of rate limits cannot be read and start anew");
    };
    let mut restored = match Restored::parse(snapshot) {
        Ok(restored) => restored,
        Err(error) => {
            unreadable(error);
            return Kept { quota: Quota::new(), now: QuotaTime(0) };
        }
    };
    for text in added {
        if let Err(error) = restored.add(text) {
            unreadable(error);
        }
    }
    let now = restored.quota.now().after(now.since(&restored.saved));
    Kept { quota: restored.quota, now }
}

/// The running thread.
#[derive(Debug)]
pub(crate) struct KeeperThread {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl KeeperThread {
    /// Writes what is left, and ends the thread. Blocks until then.
    pub(crate) fn stop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that saves counters panicked");
        }
    }
}

impl Drop for KeeperThread {
    fn drop(&mut self) {
        self.stop();
    }
}
