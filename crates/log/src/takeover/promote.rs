//! Making a follower's directory the primary's.

use super::ask::{Asked, Others, Said, ask};
use crate::engine::cosigned::WitnessId;
use crate::sth::{SthError, SthFile};
use sigsum_core::policy::Policy;
use sigsum_core::{PublicKey, SignedTreeHead, TreeSize};
use sigsum_store::durable::FileError;
use sigsum_store::{HeadStore as _, LeafLog as _, Promotion, Role, Store, StoreError};
use std::sync::Arc;

/// A directory that is the primary's now.
#[derive(Debug)]
pub struct Promoted {
    /// Who was asked, and what each said.
    pub asked: Vec<Asked>,
    /// The last signed head that reached this directory.
    pub head: Option<SignedTreeHead>,
    /// What is recorded in it.
    pub promotion: Promotion,
    /// Enough have answered to be sure that nobody knows more; else the operator's word was taken.
    pub is_sure: bool,
}

/// Why a directory stays what it was.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// Configuration: the log was closed for good.
    #[error("this log is closed for good, and to promote it would open it again")]
    IsClosed,
    /// Configuration: a primary's already.
    #[error("this directory is a primary's already")]
    IsPrimary,
    /// Somebody knows more than this directory holds: to go on from it would fork the log.
    #[error("{}", outdated(.asked, *.held))]
    Outdated {
        /// Who was asked, and what each said.
        asked: Vec<Asked>,
        /// Leaves that this directory holds.
        held: TreeSize,
    },
    /// Too few answered to be sure.
    #[error("too few answered to know whether anybody has a larger tree: {}", silent(.asked))]
    Unanswered {
        /// Who was asked, and what each said.
        asked: Vec<Asked>,
    },
    /// The directory.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The sth file.
    #[error(transparent)]
    Sth(#[from] SthError),
    /// Writing the sth file.
    #[error(transparent)]
    File(#[from] FileError),
}

fn outdated(asked: &[Asked], held: TreeSize) -> String {
    let more = asked.iter().filter(|asked| is_more(asked, held));
    let more: Vec<_> = more.map(|asked| format!("{} {}", asked.who, asked.said)).collect();
    format!(
        "{}; this directory holds {held}, and to go on from it would fork the log",
        more.join(", ")
    )
}

fn silent(asked: &[Asked]) -> String {
    let silent = asked.iter().filter(|asked| asked.is_due && !asked.is_answer());
    let silent: Vec<_> = silent.map(|asked| format!("{} {}", asked.who, asked.said)).collect();
    if !asked.iter().any(|asked| asked.is_due) {
        "nobody was asked: name the policy with the log's witnesses, or a follower".into()
    } else if silent.is_empty() {
        "the policy's witnesses with a URL do not make its quorum".into()
    } else {
        silent.join(", ")
    }
}

fn is_more(asked: &Asked, held: TreeSize) -> bool {
    match asked.said {
        Said::Knows(size) => size > held,
        Said::Other(_) => true,
        Said::Unknown | Said::Nothing(_) => false,
    }
}

/// Whether somebody has answered, all followers have, and so many witnesses that they make the
/// quorum and the silent ones do not: one of those who answered knows every published head then. A
/// witness without a URL was asked by no log with this policy, and knows none of its heads.
fn is_answered(asked: &[Asked], policy: &Policy) -> bool {
    let witness = |at| asked.iter().find(|asked| asked.witness == Some(WitnessId(at)));
    let is_said = |at| witness(at).is_some_and(Asked::is_answer);
    let is_silent = |at| witness(at).is_some_and(|asked| !asked.is_answer());
    let mut due = asked.iter().filter(|asked| asked.is_due);
    let all_have = || due.clone().all(Asked::is_answer);
    let followers_have = || due.clone().all(|asked| asked.witness.is_some() || asked.is_answer());
    let quorum = policy.quorum();
    let is_sure = all_have() || !quorum.is_satisfied(&is_silent);
    quorum.is_satisfied(&is_said) && is_sure && followers_have() && due.any(Asked::is_answer)
}

/// Whether a directory may be promoted: a follower's, or one that was promoted and has done nothing
/// since, as after a promotion in which too few were asked.
fn check_role(store: &Store) -> Result<(), PromoteError> {
    match store.role() {
        Role::Follower => return Ok(()),
        // Also where it was promoted once and has not grown since.
        Role::Frozen => return Err(PromoteError::IsClosed),
        Role::Primary => {}
    }
    let promotion = store.promotion()?.ok_or(PromoteError::IsPrimary)?;
    let signed = store.load_head().map(|head| head.tree_head.size).unwrap_or_default();
    let is_untouched =
        store.committed_size() == promotion.held_size && signed <= promotion.known_size;
    if is_untouched { Ok(()) } else { Err(PromoteError::IsPrimary) }
}

/// The head in log-go's sth file, which may have come from the old primary, where it is later than
/// the directory's.
fn later_head(
    store: &Store,
    log: &PublicKey,
    sth: &SthFile,
) -> Result<Option<SignedTreeHead>, PromoteError> {
    let state = sth.load(log)?;
    sth.check(&state, store, true)?;
    let signed = store.load_head().map(|head| head.tree_head.size);
    let is_later = |saved: &SignedTreeHead| signed.is_none_or(|size| size < saved.tree_head.size);
    Ok(state.saved.filter(is_later))
}

/// Asks everybody, and makes the directory the primary's where nobody knows more. `sth` is brought
/// up to date where there is a head for it.
///
/// With `accept_unreachable`, whoever does not answer is passed over. The start guard of the new
/// primary asks again, and refuses where one of them answers then and knows more. Where the policy
/// asks for no quorum, or the log publishes without one, it goes on after a while though nobody
/// answers: a head that only they knew makes a fork then.
///
/// # Errors
/// [`PromoteError`]. What the directory is and holds is as before, unless it is
/// [`PromoteError::Store`] or [`PromoteError::File`], after which it may have become the primary's.
pub async fn promote(
    store: &Arc<Store>,
    log: &PublicKey,
    others: &Others,
    sth: Option<&SthFile>,
    accept_unreachable: bool,
) -> Result<Promoted, PromoteError> {
    check_role(store)?;
    let held = store.integrate()?.size;
    let later = sth.map(|sth| later_head(store, log, sth)).transpose()?.flatten();
    let head = later.or_else(|| store.load_head());
    let asked = ask(store, log, head, others).await;
    if asked.iter().any(|asked| is_more(asked, held)) {
        return Err(PromoteError::Outdated { asked, held });
    }
    let is_sure = is_answered(&asked, &others.policy);
    if !accept_unreachable && !is_sure {
        return Err(PromoteError::Unanswered { asked });
    }
    let signed = head.map(|head| head.tree_head.size).unwrap_or_default();
    let heads = asked.iter().filter(|asked| asked.witness.is_some() || !asked.is_due);
    let known = heads.filter_map(|asked| match asked.said {
        Said::Knows(size) => Some(size),
        _ => None,
    });
    let promotion = store.promote(known.fold(signed, TreeSize::max))?;
    // After it: a directory that was promoted before and has a later head counts as one in use.
    if let Some(later) = later {
        store.persist_head(&later)?;
    }
    if let (Some(sth), Some(head)) = (sth, &head) {
        sth.write(head)?;
    }
    Ok(Promoted { asked, head, promotion, is_sure })
}
