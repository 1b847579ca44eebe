//! Answers: plain texts and errors.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, StatusCode};

/// The content type of everything that is not tiles.
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// 200 with a plain text.
#[must_use]
pub fn text(body: impl Into<Bytes>) -> Response {
    with_body(StatusCode::OK, body.into())
}

/// 200 with a plain text that is part of the program.
#[must_use]
pub fn text_static(body: &'static str) -> Response {
    text(Bytes::from_static(body.as_bytes()))
}

/// 200 without a body and without a content type, as add-leaf answers.
#[must_use]
pub fn empty() -> Response {
    Response::new(Body::empty())
}

/// An error (or 202) with the text `(CODE) message\n`. `message` is for the client: what went wrong
/// inside belongs in the operator's log.
#[must_use]
pub fn text_error(status: StatusCode, message: &str) -> Response {
    let body = format!("({}) {message}\n", status.as_str());
    unsniffed(with_body(status, body.into()))
}

/// 500 `Internal Server Error\n`: no code in front, and not a word about the reason.
#[must_use]
pub fn internal_error() -> Response {
    let body = Bytes::from_static(b"Internal Server Error\n");
    unsniffed(with_body(StatusCode::INTERNAL_SERVER_ERROR, body))
}

/// The same answer with `Retry-After` (RFC 9110 section 10.2.3).
#[must_use]
pub fn with_retry_after(mut response: Response, seconds: u64) -> Response {
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    response
}

/// The same answer with another content type.
#[must_use]
pub fn with_content_type(mut response: Response, content_type: &'static str) -> Response {
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// `status` with a plain text.
pub(super) fn with_body(status: StatusCode, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, TEXT);
    response
}

/// Errors quote what the client sent: no browser may take them for a page.
pub(super) fn unsniffed(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    response
}
