//! The tree heads of one log: polled by one task, read by every leaf that waits.

use super::session::Session;
use super::{Event, Listener};
use sigsum_api::ApiError;
use sigsum_core::policy::QuorumReport;
use sigsum_core::{CosignedTreeHead, TreeSize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

/// Time between polls while things happen: logs that publish at once take some tens of
/// milliseconds for it.
const FIRST_DELAY: Duration = Duration::from_millis(20);
/// Time between polls when nothing has happened for long, as the Go tools have it.
const LAST_DELAY: Duration = Duration::from_secs(2);

/// What is known of a log's tree heads.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadState {
    /// The largest head with a quorum.
    pub(super) usable: Option<Arc<CosignedTreeHead>>,
    /// The largest head that the log signed.
    pub(super) largest: Option<TreeSize>,
    /// The first one that was seen: what was added since is the batch's, or came beside it.
    pub(super) first: Option<TreeSize>,
    /// Since when every poll failed.
    pub(super) failing_since: Option<Instant>,
    /// What the last answer lacked, in words.
    pub(super) problem: Option<String>,
}

impl HeadState {
    /// The usable head, if it is larger than that.
    pub(super) fn larger_than(&self, size: Option<TreeSize>) -> Option<Arc<CosignedTreeHead>> {
        let head = self.usable.as_ref()?;
        (Some(head.signed.tree_head.size) > size).then(|| Arc::clone(head))
    }
}

/// Where the poller leaves what it learns.
pub(super) struct Heads {
    state: watch::Sender<HeadState>,
    /// Someone waits for something new.
    kick: Notify,
}

impl Heads {
    pub(super) fn new() -> Self {
        Self { state: watch::Sender::new(HeadState::default()), kick: Notify::new() }
    }

    /// Follows the heads; the log is polled only while someone does.
    pub(super) fn follow(&self) -> watch::Receiver<HeadState> {
        let receiver = self.state.subscribe();
        self.kick.notify_one();
        receiver
    }

    /// Has the log polled fast again, since a leaf was just added.
    pub(super) fn hurry(&self) {
        self.kick.notify_one();
    }

    pub(super) fn largest(&self) -> Option<TreeSize> {
        self.state.borrow().largest
    }

    pub(super) fn first(&self) -> Option<TreeSize> {
        self.state.borrow().first
    }

    /// What is missing for a proof, in words.
    pub(super) fn describe(&self) -> String {
        let state = self.state.borrow();
        match (&state.problem, state.largest) {
            (Some(problem), _) => problem.clone(),
            (None, Some(size)) => format!("its tree head of size {size} does not include the leaf"),
            (None, None) => "it has not answered yet".to_owned(),
        }
    }
}

/// What a poll brought.
struct Polled {
    /// Something new: worth asking again soon.
    is_new: bool,
    /// How long the log asks to be left alone.
    pause: Duration,
}

/// Polls a log for as long as someone follows its heads; ends only by being dropped.
pub(super) async fn poll(session: Arc<Session>, listener: Listener) {
    let mut last: Option<(CosignedTreeHead, QuorumReport)> = None;
    let mut delay = FIRST_DELAY;
    loop {
        while session.heads.state.receiver_count() == 0 {
            session.heads.kick.notified().await;
        }
        let polled = match session.tree_head().await {
            Ok(head) => take_head(&session, &listener, head, &mut last),
            Err(error) => take_error(&session, &listener, &error),
        };
        delay = if polled.is_new { FIRST_DELAY } else { delay.mul_f64(1.25).min(LAST_DELAY) };
        tokio::time::sleep(polled.pause).await;
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            () = session.heads.kick.notified() => {
                delay = FIRST_DELAY;
                tokio::time::sleep(FIRST_DELAY).await;
            }
        }
    }
}

fn take_head(
    session: &Session,
    listener: &Listener,
    head: CosignedTreeHead,
    last: &mut Option<(CosignedTreeHead, QuorumReport)>,
) -> Polled {
    let nothing_new = Polled { is_new: false, pause: Duration::ZERO };
    let size = head.signed.tree_head.size;
    let is_known = last.as_ref().is_some_and(|(known, _)| *known == head);
    if is_known || session.heads.largest().is_some_and(|largest| size < largest) {
        // The same again, or an older one from some cache.
        session.heads.state.send_if_modified(|state| {
            let failed_before = state.failing_since.take().is_some();
            if failed_before {
                state.problem = last.as_ref().and_then(|(head, quorum)| problem_of(head, quorum));
            }
            failed_before
        });
        return nothing_new;
    }
    let Some(quorum) = session.check_head(&head) else {
        fail(session, listener, "its tree head has an invalid log signature".to_owned());
        return nothing_new;
    };
    let url = session.url();
    listener(&Event::TreeHead { url, size, quorum: quorum.clone() });
    session.heads.state.send_modify(|state| {
        state.largest = Some(size);
        state.first.get_or_insert(size);
        state.failing_since = None;
        state.problem = problem_of(&head, &quorum);
        if quorum.is_satisfied() {
            state.usable = Some(Arc::new(head.clone()));
        }
    });
    *last = Some((head, quorum));
    Polled { is_new: true, pause: Duration::ZERO }
}

/// What a head lacks, in words.
fn problem_of(head: &CosignedTreeHead, quorum: &QuorumReport) -> Option<String> {
    let size = head.signed.tree_head.size;
    let lacks = || format!("its tree head of size {size} has no quorum: {quorum}");
    (!quorum.is_satisfied()).then(lacks)
}

fn take_error(session: &Session, listener: &Listener, error: &ApiError) -> Polled {
    fail(session, listener, format!("it gives no tree head: {error}"));
    let pause = error.retry_after_s().map_or(Duration::ZERO, Duration::from_secs);
    Polled { is_new: false, pause }
}

fn fail(session: &Session, listener: &Listener, problem: String) {
    let url = session.url();
    listener(&Event::NoTreeHead { url, reason: problem.clone() });
    session.heads.state.send_modify(|state| {
        state.failing_since.get_or_insert_with(Instant::now);
        state.problem = Some(problem);
    });
}
