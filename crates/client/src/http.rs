//! The HTTP client under the adapters: proxies, redirects, time limits.

mod base_url;
mod exchange;

pub use base_url::{BaseUrl, BaseUrlError};
pub(crate) use exchange::{Answer, Endpoint};
pub use exchange::{MAX_ERROR_BODY_BYTES, WAITED_HEADER};

use std::sync::{Arc, OnceLock};
use std::time::Duration;
use url::Url;

/// Redirects that are followed for one request, as many as Go's client does.
pub const MAX_REDIRECTS: usize = 10;

/// How requests are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpSettings {
    /// Value of the `User-Agent` header.
    pub user_agent: String,
    /// Upper bound on one request with its answer.
    pub request_timeout: Duration,
    /// Upper bound on setting up one connection; part of the above.
    pub connect_timeout: Duration,
}

impl HttpSettings {
    /// The settings of one of our programs, such as `submit`: its name and our version as user
    /// agent, 30 seconds a request as the Go tools have, 10 seconds a connection.
    pub fn new(program: &str) -> Self {
        Self {
            user_agent: format!("sigsum/{} {program}", env!("CARGO_PKG_VERSION")),
            request_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
        }
    }
}

/// The HTTP client cannot be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot set up the HTTP client: {0}")]
pub struct HttpSetupError(String);

/// A pool of connections to any number of servers. Clones share it; a process needs one.
///
/// As with Go's client, the proxy variables (`HTTPS_PROXY`, `NO_PROXY` and so on) count, but never
/// for `localhost` and loopback addresses.
#[derive(Debug, Clone)]
pub struct HttpClient {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    settings: HttpSettings,
    /// For loopback addresses.
    direct: OnceLock<Result<reqwest::Client, HttpSetupError>>,
    /// For everything else.
    proxied: OnceLock<Result<reqwest::Client, HttpSetupError>>,
}

impl HttpClient {
    /// Takes the settings; what they make possible shows when a server is first named.
    pub fn new(settings: HttpSettings) -> Self {
        let (direct, proxied) = (OnceLock::new(), OnceLock::new());
        Self { inner: Arc::new(Inner { settings, direct, proxied }) }
    }

    /// The client for one server.
    pub(crate) fn endpoint(&self, base: &BaseUrl) -> Result<Endpoint, HttpSetupError> {
        let settings = &self.inner.settings;
        let client = if base.is_loopback() {
            self.inner.direct.get_or_init(|| build(settings, base, Proxies::Ignored))
        } else {
            self.inner.proxied.get_or_init(|| build(settings, base, Proxies::OfEnvironment))
        };
        Ok(Endpoint::new(client.clone()?, base.clone(), settings.request_timeout))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Proxies {
    Ignored,
    OfEnvironment,
}

fn build(
    settings: &HttpSettings,
    base: &BaseUrl,
    proxies: Proxies,
) -> Result<reqwest::Client, HttpSetupError> {
    let builder = || {
        let builder = reqwest::Client::builder()
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.connect_timeout)
            .tcp_nodelay(true)
            .redirect(redirect_policy());
        if proxies == Proxies::Ignored { builder.no_proxy() } else { builder }
    };
    match builder().build() {
        Ok(client) => Ok(client),
        // A machine without root certificates can still speak plain HTTP.
        Err(error) if base.is_plain() => builder()
            .tls_certs_only([])
            .build()
            .map_err(|_| HttpSetupError(exchange::innermost(&error))),
        Err(error) => Err(HttpSetupError(exchange::innermost(&error))),
    }
}

/// Follows redirects for as long as [`check_redirect`] lets it.
fn redirect_policy() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        match check_redirect(attempt.previous(), attempt.url()) {
            Ok(()) => attempt.follow(),
            Err(problem) => attempt.error(problem),
        }
    })
}

/// Refuses long chains of redirects, and those from TLS to plain HTTP: the submit token is of use
/// to anyone who sees it.
fn check_redirect(previous: &[Url], next: &Url) -> Result<(), &'static str> {
    let was_secure = previous.last().is_some_and(|url| url.scheme() == "https");
    if was_secure && next.scheme() != "https" {
        Err("redirect from https to http")
    } else if previous.len() > MAX_REDIRECTS {
        Err("too many redirects")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_lead_never_from_tls_to_plain_http() {
        let check =
            |from: &str, to: &str| check_redirect(&[from.parse().unwrap()], &to.parse().unwrap());
        assert_eq!(check("https://a", "https://b"), Ok(()));
        assert_eq!(check("http://a", "https://b"), Ok(()));
        assert_eq!(check("http://a", "http://b"), Ok(()));
        assert_eq!(check("https://a", "http://a"), Err("redirect from https to http"));
    }
}
