//! What the connections of a server are at, and which one makes room when there is none left.
//!
//! A client that holds connections, or answers that it does not read, costs others nothing until a
//! limit is reached. Then the one that was idle for longest, or has not read for longest, is cut:
//! whoever holds everything cannot shut others out.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

fn since_ms(epoch: Instant, now: Instant) -> u64 {
    u64::try_from(now.saturating_duration_since(epoch).as_millis()).unwrap_or(u64::MAX)
}

/// What one connection is at: shared by its stream, its requests, its answers and the [`Crowd`].
#[derive(Debug)]
pub(super) struct Activity {
    /// When the server started; times are milliseconds since.
    epoch: Instant,
    requests: AtomicUsize,
    answers: AtomicUsize,
    /// When the first of `answers` was handed over.
    unread_since_ms: AtomicU64,
    last_byte_ms: AtomicU64,
    is_cut: AtomicBool,
    cut: Notify,
}

impl Activity {
    /// A connection that has just begun, on a server that started at `epoch`.
    pub(super) fn new(epoch: Instant) -> Self {
        let this = Self {
            epoch,
            requests: AtomicUsize::new(0),
            answers: AtomicUsize::new(0),
            unread_since_ms: AtomicU64::new(0),
            last_byte_ms: AtomicU64::new(0),
            is_cut: AtomicBool::new(false),
            cut: Notify::new(),
        };
        this.has_moved(Instant::now());
        this
    }

    /// A byte came or went.
    pub(super) fn has_moved(&self, now: Instant) {
        self.last_byte_ms.store(since_ms(self.epoch, now), Ordering::Relaxed);
    }

    /// Counts one more request until the guard is dropped.
    pub(super) fn begin_request(this: &Arc<Self>) -> RequestGuard {
        this.requests.fetch_add(1, Ordering::Relaxed);
        RequestGuard(Arc::clone(this))
    }

    /// Whether no request is being answered.
    pub(super) fn is_idle(&self) -> bool {
        self.requests.load(Ordering::Relaxed) == 0
    }

    /// Counts one more answer that waits to be read until the guard is dropped.
    pub(super) fn begin_answer(this: &Arc<Self>) -> AnswerGuard {
        if this.answers.fetch_add(1, Ordering::Relaxed) == 0 {
            let now_ms = since_ms(this.epoch, Instant::now());
            this.unread_since_ms.store(now_ms, Ordering::Relaxed);
        }
        AnswerGuard(Arc::clone(this))
    }

    /// Returns when the connection is to be dropped.
    pub(super) async fn cut(&self) {
        self.cut.notified().await;
    }

    /// Asks for the connection to be dropped; false where that was asked before.
    fn request_cut(&self) -> bool {
        let is_first = !self.is_cut.swap(true, Ordering::Relaxed);
        if is_first {
            self.cut.notify_one();
        }
        is_first
    }
}

/// Stands for one request that is being answered.
#[derive(Debug)]
pub(super) struct RequestGuard(Arc<Activity>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Stands for one answer that has not gone out whole.
#[derive(Debug)]
pub(super) struct AnswerGuard(Arc<Activity>);

impl Drop for AnswerGuard {
    fn drop(&mut self) {
        self.0.answers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The connections of one server. Only opening and closing one, and making room, take its lock.
#[derive(Debug)]
pub(super) struct Crowd {
    epoch: Instant,
    connections: Mutex<Connections>,
}

#[derive(Debug, Default)]
struct Connections {
    next: u64,
    open: HashMap<u64, Arc<Activity>>,
}

impl Crowd {
    /// Nobody yet.
    pub(super) fn new() -> Self {
        Self { epoch: Instant::now(), connections: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in a new connection, until the guard is dropped.
    pub(super) fn join(this: &Arc<Self>) -> Member {
        let activity = Arc::new(Activity::new(this.epoch));
        let mut connections = this.lock();
        let number = connections.next;
        connections.next = number.wrapping_add(1);
        connections.open.insert(number, Arc::clone(&activity));
        Member { crowd: Arc::clone(this), number, activity }
    }

    /// Cuts the connection that has been idle for longest, if any is.
    pub(super) fn cut_longest_idle(&self) -> bool {
        self.cut_first(|activity| {
            activity.is_idle().then(|| activity.last_byte_ms.load(Ordering::Relaxed))
        })
    }

    /// Cuts the connection that has had an answer to read for longest, if any has for `grace`.
    pub(super) fn cut_longest_unread(&self, grace: Duration) -> bool {
        let now_ms = since_ms(self.epoch, Instant::now());
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        self.cut_first(|activity| {
            let unread_since_ms = activity.unread_since_ms.load(Ordering::Relaxed);
            let has_answers = activity.answers.load(Ordering::Relaxed) > 0;
            let is_over = now_ms.saturating_sub(unread_since_ms) >= grace_ms;
            (has_answers && is_over).then_some(unread_since_ms)
        })
    }

    /// Cuts the connection with the smallest of these, among those that are not cut yet.
    fn cut_first(&self, order: impl Fn(&Activity) -> Option<u64>) -> bool {
        let connections = self.lock();
        let candidates = connections.open.values();
        let first = candidates
            .filter(|activity| !activity.is_cut.load(Ordering::Relaxed))
            .filter_map(|activity| Some((order(activity)?, activity)))
            .min_by_key(|(order, _)| *order);
        first.is_some_and(|(_, activity)| activity.request_cut())
    }
}

/// A connection's place in the [`Crowd`].
#[derive(Debug)]
pub(super) struct Member {
    crowd: Arc<Crowd>,
    number: u64,
    activity: Arc<Activity>,
}

impl Member {
    /// What the connection is at.
    pub(super) fn activity(&self) -> &Arc<Activity> {
        &self.activity
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.crowd.lock().open.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_cut(member: &Member) -> bool {
        member.activity.is_cut.load(Ordering::Relaxed)
    }

    async fn pass(millis: u64) {
        tokio::time::advance(Duration::from_millis(millis)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_is_cut_first_and_busy_ones_never() {
        let crowd = Arc::new(Crowd::new());
        let busy = Crowd::join(&crowd);
        let guard = Activity::begin_request(busy.activity());
        pass(5).await;
        let [old, young] = [Crowd::join(&crowd), Crowd::join(&crowd)];
        pass(5).await;
        young.activity().has_moved(Instant::now());
        assert!(crowd.cut_longest_idle());
        assert_eq!([&busy, &old, &young].map(is_cut), [false, true, false]);
        old.activity().cut().await;
        assert!(crowd.cut_longest_idle());
        assert!(!crowd.cut_longest_idle(), "the busy one is all that is left");
        drop(guard);
        assert!(crowd.cut_longest_idle());
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_has_not_read_for_longest_is_cut_first_and_nobody_before_the_grace() {
        let crowd = Arc::new(Crowd::new());
        let grace = Duration::from_millis(10);
        let [first, second] = [Crowd::join(&crowd), Crowd::join(&crowd)];
        let read = Activity::begin_answer(first.activity());
        drop(read);
        pass(50).await;
        let _one = Activity::begin_answer(second.activity());
        pass(5).await;
        let _other = Activity::begin_answer(first.activity());
        assert!(!crowd.cut_longest_unread(grace));
        pass(5).await;
        assert!(crowd.cut_longest_unread(grace));
        assert_eq!([&first, &second].map(is_cut), [false, true]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_grace_holds_on_a_server_that_has_just_started() {
        let crowd = Arc::new(Crowd::new());
        let member = Crowd::join(&crowd);
        let _answer = Activity::begin_answer(member.activity());
        assert!(!crowd.cut_longest_unread(Duration::from_millis(10)));
    }

    #[tokio::test]
    async fn connections_that_have_ended_are_forgotten() {
        let crowd = Arc::new(Crowd::new());
        drop(Crowd::join(&crowd));
        assert!(!crowd.cut_longest_idle());
        assert!(crowd.lock().open.is_empty());
    }
}
