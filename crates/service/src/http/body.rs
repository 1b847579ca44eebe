//! Reading a request's body within limits of size and time.

use std::future::poll_fn;
use std::pin::Pin;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use hyper::body::Body as _;

use super::text_error;

/// Time for a body to come in whole. Bodies are at most tens of KiB, so this allows for links of a
/// few KiB a second.
pub const DEFAULT_BODY_TIMEOUT_MS: u64 = 10_000;

/// What a body may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyLimit {
    /// Most bytes that are accepted.
    pub max_bytes: usize,
    /// Most time until the last byte is there.
    pub timeout_ms: u64,
}

impl BodyLimit {
    /// `max_bytes` within [`DEFAULT_BODY_TIMEOUT_MS`].
    #[must_use]
    pub const fn bytes(max_bytes: usize) -> Self {
        Self { max_bytes, timeout_ms: DEFAULT_BODY_TIMEOUT_MS }
    }
}

/// Why a body was not read. All of these are the client's or the network's.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Longer than allowed. Nothing beyond the limit was kept.
    #[error("request body is longer than {max_bytes} bytes")]
    TooLong {
        /// The limit.
        max_bytes: usize,
    },
    /// Not whole in time.
    #[error("request body did not arrive within {timeout_ms} ms")]
    TooSlow {
        /// The limit.
        timeout_ms: u64,
    },
    /// The connection broke, or its framing is malformed.
    #[error("request body is incomplete or malformed")]
    Broken(#[source] axum::Error),
}

impl BodyError {
    /// 413, 408 or 400. log-go has no limit for bodies; to its clients every status but 200 (and
    /// 202) is a refusal.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow { .. } => StatusCode::REQUEST_TIMEOUT,
            Self::Broken(_) => StatusCode::BAD_REQUEST,
        }
    }
}

impl IntoResponse for BodyError {
    fn into_response(self) -> Response {
        text_error(self.status(), &self.to_string())
    }
}

/// Reads `body` whole, holding at most [`BodyLimit::max_bytes`] and one network buffer.
///
/// # Errors
/// See [`BodyError`]. A body that announces too great a length is refused before it is read.
pub async fn read_body(body: Body, limit: BodyLimit) -> Result<Bytes, BodyError> {
    let max_bytes = limit.max_bytes;
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(BodyError::TooLong { max_bytes });
    }
    let time = Duration::from_millis(limit.timeout_ms);
    match tokio::time::timeout(time, collect(body, max_bytes)).await {
        Ok(result) => result,
        Err(_) => Err(BodyError::TooSlow { timeout_ms: limit.timeout_ms }),
    }
}

async fn collect(mut body: Body, max_bytes: usize) -> Result<Bytes, BodyError> {
    let Some(first) = next_data(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() > max_bytes {
        return Err(BodyError::TooLong { max_bytes });
    }
    // Nearly every body comes in one piece: it is handed on without a copy.
    if body.is_end_stream() {
        return Ok(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(data) = next_data(&mut body).await? {
        if data.len() > max_bytes.saturating_sub(whole.len()) {
            return Err(BodyError::TooLong { max_bytes });
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// The next piece of the body; trailer fields are skipped.
async fn next_data(body: &mut Body) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        match frame.transpose().map_err(BodyError::Broken)? {
            None => return Ok(None),
            Some(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
