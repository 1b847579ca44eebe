//! The HTTP client under the adapters: proxies, redirects, time limits.

mod base_url;
mod exchange;

pub use base_url::{BaseUrl, BaseUrlError};
pub use exchange::MAX_ERROR_BODY_BYTES;
pub(crate) use exchange::{Answer, Endpoint};

use std::sync::{Arc, OnceLock};
use std::time::Duration;

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

/// Follows redirects, but not from TLS to plain HTTP: the submit token is of use to anyone who sees
/// it.
fn redirect_policy() -> reqwest::redirect::Policy {
    reqwest::redirect::Policy::custom(|attempt| {
        let was_secure = attempt.previous().last().is_some_and(|url| url.scheme() == "https");
        if was_secure && attempt.url().scheme() != "https" {
            attempt.error("redirect from https to http")
        } else if attempt.previous().len() > MAX_REDIRECTS {
            attempt.error("too many redirects")
        } else {
            attempt.follow()
        }
    })
}
