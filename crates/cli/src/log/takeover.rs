//! `sigsum log promote` and `sigsum log restore`: a node that takes over as the log's primary.

use super::owner::check_owner;
use super::{CLOSED_REMEDY, follower, log_key, node_key, read_config, read_policy, with_remedy};
use crate::failure::Failure;
use crate::files::print;
use clap::{ArgAction, Args};
use sigsum_client::{BaseUrl, GoDuration};
use sigsum_core::{PublicKey, TreeSize};
use sigsum_log::config::{Follower, FollowerTable, Storage};
use sigsum_log::sth::{SthError, SthFile};
use sigsum_log::takeover::{
    Asked, Copied, Others, PromoteError, Promoted, RestoreError, copy, promote as take_over,
};
use sigsum_store::{Place, Store, StoreError};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Options of `log promote`; each goes before the same key of the configuration file.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Promote {
    /// The follower's directory; the follower must not run
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The log's public key (default: the one that the directory was made with)
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    #[command(flatten)]
    others: Ask,
    /// log-go's sth file: its head is taken if it is the later one, and the file kept up to date
    #[arg(long, value_name = "FILE")]
    sth_file: Option<PathBuf>,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Options of `log restore`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Restore {
    /// Internal endpoint of a follower, or where only that is left a public one of the log
    #[arg(long, value_name = "URL")]
    from: String,
    /// Directory to make, or one that was begun by this command
    #[arg(long, value_name = "DIR")]
    data_dir: PathBuf,
    /// The log's key, private or public
    #[arg(long, value_name = "FILE")]
    key_file: PathBuf,
    #[command(flatten)]
    others: Ask,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Who is asked before a node takes over.
#[derive(Debug, Args)]
struct Ask {
    /// Policy: the witnesses to ask, and the log's public URL where it has one
    #[arg(long, value_name = "FILE")]
    policy_file: Option<PathBuf>,
    /// Another follower to ask: its internal endpoint, and the file with its public key; may be
    /// repeated
    #[arg(long = "follower", value_name = "URL,FILE", value_parser = follower)]
    followers: Vec<FollowerTable>,
    /// Pass over those who do not answer; the log's start may be refused then
    #[arg(long)]
    accept_unreachable: bool,
    /// Time limit of one question, or of one request for leaves
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    timeout: GoDuration,
    /// Configuration file (default: $SIGSUM_LOGSERVER_CONFIG or /etc/sigsum/config.toml)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What flags and file say.
struct Settings {
    data_dir: Option<PathBuf>,
    sth: Option<SthFile>,
    others: Others,
}

fn settings(
    ask: &Ask,
    data_dir: Option<PathBuf>,
    sth_file: Option<PathBuf>,
) -> Result<Settings, Failure> {
    let mut file = read_config(ask.config.as_deref())?;
    file.data_dir = data_dir.or(file.data_dir);
    file.primary.sth_file = sth_file.or(file.primary.sth_file);
    file.primary.policy_file = ask.policy_file.clone().or(file.primary.policy_file);
    if !ask.followers.is_empty() {
        file.primary.followers.clone_from(&ask.followers);
    }
    // How many of them the next primary needs is not asked here.
    file.primary.required = (!file.primary.followers.is_empty()).then_some(1);
    let settings = file.into_settings().map_err(|e| Failure::new(e.to_string()))?;
    let policy = read_policy(settings.policy_file.as_deref())?;
    let followers = settings.replication.with_keys(node_key)?.followers;
    let data_dir = match settings.config.storage {
        Storage::DataDir(dir) => Some(dir),
        Storage::Ephemeral | Storage::Place(_) => None,
    };
    let others = Others { policy: Arc::new(policy), followers, timeout: ask.timeout.0 };
    Ok(Settings { data_dir, sth: settings.config.sth_file.map(SthFile::new), others })
}

/// Opens a directory with its lock, so that no server runs on it.
fn open(dir: &Path, key: &PublicKey) -> Result<Arc<Store>, Failure> {
    let store = Store::open(&Place::dir(dir), key).map_err(|e| store_failure(&e))?;
    store.wait_for_index().map_err(|e| store_failure(&e))?;
    Ok(Arc::new(store))
}

fn store_failure(error: &StoreError) -> Failure {
    with_remedy(Failure::new(error.to_string()), error)
}

/// `log promote`.
pub(super) fn promote(options: Promote) -> Result<(), Failure> {
    let settings = settings(&options.others, options.data_dir, options.sth_file)?;
    let dir = settings.data_dir.ok_or_else(|| Failure::new("a log in memory has no followers"))?;
    check_owner(&dir)?;
    let key = match &options.key_file {
        Some(file) => log_key(file)?,
        None => recorded_key(&dir)?,
    };
    let store = open(&dir, &key)?;
    let accept = options.others.accept_unreachable;
    let taken = take_over(&store, &key, &settings.others, settings.sth.as_ref(), accept);
    let promoted = crate::runtime()?.block_on(taken).map_err(|e| promote_failure(&e))?;
    // The directory was a follower's.
    print(report(&dir, &promoted, followers_heard(&promoted.asked) + 1))
}

fn recorded_key(dir: &Path) -> Result<PublicKey, Failure> {
    let recorded = Store::recorded_log_key(&Place::dir(dir)).map_err(|e| store_failure(&e))?;
    recorded.ok_or_else(|| {
        Failure::new(format!("{} is not a follower's directory", dir.display())).remedy(
            "name the follower's directory with --data-dir, or the log's key with --key-file",
        )
    })
}

/// `log restore`.
pub(super) fn restore(options: Restore) -> Result<(), Failure> {
    let dir = options.data_dir;
    check_owner(&dir)?;
    let settings = settings(&options.others, Some(dir.clone()), None)?;
    let key = log_key(&options.key_file)?;
    let base = source(&options.from)?;
    match sigsum_log::init_follower(&dir, &key) {
        // Begun before, or another's: that is seen when it is opened.
        Ok(()) | Err(StoreError::AlreadyInitialised { .. }) => {}
        Err(error) => return Err(store_failure(&error)),
    }
    let store = open(&dir, &key)?;
    let runtime = crate::runtime()?;
    let timeout = options.others.timeout.0;
    let progress = |held: TreeSize| crate::say(&format!("{held} leaves"));
    let copied = runtime.block_on(copy(&store, &key, &base, timeout, progress));
    let copied = copied.map_err(|e| restore_failure(&e, &dir))?;
    print(copied_text(&dir, &options.from, &copied))?;
    let accept = options.others.accept_unreachable;
    let taken = take_over(&store, &key, &settings.others, None, accept);
    let promoted = runtime.block_on(taken).map_err(|e| promote_failure(&e))?;
    let is_counted = is_among(&base, &settings.others.followers, &promoted.asked);
    let source = usize::from(copied.is_internal && !is_counted);
    print(report(&dir, &promoted, followers_heard(&promoted.asked) + source))
}

/// Followers that said what they hold.
fn followers_heard(asked: &[Asked]) -> usize {
    asked.iter().filter(|a| a.witness.is_none() && a.is_due && a.is_answer()).count()
}

/// Whether this node is one of the followers that answered.
fn is_among(node: &BaseUrl, followers: &[Follower], asked: &[Asked]) -> bool {
    let is_node =
        |url: &str| url.parse::<BaseUrl>().is_ok_and(|url| url.to_string() == node.to_string());
    let answered = |url: &str| {
        let who = format!("follower {url}");
        asked.iter().any(|asked| asked.who == who && asked.is_answer())
    };
    followers.iter().any(|follower| is_node(&follower.url) && answered(&follower.url))
}

fn source(from: &str) -> Result<BaseUrl, Failure> {
    if Path::new(from).is_dir() {
        let failure = Failure::new(format!("--from: {from} is a directory, not a URL"));
        return Err(failure.remedy(
            "a backup is a follower's directory: `sigsum log promote --data-dir DIR` makes it the \
             primary's, and `sigsum log secondary --data-dir DIR` goes on from it",
        ));
    }
    from.parse().map_err(|e| Failure::new(format!("--from: {e}")))
}

fn copied_text(dir: &Path, from: &str, copied: &Copied) -> String {
    let Copied { head, held, resumed_from, .. } = copied;
    let size = head.tree_head.size;
    let mut text = format!("{}: {held} leaves from {from}", dir.display());
    if resumed_from.0 > 0 {
        let _ = write!(text, ", {resumed_from} of them from an earlier attempt");
    }
    let _ = write!(text, "\n{size} of them are those of the log's signed tree head\n");
    if !copied.is_internal {
        text += "This is what was published. Leaves that were answered 200 and not published yet are \
                 only to be had\nfrom the internal endpoint of a follower.\n";
    }
    text + "\n"
}

/// What an operator takes upon himself who does not wait for everybody.
const UNSURE: &str = "
Warning: too few answered to be sure that nobody knows more. When this node is started it asks the
witnesses again, and is refused where one of them answers and knows more. With a policy that has no
quorum, or with publish-without-quorum, it goes on after ten seconds though nobody answers: if a head
was signed that did not reach this directory, the log is forked then.
";

/// What was asked, what the directory is now, and what to do next. So many followers were compared.
fn report(dir: &Path, promoted: &Promoted, compared: usize) -> String {
    let mut text = asked_text(&promoted.asked);
    let promotion = promoted.promotion;
    let _ = write!(
        text,
        "\n{dir} is the primary's now: {held} leaves, {known} of them under a signed tree head.\n",
        dir = dir.display(),
        held = promotion.held_size,
        known = promotion.known_size,
    );
    text += &lost_text(compared);
    if !promoted.is_sure {
        text += UNSURE;
    }
    let alive = promoted.asked.iter().find(|a| a.who.starts_with("log ") && a.is_answer());
    if let Some(asked) = alive {
        let _ = write!(
            text,
            "\nWarning: {} still answers. Stop the old primary before this one is started.\n",
            asked.who
        );
    }
    let _ = write!(
        text,
        "\nNext:\n\
         1. Make sure that the old primary never starts again with the log's key.\n\
         2. Bring the log's key here, and start: `sigsum log primary --data-dir {dir} --key-file FILE \
         --policy-file FILE`\n   with the other followers, or with replication = \"none\".\n\
         3. Let the log's name or address lead here.\n",
        dir = dir.display(),
    );
    text
}

fn asked_text(asked: &[Asked]) -> String {
    let mut text = String::new();
    for asked in asked {
        let _ = writeln!(text, "{} {}", asked.who, asked.said);
    }
    if asked.is_empty() {
        text +=
            "nobody was asked: the policy names no witness with a URL, and no follower is named\n";
    }
    text
}

fn lost_text(compared: usize) -> String {
    format!(
        "Nothing is lost that was answered 200, if the old primary required k of n followers and \
         n - k + 1 or more\nof them were compared; it was {compared}. Leaves that were answered 202 \
         may be missing; they are submitted again.\n"
    )
}

fn promote_failure(error: &PromoteError) -> Failure {
    match error {
        PromoteError::Outdated { asked, .. } => {
            let names_follower = asked.iter().any(|a| a.witness.is_none() && a.is_due);
            let failure = Failure::new(format!("{}{error}", asked_text(asked)));
            failure.remedy(if names_follower {
                "promote the follower that holds most; if a witness knows more than all of them, \
                 find the newest directory there is"
            } else {
                "find the newest directory there is, or the follower that holds most, and promote \
                 that"
            })
        }
        PromoteError::Unanswered { asked } => Failure::new(format!("{}{error}", asked_text(asked)))
            .remedy(
                "try again when they can be reached. With --accept-unreachable they are passed \
                 over: the new primary signs nothing before witnesses that make the quorum have \
                 answered it, and is refused if one of them knows more than was known here, which \
                 brings you back to this point. Where the policy has no quorum, or with \
                 publish-without-quorum, it waits for nobody longer than ten seconds, and the log \
                 is forked if a later head was signed",
            ),
        PromoteError::IsClosed => Failure::new(error.to_string()).remedy(CLOSED_REMEDY),
        PromoteError::IsPrimary => Failure::new(error.to_string()).remedy(
            "start it with `sigsum log primary`; if that is refused, the log has gone on elsewhere",
        ),
        PromoteError::Store(store) => store_failure(store),
        PromoteError::Sth(SthError::Contradiction { named, present, .. })
            if named.size > present.size =>
        {
            Failure::new(error.to_string()).remedy(
                "the old primary has signed more than this copy holds: let `sigsum log secondary` \
                 follow it until it holds that tree, or promote another follower",
            )
        }
        PromoteError::Sth(_) | PromoteError::File(_) => Failure::new(error.to_string()),
    }
}

fn restore_failure(error: &RestoreError, dir: &Path) -> Failure {
    let failure = Failure::new(error.to_string());
    let again = "the same command goes on where it was cut short";
    match error {
        RestoreError::Store(store) => store_failure(store),
        RestoreError::Leaves { .. } | RestoreError::NoHead { .. } | RestoreError::Interrupted => {
            failure.remedy(again)
        }
        RestoreError::TooFew { .. } => failure
            .remedy(format!("{again}, also with another --from: the leaves that are here stay")),
        RestoreError::OtherTree { .. } | RestoreError::Twice(_) => {
            failure.remedy(format!("remove {}, and restore from another node", dir.display()))
        }
        RestoreError::IsClosed => failure.remedy(CLOSED_REMEDY),
        RestoreError::IsPrimary => failure.remedy(
            "a restored log is made in a directory of its own; where this one was restored \
             already, start it with `sigsum log primary`",
        ),
        RestoreError::OtherKey { .. } | RestoreError::Setup(_) => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_log::takeover::Said;

    fn asked(who: &str, is_due: bool, said: Said) -> Asked {
        Asked { who: who.into(), witness: None, is_due, said }
    }

    #[test]
    fn followers_that_answered_count_and_nobody_twice() {
        let answers = [
            asked("follower http://a:1/", true, Said::Knows(TreeSize(5))),
            asked("follower http://b:1", true, Said::Nothing("no route".into())),
            asked("log http://l:1", false, Said::Knows(TreeSize(5))),
        ];
        assert_eq!(followers_heard(&answers), 1);
        let key = PublicKey::new([1; 32]);
        let follower = |url: &str| Follower { url: url.into(), key };
        let followers = [follower("http://a:1/"), follower("http://b:1")];
        let is_among = |url: &str| {
            let node = url.parse().expect("a URL");
            is_among(&node, &followers, &answers)
        };
        assert!(is_among("http://a:1"), "with a slash or without");
        assert!(!is_among("http://b:1"), "it did not answer, and was copied from");
        assert!(!is_among("http://l:1"));
    }
}
