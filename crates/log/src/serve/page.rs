//! The page that tells a person what this server is.

use super::external::External;
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use sigsum_service::http::{Prefix, get, text, with_content_type};
use std::sync::Arc;

/// Adds the page under the prefix, and a way to it from `/`.
pub(super) fn routes(router: Router<Arc<External>>, prefix: &Prefix) -> Router<Arc<External>> {
    let router = router.route(&prefix.route(""), get(show));
    if prefix.is_empty() { router } else { router.route("/", get(to_prefix)) }
}

async fn show(State(external): State<Arc<External>>) -> Response {
    let page = render(&external.key_hash.to_hex(), &external.prefix, &external.version);
    with_content_type(text(page), "text/html; charset=utf-8")
}

async fn to_prefix(State(external): State<Arc<External>>) -> Response {
    let mut response = axum::response::IntoResponse::into_response(StatusCode::MOVED_PERMANENTLY);
    // A prefix holds unreserved characters only, so that this cannot fail.
    if let Ok(location) = HeaderValue::try_from(external.prefix.route("")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn render(key_hash: &str, prefix: &Prefix, version: &str) -> String {
    let version = escape(version);
    let base = prefix.route("");
    format!(
        "<!doctype html>\n\
         <html lang=\"en\">\n\
         <head><meta charset=\"utf-8\"><title>Sigsum log server</title></head>\n\
         <body>\n\
         <h1>Sigsum log server</h1>\n\
         <ul>\n\
         <li>Log key hash: {key_hash}</li>\n\
         <li>URL prefix: \"{prefix}\"</li>\n\
         <li>Software version: {version}</li>\n\
         </ul>\n\
         <p><a href=\"{base}get-tree-head\">Tree head</a>, \
         <a href=\"{base}checkpoint\">checkpoint</a>. \
         <a href=\"https://www.sigsum.org/\">What is Sigsum?</a></p>\n\
         </body>\n\
         </html>\n"
    )
}

/// Text for HTML; the version comes from whoever built the program.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
