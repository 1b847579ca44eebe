//! The HTTP client that talks to a certificate authority: within limits, and telling when the
//! authority wants to be asked again.

use std::error::Error as StdError;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt as _;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};

use super::AcmeError;
use super::config::AcmeConfig;
use crate::tls::{self, TlsError};

/// Longest time of one request with its answer: ten times what Let's Encrypt takes when it is busy.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// Bytes of an answer: that of a chain of ten certificates, as in [`tls::MAX_PEM_BYTES`]; all others
/// are smaller.
const MAX_ANSWER_BYTES: u64 = tls::MAX_PEM_BYTES;

/// What authorities know us by (RFC 8555 section 6.1).
const AGENT: &str = concat!("sigsum/", env!("CARGO_PKG_VERSION"), " acme");

/// Where problems are told (RFC 7807).
const PROBLEM: &str = "application/problem+json";

/// Asks one authority. Clones share connections and what was heard last.
#[derive(Clone, Debug)]
pub(super) struct CaClient {
    http: reqwest::Client,
    /// The last answer's `Retry-After`.
    retry_after: Arc<Mutex<Option<HeaderValue>>>,
}

impl CaClient {
    /// For the configured authority and nobody else's roots. Redirects are not followed: what is
    /// signed names the URL that it is for.
    pub(super) fn new(config: &AcmeConfig) -> Result<Self, AcmeError> {
        let mut http = reqwest::Client::builder()
            .https_only(true)
            .redirect(reqwest::redirect::Policy::none())
            .timeout(REQUEST_LIMIT)
            .tcp_nodelay(true);
        if let Some(path) = &config.ca_file {
            let wrong = |what| AcmeError::Roots { path: path.clone(), what };
            let pem = tls::read(path).map_err(|error| match error {
                TlsError::File { source, .. } => wrong(source.to_string()),
                other => wrong(other.to_string()),
            })?;
            let roots = reqwest::Certificate::from_pem_bundle(&pem);
            let roots = roots.map_err(|error| wrong(innermost(&error)))?;
            if roots.is_empty() {
                return Err(wrong("no certificate".to_owned()));
            }
            http = http.tls_certs_only(roots);
        }
        if is_loopback(&config.directory_url) {
            http = http.no_proxy();
        }
        let refused = |error: reqwest::Error| AcmeError::Client {
            url: config.directory_url.clone(),
            what: innermost(&error),
        };
        Ok(Self { http: http.build().map_err(refused)?, retry_after: Arc::default() })
    }

    /// Seconds until the authority wants to be asked again, as it said in its last answer; an HTTP
    /// date is compared with `now_s`.
    pub(super) fn retry_after_s(&self, now_s: u64) -> Option<u64> {
        let value = self.last().clone()?;
        let text = value.to_str().ok()?.trim();
        text.parse().ok().or_else(|| {
            let at = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
            Some(at.as_secs().saturating_sub(now_s))
        })
    }

    fn last(&self) -> std::sync::MutexGuard<'_, Option<HeaderValue>> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        *self.last() = None;
        let (mut parts, body) = request.into_parts();
        let body = body.collect().await.unwrap_or_else(|never| match never {}).to_bytes();
        parts.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        let request = reqwest::Request::try_from(Request::from_parts(parts, body));
        let mut answer = self.http.execute(request.map_err(failed)?).await.map_err(failed)?;
        *self.last() = answer.headers().get(RETRY_AFTER).cloned();
        let body = read(&mut answer).await?;
        let status = answer.status();
        if !status.is_success() && !is_problem(answer.headers()) {
            // What stands in front of the authority refuses, and will do so again.
            if status.is_client_error() {
                return Err(Error::Str("an HTTP status from 400 to 499 without a reason"));
            }
            return Err(Error::Other(format!("HTTP status {status}").into()));
        }
        let mut response = http::Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = std::mem::take(answer.headers_mut());
        // The library adds it to the time without looking whether it can.
        response.headers_mut().remove(RETRY_AFTER);
        let (parts, ()) = response.into_parts();
        Ok(BytesResponse { parts, body: Box::new(body) })
    }
}

impl HttpClient for CaClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().ask(request))
    }
}

/// The whole body, if it is of a size that an answer has.
async fn read(answer: &mut reqwest::Response) -> Result<Bytes, Error> {
    let mut body = Vec::new();
    while let Some(piece) = answer.chunk().await.map_err(failed)? {
        let length = body.len().saturating_add(piece.len());
        if u64::try_from(length).map_or(true, |length| length > MAX_ANSWER_BYTES) {
            let what = format!("an answer of more than {MAX_ANSWER_BYTES} bytes");
            return Err(Error::Other(what.into()));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body.into())
}

fn is_problem(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    kind.is_some_and(|kind| kind.split(';').next() == Some(PROBLEM))
}

/// Whether the URL leads to this machine, for which no proxy is asked.
fn is_loopback(url: &str) -> bool {
    let url = reqwest::Url::parse(url).ok();
    let host = url.as_ref().and_then(|url| url.host_str()).unwrap_or_default();
    let address = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

fn failed(error: reqwest::Error) -> Error {
    Error::Other(match error.is_timeout() {
        true => format!("no answer within {} seconds", REQUEST_LIMIT.as_secs()).into(),
        false => innermost(&error).into(),
    })
}

/// The reason behind the reasons: what stands before it only says that a request failed.
fn innermost(error: &dyn StdError) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

#[cfg(test)]
#[path = "ca_tests.rs"]
mod tests;
