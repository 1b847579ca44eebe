//! A limit on the bytes of answers that wait to be read, over all connections of a server.
//!
//! HTTP/2 lets a peer ask for much and then take nothing, connection after connection. What is
//! handed over counts until its last byte has gone out or its connection has ended.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::crowd::{Activity, AnswerGuard, Crowd};
use crate::http::{text_error, with_retry_after};

/// Shorter answers are not counted. 4096 connections with 32 streams of them are 64 MiB.
const MIN_COUNTED_BYTES: u64 = 512;
/// When to come back to a server that holds too many answers: it makes room at once.
const RETRY_AFTER_S: u64 = 1;

/// The limit, and how it makes room.
#[derive(Debug, Clone)]
pub(super) struct Unread {
    room: Arc<Semaphore>,
    crowd: Arc<Crowd>,
    grace: Duration,
}

/// Bytes of one answer; alive as long as any of them is.
#[derive(Debug)]
struct Held {
    _permit: OwnedSemaphorePermit,
    _answer: AnswerGuard,
}

impl Unread {
    /// Room for `max_bytes`. Once it is used up, whoever has had answers for longer than `grace`
    /// makes room.
    pub(super) fn new(max_bytes: usize, grace: Duration, crowd: Arc<Crowd>) -> Self {
        let room = Arc::new(Semaphore::new(max_bytes.min(Semaphore::MAX_PERMITS)));
        Self { room, crowd, grace }
    }

    /// Counts an answer, or replaces it by 503 where there is no room.
    pub(super) fn count(&self, answer: Response, activity: &Arc<Activity>) -> Response {
        let bytes = answer.body().size_hint().lower();
        if bytes < MIN_COUNTED_BYTES {
            return answer;
        }
        let permit = u32::try_from(bytes)
            .ok()
            .and_then(|bytes| Arc::clone(&self.room).try_acquire_many_owned(bytes).ok());
        let Some(permit) = permit else {
            let has_cut = self.crowd.cut_longest_unread(self.grace);
            tracing::debug!(bytes, has_cut, "too many answers wait to be read");
            let text = "too many answers wait to be read";
            let refusal = text_error(StatusCode::SERVICE_UNAVAILABLE, text);
            return with_retry_after(refusal, RETRY_AFTER_S);
        };
        let held = Arc::new(Held { _permit: permit, _answer: Activity::begin_answer(activity) });
        answer.map(|body| Body::new(HeldBody { body, held }))
    }
}

/// A body whose bytes keep their [`Held`] alive, wherever the HTTP implementation puts them.
struct HeldBody {
    body: Body,
    held: Arc<Held>,
}

/// A piece of such a body.
struct HeldBytes {
    bytes: Bytes,
    _held: Arc<Held>,
}

impl AsRef<[u8]> for HeldBytes {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl HttpBody for HeldBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let hold = |bytes| Bytes::from_owner(HeldBytes { bytes, _held: Arc::clone(&this.held) });
        let frame = Pin::new(&mut this.body).poll_frame(cx);
        frame.map_ok(|frame| frame.map_data(hold))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
