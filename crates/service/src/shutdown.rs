//! Stopping: a token that tasks wait for, and the signals that trigger it.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// A token that is triggered once and stays triggered. Clones are the same token.
///
/// A [`child`](Shutdown::child) is triggered with its parent, or alone: so a part can be stopped
/// without stopping the whole.
#[derive(Clone, Debug)]
pub struct Shutdown {
    node: Arc<Node>,
}

#[derive(Debug)]
struct Node {
    triggered: watch::Sender<bool>,
    /// Children that are still held by someone; the dead ones are swept when one is added.
    children: Mutex<Vec<Weak<Node>>>,
}

impl Node {
    fn trigger(&self) {
        // `send_replace` and not `send`: it must stick even when nobody waits at the moment.
        self.triggered.send_replace(true);
        let children = std::mem::take(&mut *lock(&self.children));
        for child in children.iter().filter_map(Weak::upgrade) {
            child.trigger();
        }
    }
}

/// The list stays whole whatever happens under the lock, so a poisoned one is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

impl Shutdown {
    /// A token of its own, not triggered.
    #[must_use]
    pub fn new() -> Self {
        let node = Node { triggered: watch::Sender::new(false), children: Mutex::default() };
        Self { node: Arc::new(node) }
    }

    /// A token that is triggered when this one is, or before.
    #[must_use]
    pub fn child(&self) -> Self {
        let child = Self::new();
        let mut children = lock(&self.node.children);
        children.retain(|known| known.strong_count() > 0);
        children.push(Arc::downgrade(&child.node));
        drop(children);
        // Looked at after the child is on the list: a trigger in between reaches it one way or
        // the other.
        if self.is_triggered() {
            child.trigger();
        }
        child
    }

    /// Triggers this token and its children. Doing it again changes nothing.
    pub fn trigger(&self) {
        self.node.trigger();
    }

    /// Whether it has been triggered.
    #[must_use]
    pub fn is_triggered(&self) -> bool {
        *self.node.triggered.borrow()
    }

    /// Returns when the token is triggered, at once if it was. Safe to cancel and to call again.
    pub async fn triggered(&self) {
        let mut receiver = self.node.triggered.subscribe();
        // The sender lives in `self.node`, so the channel cannot close while we wait.
        let _ = receiver.wait_for(|triggered| *triggered).await;
    }
}

/// Triggers `shutdown` at the first SIGINT or SIGTERM of this process, where `at_hangup` says so at
/// SIGHUP too. Needs a tokio runtime.
///
/// # Errors
/// When the operating system refuses a signal handler.
pub fn on_signals(shutdown: &Shutdown, at_hangup: bool) -> io::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    // A handler of ours would undo what nohup did.
    let mut hangup = at_hangup.then(|| signal(SignalKind::hangup())).transpose()?;
    let hung_up = async move {
        match &mut hangup {
            Some(hangup) => drop(hangup.recv().await),
            None => std::future::pending().await,
        }
    };
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            () = hung_up => "SIGHUP",
        };
        tracing::info!(signal = name, "stopping");
        shutdown.trigger();
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_trigger_reaches_those_who_wait_and_those_who_come_later() {
        let shutdown = Shutdown::new();
        let waiting = tokio::spawn({
            let shutdown = shutdown.clone();
            async move { shutdown.triggered().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        shutdown.trigger();
        waiting.await.unwrap();
        shutdown.triggered().await;
    }

    #[tokio::test]
    async fn a_parent_stops_its_children_and_grandchildren() {
        let parent = Shutdown::new();
        let child = parent.child();
        let grandchild = child.child();
        parent.trigger();
        grandchild.triggered().await;
        assert!(child.is_triggered());
        assert!(parent.child().is_triggered(), "a child of a triggered token starts triggered");
    }

    #[test]
    fn a_child_stops_alone() {
        let parent = Shutdown::new();
        let (one, other) = (parent.child(), parent.child());
        one.trigger();
        assert!(!parent.is_triggered() && !other.is_triggered());
    }

    #[test]
    fn dropped_children_are_forgotten() {
        let parent = Shutdown::new();
        for _ in 0..100 {
            drop(parent.child());
        }
        assert_eq!(lock(&parent.node.children).len(), 1);
    }
}
