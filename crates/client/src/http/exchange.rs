//! One request and its answer, within limits.

use super::BaseUrl;
use super::base_url::without_credentials;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};
use sigsum_api::ApiError;
use std::error::Error as _;
use std::time::Duration;
use url::Url;

/// How much of an answer that says failure is read: enough for any message of a log, and for the
/// start of the page of some proxy. The rest is dropped with the connection.
pub const MAX_ERROR_BODY_BYTES: usize = 4096;
/// How much of it messages repeat.
const MAX_SHOWN_CHARS: usize = 200;

/// Header of an answer that would have been kept back, as far as the request allowed, had there been
/// nothing new: the asker may come again at once. Between the nodes of a log.
pub const WAITED_HEADER: &str = "sigsum-waits";

/// An answer, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Seconds, from the `Retry-After` header.
    pub(crate) retry_after_s: Option<u64>,
    /// Whether it has [`WAITED_HEADER`].
    pub(crate) waits: bool,
    /// The whole body of a success; the first [`MAX_ERROR_BODY_BYTES`] of anything else.
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as one line for a message: without the `(CODE) ` that logs put in front, escaped
    /// and shortened.
    pub(crate) fn detail(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        let text = text.trim();
        let code = format!("({}) ", self.status);
        let text = text.strip_prefix(code.as_str()).unwrap_or(text);
        let mut shown: String = text.chars().take(MAX_SHOWN_CHARS).collect();
        if shown.len() < text.len() {
            shown.push_str("...");
        }
        shown.chars().flat_map(printable).collect()
    }

    /// The error for a success whose body breaks the protocol.
    pub(crate) fn malformed(&self, problem: &dyn std::fmt::Display) -> ApiError {
        ApiError::Peer { status: self.status, detail: format!("malformed body: {problem}") }
    }
}

/// A character of a message, escaped where a terminal would act on it.
fn printable(c: char) -> impl Iterator<Item = char> {
    let escaped = matches!(c, '"' | '\'' | '\\').then_some(c);
    let other = escaped.is_none().then(|| c.escape_debug());
    escaped.into_iter().chain(other.into_iter().flatten())
}

/// One server.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    client: reqwest::Client,
    base: BaseUrl,
    timeout: Duration,
}

impl Endpoint {
    pub(super) fn new(client: reqwest::Client, base: BaseUrl, timeout: Duration) -> Self {
        Self { client, base, timeout }
    }

    pub(crate) fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Gets a path; a body of up to `max_bytes` is read.
    pub(crate) async fn get(&self, path: &str, max_bytes: usize) -> Result<Answer, ApiError> {
        let url = self.base.with_path(path);
        self.run("GET", &url, self.client.get(url.clone()), max_bytes).await
    }

    /// As [`Self::get`], with a query.
    pub(crate) async fn get_with(
        &self,
        path: &str,
        query: &str,
        max_bytes: usize,
    ) -> Result<Answer, ApiError> {
        let mut url = self.base.with_path(path);
        url.set_query(Some(query));
        self.run("GET", &url, self.client.get(url.clone()), max_bytes).await
    }

    /// Posts a body to a path; an answer of up to `max_bytes` is read.
    pub(crate) async fn post(
        &self,
        path: &str,
        body: Vec<u8>,
        header: Option<(HeaderName, String)>,
        max_bytes: usize,
    ) -> Result<Answer, ApiError> {
        let url = self.base.with_path(path);
        let mut request = self.client.post(url.clone()).body(body);
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        self.run("POST", &url, request, max_bytes).await
    }

    async fn run(
        &self,
        method: &str,
        url: &Url,
        request: reqwest::RequestBuilder,
        max_bytes: usize,
    ) -> Result<Answer, ApiError> {
        let failed = |problem: &dyn std::fmt::Display| {
            ApiError::Transport(format!("{method} {}: {problem}", without_credentials(url)))
        };
        match tokio::time::timeout(self.timeout, exchange(request, max_bytes)).await {
            Err(_) => {
                Err(failed(&format_args!("no answer within {} s", self.timeout.as_secs_f64())))
            }
            Ok(Err(Failure::Transport(error))) => Err(failed(&innermost(&error))),
            Ok(Err(Failure::TooLong { status })) => Err(ApiError::Peer {
                status,
                detail: format!("body is longer than {max_bytes} bytes"),
            }),
            Ok(Ok(answer)) => Ok(answer),
        }
    }
}

enum Failure {
    Transport(reqwest::Error),
    TooLong { status: u16 },
}

async fn exchange(request: reqwest::RequestBuilder, max_bytes: usize) -> Result<Answer, Failure> {
    let mut response = request.send().await.map_err(Failure::Transport)?;
    let status = response.status();
    let retry_after_s = retry_after_s(response.headers());
    let waits = response.headers().contains_key(WAITED_HEADER);
    let max_bytes = if status.is_success() { max_bytes } else { MAX_ERROR_BODY_BYTES };
    let too_long = Failure::TooLong { status: status.as_u16() };
    let announced = response.content_length().and_then(|bytes| usize::try_from(bytes).ok());
    if status.is_success() && announced.is_some_and(|bytes| bytes > max_bytes) {
        return Err(too_long);
    }
    let mut body = BytesMut::with_capacity(announced.unwrap_or(0).min(max_bytes));
    while let Some(chunk) = response.chunk().await.map_err(Failure::Transport)? {
        let room = max_bytes.saturating_sub(body.len());
        match chunk.get(..room) {
            Some(part) if part.len() < chunk.len() => {
                if status.is_success() {
                    return Err(too_long);
                }
                body.extend_from_slice(part);
                break;
            }
            _ => body.extend_from_slice(&chunk),
        }
    }
    Ok(Answer { status: status.as_u16(), retry_after_s, waits, body: body.freeze() })
}

/// `Retry-After` in seconds; a date counts from the answer's own `Date` (RFC 9110 section 10.2.3).
fn retry_after_s(headers: &HeaderMap) -> Option<u64> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(u64::from(seconds));
    }
    let then = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(then.duration_since(now).unwrap_or_default().as_secs())
}

/// The cause at the end of the chain, which is what the operating system or peer said.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = error.to_string();
        source = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(pairs: &[(HeaderName, &str)]) -> Option<u64> {
        let headers = pairs.iter().map(|(n, v)| (n.clone(), v.parse().unwrap())).collect();
        retry_after_s(&headers)
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        assert_eq!(seconds(&[]), None);
        assert_eq!(seconds(&[(RETRY_AFTER, "0")]), Some(0));
        assert_eq!(seconds(&[(RETRY_AFTER, " 120 ")]), Some(120));
        let date = (DATE, "Sun, 06 Nov 1994 08:49:37 GMT");
        let then = (RETRY_AFTER, "Sun, 06 Nov 1994 08:50:00 GMT");
        assert_eq!(seconds(&[then.clone(), date.clone()]), Some(23));
        assert_eq!(seconds(&[then]), None, "no date to count from");
        assert_eq!(seconds(&[(RETRY_AFTER, "Sun, 06 Nov 1994 08:00:00 GMT"), date]), Some(0));
        for invalid in ["-1", "1.5", "soon", "99999999999", ""] {
            assert_eq!(seconds(&[(RETRY_AFTER, invalid)]), None, "{invalid}");
        }
    }

    fn detail(body: &str) -> String {
        let body = Bytes::copy_from_slice(body.as_bytes());
        Answer { status: 400, retry_after_s: None, waits: false, body }.detail()
    }

    #[test]
    fn details_are_one_short_printable_line() {
        assert_eq!(detail("(400) invalid \"x\", it's\n"), "invalid \"x\", it's");
        assert_eq!(detail("(403) other code\n"), "(403) other code");
        assert_eq!(detail("a\nb\u{1b}[1m"), "a\\nb\\u{1b}[1m");
        assert_eq!(detail(&"x".repeat(300)), "x".repeat(200) + "...");
        assert_eq!(detail(""), "");
    }
}
