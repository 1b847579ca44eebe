//! Making a follower's directory the primary's.

use super::ask::{Asked, Others, Said, ask};
use crate::engine::cosigned::WitnessId;
use crate::sth::{SthError, SthFile};
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
}

/// Why a directory stays what it was.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
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
    if silent.is_empty() {
        return "the policy's witnesses with a URL do not make its quorum".into();
    }
    silent.join(", ")
}

fn is_more(asked: &Asked, held: TreeSize) -> bool {
    match asked.said {
        Said::Knows(size) => size > held,
        Said::Other(_) => true,
        Said::Unknown | Said::Nothing(_) => false,
    }
}

/// Whether all followers, and witnesses that make the quorum, have answered.
fn is_answered(asked: &[Asked], others: &Others) -> bool {
    let is_said = |at| asked.iter().any(|a| a.witness == Some(WitnessId(at)) && a.is_answer());
    let followers = asked.iter().filter(|asked| asked.is_due && asked.witness.is_none());
    others.policy.quorum().is_satisfied(&is_said) && followers.into_iter().all(Asked::is_answer)
}

/// Whether a directory may be promoted: a follower's, or one that was promoted and has done nothing
/// since, as after a promotion in which too few were asked.
fn check_role(store: &Store) -> Result<(), PromoteError> {
    if store.role() == Role::Follower {
        return Ok(());
    }
    let promotion = store.promotion()?.ok_or(PromoteError::IsPrimary)?;
    let signed = store.load_head().map(|head| head.tree_head.size).unwrap_or_default();
    let is_untouched =
        store.committed_size() == promotion.held_size && signed <= promotion.known_size;
    if is_untouched { Ok(()) } else { Err(PromoteError::IsPrimary) }
}

/// Takes the head in log-go's sth file, which may have come from the old primary, where it is the
/// later one.
fn take_head(store: &Store, log: &PublicKey, sth: &SthFile) -> Result<(), PromoteError> {
    let state = sth.load(log)?;
    sth.check(&state, store, true)?;
    let signed = store.load_head().map(|head| head.tree_head.size);
    if let Some(saved) = state.saved
        && signed.is_none_or(|signed| signed < saved.tree_head.size)
    {
        store.persist_head(&saved)?;
    }
    Ok(())
}

/// Asks everybody, and makes the directory the primary's where nobody knows more. `sth` is brought
/// up to date where there is a head for it. With `accept_unreachable`, whoever does not answer
/// is passed over: that cannot fork the log, as the start guard asks again, but the start may then
/// be refused.
///
/// # Errors
/// [`PromoteError`]; the directory is as before.
pub async fn promote(
    store: &Arc<Store>,
    log: &PublicKey,
    others: &Others,
    sth: Option<&SthFile>,
    accept_unreachable: bool,
) -> Result<Promoted, PromoteError> {
    check_role(store)?;
    let held = store.integrate()?.size;
    if let Some(sth) = sth {
        take_head(store, log, sth)?;
    }
    let head = store.load_head();
    let asked = ask(store, log, others).await;
    if asked.iter().any(|asked| is_more(asked, held)) {
        return Err(PromoteError::Outdated { asked, held });
    }
    if !accept_unreachable && !is_answered(&asked, others) {
        return Err(PromoteError::Unanswered { asked });
    }
    let signed = head.map(|head| head.tree_head.size).unwrap_or_default();
    let heads = asked.iter().filter(|asked| asked.witness.is_some() || !asked.is_due);
    let known = heads.filter_map(|asked| match asked.said {
        Said::Knows(size) => Some(size),
        _ => None,
    });
    let promotion = store.promote(known.fold(signed, TreeSize::max))?;
    if let (Some(sth), Some(head)) = (sth, &head) {
        sth.write(head)?;
    }
    Ok(Promoted { asked, head, promotion })
}
