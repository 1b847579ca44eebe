//! Routes: methods that answer 405 as Go's servers do, paths that are not clean, and the prefix
//! under which an operator may put a service.

use std::convert::Infallible;
use std::fmt;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::handler::Handler;
use axum::response::Response;
use axum::routing::MethodRouter;
use bytes::Bytes;
use http::header::{ALLOW, LOCATION};
use http::{HeaderValue, StatusCode, Uri};

use super::answer::{unsniffed, with_body};

/// A route for GET and HEAD; other methods are answered 405.
pub fn get<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    axum::routing::get(handler).fallback(async || method_not_allowed("GET, HEAD"))
}

/// A route for POST; other methods are answered 405.
pub fn post<H, T, S>(handler: H) -> MethodRouter<S, Infallible>
where
    H: Handler<T, S>,
    T: 'static,
    S: Clone + Send + Sync + 'static,
{
    axum::routing::post(handler).fallback(async || method_not_allowed("POST"))
}

fn method_not_allowed(allow: &'static str) -> Response {
    let body = Bytes::from_static(b"Method Not Allowed\n");
    let mut response = unsniffed(with_body(StatusCode::METHOD_NOT_ALLOWED, body));
    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
    response
}

/// The router with an answer for every path it does not know: 301 to the clean form of a path with
/// `//`, `.` or `..` in it, else 404.
pub fn finish<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    router.fallback(unknown_path)
}

async fn unknown_path(request: Request) -> Response {
    match clean_path(request.uri().path()) {
        Some(clean) => moved(&clean, request.uri()),
        None => {
            let body = Bytes::from_static(b"404 page not found\n");
            unsniffed(with_body(StatusCode::NOT_FOUND, body))
        }
    }
}

/// A handler that sends `/get-leaves` to `/get-leaves/`.
pub async fn redirect_to_slash(request: Request) -> Response {
    moved(&format!("{}/", request.uri().path()), request.uri())
}

/// 301 to `path`, with the query of `from`.
fn moved(path: &str, from: &Uri) -> Response {
    let query = from.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    // The path came in as part of a URI, so it holds nothing that a field value may not.
    if let Ok(location) = HeaderValue::try_from(format!("{path}{query}")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

/// The path without empty, `.` and `..` segments, or `None` when it has none. A final slash stays.
/// The result begins with exactly one slash, so it cannot name another host.
fn clean_path(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                kept.pop();
            }
            segment => kept.push(segment),
        }
    }
    let mut clean = format!("/{}", kept.join("/"));
    if path.ends_with('/') && clean != "/" {
        clean.push('/');
    }
    (clean != path).then_some(clean)
}

/// The path under which a service answers: empty, or segments that end with a slash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// Without slashes at its ends.
    segments: String,
}

/// A URL prefix with something in it that a path segment of ours may not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a URL prefix: {0:?} (letters, digits and -._~ between single slashes)")]
pub struct PrefixError(String);

impl Prefix {
    /// Reads `a/b`, `/a/b/` and the like; the empty text is no prefix.
    ///
    /// # Errors
    /// When a segment is empty, `.` or `..`, or holds other than RFC 3986's unreserved characters.
    pub fn parse(text: &str) -> Result<Self, PrefixError> {
        if text.is_empty() || text == "/" {
            return Ok(Self::default());
        }
        let trimmed = text.strip_prefix('/').unwrap_or(text);
        let segments = trimmed.strip_suffix('/').unwrap_or(trimmed);
        let valid = |segment: &str| {
            !matches!(segment, "" | "." | "..")
                && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
        };
        if !segments.split('/').all(valid) {
            return Err(PrefixError(text.to_owned()));
        }
        Ok(Self { segments: segments.to_owned() })
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The full path of `name`: `/add-leaf`, `/a/b/add-leaf`; of the empty name, `/` or `/a/b/`.
    #[must_use]
    pub fn route(&self, name: &str) -> String {
        if self.is_empty() { format!("/{name}") } else { format!("/{}/{name}", self.segments) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.segments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clean_paths_stay() {
        for path in ["/", "/a", "/a/b/", "/a/..b", "/a/.b", "/%2e%2e/a"] {
            assert_eq!(clean_path(path), None, "{path}");
        }
    }

    #[test]
    fn dirty_paths_are_cleaned_and_stay_on_this_host() {
        let cases = [
            ("//a", "/a"),
            ("/a//b/", "/a/b/"),
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/../../a", "/a"),
            ("//evil.example/..", "/"),
            ("/a/..", "/"),
            ("", "/"),
        ];
        for (dirty, clean) in cases {
            assert_eq!(clean_path(dirty).as_deref(), Some(clean), "{dirty}");
        }
    }

    #[test]
    fn prefixes_read_with_and_without_slashes() {
        for text in ["a/b", "/a/b", "a/b/", "/a/b/"] {
            let prefix = Prefix::parse(text).unwrap();
            assert_eq!(prefix.route("add-leaf"), "/a/b/add-leaf");
            assert_eq!(prefix.route(""), "/a/b/");
        }
        for text in ["", "/"] {
            assert_eq!(Prefix::parse(text).unwrap().route("add-leaf"), "/add-leaf");
        }
    }

    #[test]
    fn prefixes_that_would_be_patterns_or_dirty_paths_are_refused() {
        for text in ["a//b", "{a}", "a b", "a/../b", ".", "a%2fb", "å", "//"] {
            assert!(Prefix::parse(text).is_err(), "{text}");
        }
    }
}
