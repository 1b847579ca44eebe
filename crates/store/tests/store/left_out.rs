//! Syncs that are left out of a run, one kind at a time, to see whether a test notices.

use sigsum_store::fs::sim::{Asked, Saves, SimFs};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

/// The end of a site's name where a process before this one changed the names.
pub(crate) const MADE_BEFORE: &str = ", made by a process that died";

/// Watches the syncs of runs, and leaves out those of one site: a kind of sync in a phase of a run.
#[derive(Clone, Default)]
pub(crate) struct Syncs {
    phase: Arc<Mutex<&'static str>>,
    /// How many there were that had something to save, by site.
    seen: Arc<Mutex<BTreeMap<String, u64>>>,
    left_out: Option<String>,
}

impl Syncs {
    /// All that a run asks for is done.
    pub(crate) fn all() -> Self {
        Self::default()
    }

    /// All but one site.
    pub(crate) fn without(site: &str) -> Self {
        Self { left_out: Some(site.to_owned()), ..Self::default() }
    }

    /// Watches a file system from now on.
    pub(crate) fn watch(&self, fs: &SimFs) {
        let syncs = self.clone();
        fs.leave_out(move |asked| syncs.judge(asked));
    }

    /// What the run does next.
    pub(crate) fn enter(&self, phase: &'static str) {
        *self.phase.lock().unwrap() = phase;
    }

    fn judge(&self, asked: &Asked<'_>) -> bool {
        let Some(what) = site(asked) else { return false };
        let site = format!("{}: {what}", *self.phase.lock().unwrap());
        let is_left_out = self.left_out.as_ref() == Some(&site);
        *self.seen.lock().unwrap().entry(site).or_default() += 1;
        is_left_out
    }

    /// The sites that there were.
    pub(crate) fn sites(&self) -> Vec<String> {
        self.seen.lock().unwrap().keys().cloned().collect()
    }
}

/// What a sync is of; none where it has nothing to save.
fn site(asked: &Asked<'_>) -> Option<String> {
    let path = name(asked.path);
    match asked.saves {
        Saves::Nothing => None,
        // Records of a journal have a leaf of 128 bytes at least.
        Saves::Bytes { last_write: 1..=32 } if path.starts_with("journal/") => {
            Some(format!("a mark in {path}"))
        }
        Saves::Bytes { .. } => Some(format!("bytes of {path}")),
        Saves::Names { last, are_older } => Some(match are_older {
            true => format!("names of {path}{MADE_BEFORE}"),
            false => format!("names of {path} with {}", name(last)),
        }),
    }
}

/// A path below the log's directory, with `N` for all numbers.
fn name(path: &Path) -> String {
    let path = path.strip_prefix("/log").unwrap_or(path).to_str().unwrap();
    let mut out = String::new();
    for c in path.chars() {
        match c {
            '0'..='9' if out.ends_with('N') => {}
            '0'..='9' => out.push('N'),
            c => out.push(c),
        }
    }
    if out.is_empty() { "the directory".into() } else { out }
}
