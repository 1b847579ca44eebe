//! `sigsum log fsck`: reads a stopped log's whole data directory, checks every byte of it that is
//! served or signed, names all that is wrong, and mends what can be proven.

use super::owner::check_owner;
use super::{log_key, with_remedy};
use crate::failure::Failure;
use crate::files::print;
use clap::{ArgAction, Args};
use sigsum_client::{BaseUrl, HttpClient, HttpLog, HttpSettings};
use sigsum_core::wire::log::GetLeaves;
use sigsum_core::{Leaf, LeafIndex, PublicKey};
use sigsum_log::LogApi as _;
use sigsum_store::fsck::{DirectorySource, Examination, LeafSource, Remedy, Repair, examine};
use sigsum_store::{HeadStore as _, LeafLog as _, Place, Recovery, Store, StoreError};
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// Options of `log fsck`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Fsck {
    /// The log's directory; the log must not run
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The log's key, private or public
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    /// Make again what can be proven, and keep what is replaced in DIR/damaged
    #[arg(long)]
    repair: bool,
    /// Where to take leaves from that are nowhere else: a follower, any copy of the log, a backup
    #[arg(long, value_name = "URL|DIR", requires = "repair")]
    from: Option<String>,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// The one file that any start of the log makes again.
const CHECKPOINT: &str = "checkpoint";

/// Checks, mends where asked to, and says what is there.
pub(super) fn run(options: &Fsck) -> Result<(), Failure> {
    // Also without --repair it puts right what a start of the log would.
    check_owner(&options.data_dir)?;
    let key = log_key(&options.key_file)?;
    let place = Place::dir(&options.data_dir);
    let failed = |error: StoreError| with_remedy(Failure::new(error.to_string()), &error);
    let mut found = examine(&place, &key).map_err(failed)?;
    if options.repair && !found.findings.is_empty() {
        repair(options, &place, &key, found)?;
        found = examine(&place, &key).map_err(failed)?;
    }
    if found.findings.iter().any(|finding| finding.name != CHECKPOINT) {
        return Err(damaged(&options.data_dir, &found));
    }
    let store = Store::open(&place, &key).map_err(failed)?;
    store.wait_for_index().map_err(failed)?;
    store.verify().map_err(failed)?;
    print(summary(&options.data_dir, &store))
}

/// Names all that is wrong.
fn damaged(dir: &Path, found: &Examination) -> Failure {
    let mut cause = match found.findings.len() {
        1 => format!("{}: one file is damaged", dir.display()),
        count => format!("{}: {count} files are damaged", dir.display()),
    };
    for finding in &found.findings {
        cause += &format!("\n  {finding}");
    }
    let may_mend = |remedy: &Remedy| !matches!(remedy, Remedy::Operator { .. });
    let needs_a_copy = |remedy: &Remedy| matches!(remedy, Remedy::Fetch { .. });
    let any = |test: &dyn Fn(&Remedy) -> bool| found.findings.iter().any(|it| test(&it.remedy));
    let mut remedy = "do not delete anything, and do not start from an older copy of the \
                      directory"
        .to_owned();
    remedy += match (any(&may_mend), any(&needs_a_copy)) {
        (true, true) => {
            "; `--repair --from URL`, with a follower's or any other copy of the log, mends what \
             can be proven"
        }
        (true, false) => "; `--repair` mends what can be proven",
        (false, _) => ": bring back the newest copies of the named files alone, and try again",
    };
    Failure::new(cause).remedy(remedy)
}

fn repair(
    options: &Fsck,
    place: &Place,
    key: &PublicKey,
    found: Examination,
) -> Result<(), Failure> {
    let source = options.from.as_deref().map(source).transpose()?;
    let repaired = found.repair(place, key, source.as_deref());
    let Repair { done, refused, kept } = repaired.map_err(|e| Failure::new(e.to_string()))?;
    let lines = |title: &str, lines: &[String]| match lines {
        [] => String::new(),
        lines => format!("{title}\n  {}\n", lines.join("\n  ")),
    };
    print(
        lines("mended:", &done)
            + &lines("not mended:", &refused)
            + &lines("what was there before is kept in:", &kept),
    )
}

/// A copy of the log, behind HTTP or in a directory.
fn source(from: &str) -> Result<Box<dyn LeafSource>, Failure> {
    if !from.contains("://") {
        return Ok(Box::new(DirectorySource(Place::dir(from))));
    }
    let failed = |e: &dyn std::fmt::Display| Failure::new(format!("--from {from}: {e}"));
    let url = BaseUrl::parse(from).map_err(|e| failed(&e))?;
    let http = HttpClient::new(HttpSettings::new("log fsck"));
    let log = HttpLog::new(&http, &url).map_err(|e| failed(&e))?;
    Ok(Box::new(HttpSource { log, runtime: crate::runtime()? }))
}

/// A log's get-leaves.
struct HttpSource {
    log: HttpLog,
    runtime: Runtime,
}

impl LeafSource for HttpSource {
    fn leaves(&self, first: LeafIndex, end: LeafIndex) -> Result<Vec<Leaf>, String> {
        let mut leaves = Vec::new();
        // A log may give fewer at once.
        while (leaves.len() as u64) < end.0 - first.0 {
            let start = LeafIndex(first.0 + leaves.len() as u64);
            let more = self.runtime.block_on(self.log.get_leaves(GetLeaves { start, end }));
            let more = more.map_err(|e| format!("{}: {e}", self.log.base()))?;
            if more.is_empty() {
                break;
            }
            leaves.extend(more);
        }
        Ok(leaves)
    }
}

fn summary(dir: &Path, store: &Store) -> String {
    let tree = store.integrated();
    let mut text = format!(
        "{}: no damage\n\n\
         committed leaves   {}\n\
         leaves in the tree {}, root hash {}\n",
        dir.display(),
        store.committed_size(),
        tree.size,
        tree.root_hash,
    );
    let signed = store.load_head().map(|head| head.tree_head.size);
    text += &match signed {
        Some(size) => format!("last signed head   {size}\n"),
        None => "last signed head   none\n".to_owned(),
    };
    text += &match store.load_published() {
        Some(published) => {
            let (size, cosignatures) =
                (published.head.signed.tree_head.size, published.head.cosignatures().len());
            format!("published head     {size}, cosignatures {cosignatures}\n")
        }
        None => "published head     none\n".to_owned(),
    };
    text + &repairs(store.recovery())
}

/// What a crash had left behind. Opening the directory put it right, as a start of the log does.
fn repairs(recovery: &Recovery) -> String {
    let mut text = String::new();
    if recovery.recovered_leaves > 0 {
        text += &format!("\n{} leaves are in the journal alone\n", recovery.recovered_leaves);
    }
    if recovery.torn_journal_bytes > 0 {
        text += &format!(
            "\na record of {} bytes was being written when the log stopped; it was never \
             acknowledged, and counts for nothing\n",
            recovery.torn_journal_bytes
        );
    }
    for path in &recovery.rewritten {
        text += &format!("\nwrote {} anew, which was out of date\n", path.display());
    }
    text
}
