//! Serves an axum router on a listener: HTTP/1.1 and HTTP/2, with TLS or without, within limits, until told
//! to stop.
//!
//! Every connection costs bounded memory and is closed when it idles, when it sends a request's
//! head too slowly, or when it does not read its answer; sooner where others need the room. What a *request* may cost (body size and
//! time) is up to the handlers: see [`crate::http::read_body`].

mod connection;
mod crowd;
mod deadline;
mod unread;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::TokioExecutor;
use hyper_util::server::conn::auto;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;

use connection::Setup;
use crowd::Crowd;
use unread::Unread;

use crate::listen::{BoundAddress, Listener, Stream};
use crate::shutdown::Shutdown;
use crate::tls::Tls;

/// Connections served at once; for one more, the one that idles longest is closed, and where none
/// idles it waits. Room for 64 busy clients of 64 connections each. With [`MAX_HEAD_BYTES`] of
/// buffer each that is 64 MiB; answers that are not read yet come on top: [`MAX_UNREAD_BYTES`].
pub const MAX_CONNECTIONS: usize = 4096;

/// Bytes of request line and header fields. Ours are under 1 KiB (the longest is `Sigsum-Token`,
/// a domain name of at most 253 bytes and a signature of 128); proxies add some.
pub const MAX_HEAD_BYTES: usize = 16 * 1024;

/// Time for a request's head to come in whole; and before that, for a TLS handshake. The head fits one packet, so this is several
/// retransmissions over a bad link.
pub const HEAD_TIMEOUT_MS: u64 = 10_000;

/// Time without any byte after which an idle connection is closed. Clients keep idle connections
/// for 90 s (Go's default transport, hyper's client): they should be first to close, or they would
/// send into a connection that we are just closing.
pub const IDLE_TIMEOUT_MS: u64 = 100_000;

/// Time without progress after which an answer that the peer does not read is given up.
pub const WRITE_STALL_TIMEOUT_MS: u64 = 30_000;

/// Bytes of answers that wait to be read, over all connections; requests beyond are answered 503.
/// Room for 1900 answers to get-leaves with 512 leaves, or 116 of the largest there can be.
pub const MAX_UNREAD_BYTES: usize = 256 << 20;

/// Once [`MAX_UNREAD_BYTES`] are held, whoever has had answers to read for longer than this loses
/// its connection. 512 leaves are 135 KB: a link of 13 KB/s carries them in this time.
pub const UNREAD_GRACE_MS: u64 = 10_000;

/// Time that requests have to finish once the server is stopped, as log-go gives them.
pub const DRAIN_MS: u64 = 60_000;

/// HTTP/2 streams at once on one connection. Each may hold a head, so a connection may hold
/// 256 KiB of them; a client that wants more at once opens another connection.
pub const MAX_STREAMS: u32 = 32;

/// Bytes of a head in HTTP/2, where a connection may hold [`MAX_STREAMS`] of them: eight times
/// what ours are.
pub const MAX_STREAM_HEAD_BYTES: u32 = 8 * 1024;

/// Bytes of bodies that an HTTP/2 connection may send before they are read, all streams together:
/// the smallest window that the protocol starts with (RFC 9113 section 6.9.2).
pub const HTTP2_WINDOW_BYTES: u32 = 65_535;

/// What one listener's connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Connections served at once, default [`MAX_CONNECTIONS`].
    pub max_connections: usize,
    /// Bytes of answers that wait to be read, default [`MAX_UNREAD_BYTES`].
    pub max_unread_bytes: usize,
    /// Time to read answers while others need the room, default [`UNREAD_GRACE_MS`].
    pub unread_grace_ms: u64,
    /// Time for a request's head, default [`HEAD_TIMEOUT_MS`].
    pub head_timeout_ms: u64,
    /// Time without any byte between requests, default [`IDLE_TIMEOUT_MS`].
    pub idle_timeout_ms: u64,
    /// Time without progress in writing, default [`WRITE_STALL_TIMEOUT_MS`].
    pub write_stall_timeout_ms: u64,
    /// Time to finish requests after the stop, default [`DRAIN_MS`].
    pub drain_ms: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: MAX_CONNECTIONS,
            max_unread_bytes: MAX_UNREAD_BYTES,
            unread_grace_ms: UNREAD_GRACE_MS,
            head_timeout_ms: HEAD_TIMEOUT_MS,
            idle_timeout_ms: IDLE_TIMEOUT_MS,
            write_stall_timeout_ms: WRITE_STALL_TIMEOUT_MS,
            drain_ms: DRAIN_MS,
        }
    }
}

/// How a server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut because they did not finish within [`Limits::drain_ms`].
    pub unfinished_connections: usize,
}

/// Serves `router` until `shutdown` is triggered and the requests that run by then have finished.
pub async fn serve(
    listener: Listener,
    router: Router,
    shutdown: Shutdown,
    limits: Limits,
) -> Drained {
    let slots = Arc::new(Semaphore::new(limits.max_connections));
    let abort = Shutdown::new();
    let crowd = Arc::new(Crowd::new());
    let grace = Duration::from_millis(limits.unread_grace_ms);
    let setup = Setup {
        http: http_settings(),
        // With the state set, axum builds its routes once instead of at every request.
        router: router.with_state(()),
        unread: Unread::new(limits.max_unread_bytes, grace, Arc::clone(&crowd)),
        shutdown: shutdown.clone(),
        limits,
    };
    let acceptor = Acceptor { setup, crowd, abort: abort.clone() };
    tokio::select! {
        () = shutdown.triggered() => {}
        () = acceptor.accept_all(&listener, &slots) => {}
    }
    drop(listener);

    let all = u32::try_from(limits.max_connections).unwrap_or(u32::MAX);
    let drain = Duration::from_millis(limits.drain_ms);
    if tokio::time::timeout(drain, slots.acquire_many(all)).await.is_ok() {
        return Drained { unfinished_connections: 0 };
    }
    let unfinished_connections = limits.max_connections.saturating_sub(slots.available_permits());
    abort.trigger();
    tracing::warn!(unfinished_connections, drain_ms = limits.drain_ms, "cut connections");
    Drained { unfinished_connections }
}

/// A server that runs as a task of its own.
#[derive(Debug)]
pub struct ServerHandle {
    address: BoundAddress,
    shutdown: Shutdown,
    task: JoinHandle<Drained>,
}

/// Runs [`serve`] as a task. It stops when `shutdown` is triggered or by [`ServerHandle::stop`].
#[must_use]
pub fn spawn(
    listener: Listener,
    router: Router,
    shutdown: &Shutdown,
    limits: Limits,
) -> ServerHandle {
    let shutdown = shutdown.child();
    let address = listener.address().clone();
    let task = tokio::spawn(serve(listener, router, shutdown.clone(), limits));
    ServerHandle { address, shutdown, task }
}

impl ServerHandle {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &BoundAddress {
        &self.address
    }

    /// Stops accepting, and returns when the running requests have finished or were cut.
    pub async fn stop(self) -> Drained {
        self.shutdown.trigger();
        self.wait().await
    }

    /// Returns when the server has been stopped by its shutdown token.
    pub async fn wait(self) -> Drained {
        // The task neither panics nor is aborted, unless the runtime itself is going down; then
        // nobody is left to be served.
        self.task.await.unwrap_or(Drained { unfinished_connections: 0 })
    }
}

/// What the HTTP implementation enforces for us; its other defaults (100 header fields, limits on
/// streams that are reset) are kept.
fn http_settings() -> auto::Builder<TokioExecutor> {
    let mut http = auto::Builder::new(TokioExecutor::new());
    // Times are kept by `deadline`: hyper's own timer is allocated anew for each request, and does
    // not cover the first bytes, by which the HTTP version is told.
    http.http1().max_buf_size(MAX_HEAD_BYTES).header_read_timeout(None);
    http.http2()
        .max_header_list_size(MAX_STREAM_HEAD_BYTES)
        .max_concurrent_streams(MAX_STREAMS)
        .initial_stream_window_size(HTTP2_WINDOW_BYTES)
        .initial_connection_window_size(HTTP2_WINDOW_BYTES);
    http
}

/// Takes connections in.
struct Acceptor {
    setup: Setup,
    crowd: Arc<Crowd>,
    /// Tells connections to drop what they are at.
    abort: Shutdown,
}

/// Pause after an error that will not go away by itself at once: no descriptors, no memory.
const ACCEPT_PAUSE_MS: u64 = 100;
/// How often connections are looked at for one that idles, while one more waits for its slot.
const CROWDED_PAUSE_MS: u64 = 50;

impl Acceptor {
    async fn accept_all(&self, listener: &Listener, slots: &Arc<Semaphore>) {
        loop {
            match listener.accept().await {
                Ok(stream) => match self.slot(slots).await {
                    Some(slot) => self.spawn(stream, listener.tls().cloned(), slot),
                    None => return,
                },
                Err(error) if is_about_one_connection(&error) => {}
                Err(error) => {
                    tracing::warn!(%error, "cannot accept connections");
                    tokio::time::sleep(Duration::from_millis(ACCEPT_PAUSE_MS)).await;
                }
            }
        }
    }

    /// A slot for a connection that waits; `None` never, as the semaphore is not closed.
    async fn slot(&self, slots: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(slots).try_acquire_owned() {
            return Some(slot);
        }
        loop {
            self.crowd.cut_longest_idle();
            let slot = Arc::clone(slots).acquire_owned();
            let pause = Duration::from_millis(CROWDED_PAUSE_MS);
            if let Ok(slot) = tokio::time::timeout(pause, slot).await {
                return slot.ok();
            }
        }
    }

    fn spawn(&self, stream: Stream, tls: Option<Tls>, slot: OwnedSemaphorePermit) {
        let member = Crowd::join(&self.crowd);
        let connection = connection::run(stream, tls, self.setup.clone(), member);
        let abort = self.abort.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = connection => {}
                () = abort.triggered() => {}
            }
            drop(slot);
        });
    }
}

/// Whether accepting failed because the one connection at the head of the queue is gone.
fn is_about_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
