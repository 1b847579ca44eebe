//! A stream that gives up on a peer that is silent or too slow.
//!
//! Three rules, checked where the stream would otherwise wait:
//! - a request's head has begun and is not whole: [`Limits::head_timeout_ms`] since its first byte
//!   (HTTP/1 only; in HTTP/2 the bytes between answers need not belong to a request);
//! - no request is being answered: [`Limits::idle_timeout_ms`] since the last byte either way;
//! - an answer waits to be read: [`Limits::write_stall_timeout_ms`] since the last byte that went.
//!
//! While a request is being answered its handler decides how long it waits. One timer per
//! connection serves all three: it is looked at when it runs out, and set again if it ran out too
//! early, so a request costs no timer of its own.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::Limits;
use super::crowd::Activity;

/// A stream with the deadlines of [`Limits`]. A missed one is an [`io::ErrorKind::TimedOut`].
pub(super) struct Timed<S> {
    stream: S,
    activity: Arc<Activity>,
    head_timeout: Duration,
    idle_timeout: Duration,
    write_stall_timeout: Duration,
    protocol: Protocol,
    /// When the first byte of a head came that is not whole yet.
    head_began: Option<Instant>,
    last_byte: Instant,
    /// When a write began to wait.
    stalled_since: Option<Instant>,
    timer: Pin<Box<Sleep>>,
}

/// Which HTTP the peer speaks, as far as its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Unknown { seen: usize },
    Http1,
    Http2,
}

/// What every HTTP/2 connection begins with (RFC 9113 section 3.4).
const HTTP2_PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Protocol {
    /// The same, after `bytes` more.
    fn after(self, bytes: &[u8]) -> Self {
        let Self::Unknown { seen } = self else { return self };
        let expected = HTTP2_PREFACE.get(seen..).unwrap_or_default();
        let common = expected.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        if common == expected.len() {
            Self::Http2
        } else if common == bytes.len() {
            Self::Unknown { seen: seen.saturating_add(common) }
        } else {
            Self::Http1
        }
    }
}

impl<S> Timed<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>, limits: Limits) -> Self {
        let now = Instant::now();
        let head_timeout = Duration::from_millis(limits.head_timeout_ms);
        Self {
            stream,
            activity,
            head_timeout,
            idle_timeout: Duration::from_millis(limits.idle_timeout_ms),
            write_stall_timeout: Duration::from_millis(limits.write_stall_timeout_ms),
            protocol: Protocol::Unknown { seen: 0 },
            // A client that connects is about to ask: the first head is timed from here.
            head_began: Some(now),
            last_byte: now,
            stalled_since: None,
            timer: Box::pin(tokio::time::sleep_until(now + head_timeout)),
        }
    }

    fn has_read(&mut self, bytes: &[u8]) {
        let now = Instant::now();
        self.last_byte = now;
        self.activity.has_moved(now);
        self.protocol = self.protocol.after(bytes);
        if self.protocol == Protocol::Http2 {
            self.head_began = None;
        } else if self.activity.is_idle() {
            self.head_began.get_or_insert(now);
        }
    }

    /// An answer goes out, so the head of its request was whole.
    fn has_written(&mut self) {
        self.last_byte = Instant::now();
        self.activity.has_moved(self.last_byte);
        self.head_began = None;
        self.stalled_since = None;
    }

    /// The deadline that applies at this moment, if any does.
    fn deadline(&mut self) -> Option<Instant> {
        if let Some(since) = self.stalled_since {
            return Some(since + self.write_stall_timeout);
        }
        if !self.activity.is_idle() {
            self.head_began = None;
            return None;
        }
        Some(match self.head_began {
            Some(since) => since + self.head_timeout,
            None => self.last_byte + self.idle_timeout,
        })
    }

    /// Ready when the peer has been waited for long enough; else the task is woken to look again.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        loop {
            let deadline = self.deadline();
            // Brought forward at once, put back only when it has run out: so a request that comes
            // whole does not touch the runtime's timers.
            if let Some(deadline) = deadline.filter(|it| *it < self.timer.deadline()) {
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(cx));
            let now = Instant::now();
            match deadline {
                Some(deadline) if deadline <= now => return Poll::Ready(too_slow()),
                Some(deadline) => self.timer.as_mut().reset(deadline),
                None => self.timer.as_mut().reset(now + self.idle_timeout),
            }
        }
    }
}

fn too_slow() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the peer was silent or too slow")
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buf.filled().len();
        match Pin::new(&mut this.stream).poll_read(cx, buf) {
            Poll::Ready(Ok(())) => {
                if let Some(bytes) = buf.filled().get(before..).filter(|bytes| !bytes.is_empty()) {
                    this.has_read(bytes);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => this.poll_deadline(cx).map(Err),
        }
    }
}

impl<S: AsyncWrite + Unpin> Timed<S> {
    /// Keeps the books for one attempt to write.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        result: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        match result {
            Poll::Ready(Ok(count)) => {
                self.has_written();
                // The peer may send nothing from here on, so that nothing is read and no deadline
                // looked at: the idle one must be set already. Mostly it is, from earlier requests.
                if self.timer.deadline() > self.last_byte + self.idle_timeout {
                    let _sets_the_timer = self.poll_deadline(cx);
                }
                Poll::Ready(Ok(count))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => {
                self.stalled_since.get_or_insert_with(Instant::now);
                self.poll_deadline(cx).map(Err)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, result)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let result = Pin::new(&mut this.stream).poll_write_vectored(cx, bufs);
        this.wrote(cx, result)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}
