//! Base URLs of logs and witnesses, to which endpoint names are added.

use std::fmt;
use url::{Host, Url};

/// Why a text is no base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URL.
    #[error("invalid URL: {0}")]
    Syntax(#[from] url::ParseError),
    /// Another scheme than `http` or `https`.
    #[error("invalid URL: the scheme is {0:?}, expected \"http\" or \"https\"")]
    Scheme(String),
    /// A query or a fragment, to which no path can be added.
    #[error("invalid URL: a query or fragment has no place here")]
    QueryOrFragment,
}

/// A URL such as `https://log.example.org/prefix`, with or without a slash at its end; the path of
/// an endpoint is added with exactly one slash. `Display` and `Debug` leave credentials out.
#[derive(Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BaseUrlError`].
    pub fn parse(text: &str) -> Result<Self, BaseUrlError> {
        let mut url = Url::parse(text)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BaseUrlError::Scheme(url.scheme().to_owned()));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(BaseUrlError::QueryOrFragment);
        }
        let path = format!("{}/", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The URL of an endpoint, such as `get-leaves/0/512`.
    pub(crate) fn with_path(&self, path: &str) -> Url {
        let mut url = self.0.clone();
        url.set_path(&format!("{}{path}", self.0.path()));
        url
    }

    /// Whether the host is `localhost` or a loopback address.
    pub(crate) fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether this is HTTP without TLS.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }
}

/// A URL for messages: without credentials.
pub(crate) fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // These fail only for URLs without a host, which have no credentials either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(without_credentials(&self.0).as_str().trim_end_matches('/'))
    }
}

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BaseUrl({self})")
    }
}

impl std::str::FromStr for BaseUrl {
    type Err = BaseUrlError;
    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(base: &str) -> String {
        BaseUrl::parse(base).unwrap().with_path("get-leaves/0/1").to_string()
    }

    /// log-go#129: a base URL with a slash at its end gave `//` in requests.
    #[test]
    fn endpoints_follow_exactly_one_slash() {
        for base in ["http://h", "http://h/", "http://h//"] {
            assert_eq!(joined(base), "http://h/get-leaves/0/1", "{base}");
        }
        for base in ["https://h:8443/a/b", "https://h:8443/a/b/"] {
            assert_eq!(joined(base), "https://h:8443/a/b/get-leaves/0/1", "{base}");
        }
        assert_eq!(joined("http://[::1]:80/x"), "http://[::1]/x/get-leaves/0/1");
    }

    #[test]
    fn refuses_what_is_no_base_url() {
        use BaseUrlError as E;
        assert!(matches!(BaseUrl::parse("log.example.org"), Err(E::Syntax(_))));
        assert!(matches!(BaseUrl::parse(""), Err(E::Syntax(_))));
        assert!(matches!(BaseUrl::parse("http://"), Err(E::Syntax(_))));
        assert!(matches!(BaseUrl::parse("ftp://h"), Err(E::Scheme(_))));
        assert!(matches!(BaseUrl::parse("localhost:6965"), Err(E::Scheme(_))));
        assert_eq!(BaseUrl::parse("http://h/?q"), Err(E::QueryOrFragment));
        assert_eq!(BaseUrl::parse("http://h/#f"), Err(E::QueryOrFragment));
    }

    #[test]
    fn messages_leave_credentials_out() {
        let base = BaseUrl::parse("https://user:pass@h/x/").unwrap();
        assert_eq!(base.to_string(), "https://h/x");
        assert_eq!(format!("{base:?}"), "BaseUrl(https://h/x)");
    }

    #[test]
    fn loopback_is_recognised() {
        for base in ["http://localhost:1", "http://127.9.9.9", "http://[::1]", "http://LOCALHOST"] {
            assert!(BaseUrl::parse(base).unwrap().is_loopback(), "{base}");
        }
        for base in ["http://localhost.example", "http://128.0.0.1", "http://[::2]"] {
            assert!(!BaseUrl::parse(base).unwrap().is_loopback(), "{base}");
        }
    }
}
