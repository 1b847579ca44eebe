//! Watches the leaf index of a log: built after the start, and out of use while the disk does not give
//! what it is made of.

use sigsum_service::health::Part;
use sigsum_service::shutdown::Shutdown;
use sigsum_store::{IndexState, Store, StoreError};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// Time between two looks: what is waiting shows in the log's health as soon.
const PAUSE: Duration = Duration::from_secs(1);

/// Reports whether the leaf index is in use; while it is not, add-leaf is answered 503. The receiver
/// hears of the end of the first attempt, good or bad. Ends with the shutdown.
pub(crate) fn watch(
    store: &Arc<Store>,
    health: Part,
    shutdown: &Shutdown,
) -> (JoinHandle<()>, oneshot::Receiver<()>) {
    let (ended, indexed) = oneshot::channel();
    let (store, shutdown) = (store.clone(), shutdown.clone());
    let watching = tokio::spawn(async move {
        let first = store.clone();
        let wait = move || drop(first.wait_for_index()); // how it ended is seen below
        let _ = tokio::task::spawn_blocking(wait).await;
        let mut last = Seen::Nothing;
        last.report(&store, &health);
        let _ = ended.send(()); // nobody waits any more where it took long
        while !shutdown.is_triggered() {
            tokio::select! {
                () = shutdown.triggered() => break,
                () = tokio::time::sleep(PAUSE) => last.report(&store, &health),
            }
        }
    });
    (watching, indexed)
}

/// What was reported last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nothing,
    Ready,
    /// Whether it may pass: damage that comes to light after a fault is another matter.
    Failed {
        may_pass: bool,
    },
}

impl Seen {
    fn report(&mut self, store: &Store, health: &Part) {
        match store.index_state() {
            IndexState::Ready if *self != Self::Ready => {
                if matches!(self, Self::Failed { .. }) {
                    tracing::info!("the leaf index is in use again");
                }
                health.ready();
                *self = Self::Ready;
            }
            IndexState::Failed(error) => {
                let now = Self::Failed { may_pass: error.may_pass() };
                if *self != now {
                    report_failure(&error, health);
                    *self = now;
                }
            }
            IndexState::Ready | IndexState::Building { .. } => {}
        }
    }
}

fn report_failure(error: &StoreError, health: &Part) {
    if error.may_pass() {
        health.waiting("the hashes of the leaves cannot be read; trying again");
        tracing::error!(
            %error,
            "cannot read the hashes of the leaves; no leaf is accepted until that works"
        );
    } else {
        health.waiting("the leaf index cannot be built");
        tracing::error!(%error, "cannot build the leaf index; no leaf is accepted");
    }
}
