//! The page that tells everybody what this server is, how it does, and what one may do here.
//!
//! It says nothing that a client cannot learn anyway, and no addresses: who wants to know more has
//! the internal endpoint.

use super::external::External;
use super::html::{Mark, Page};
use super::status::show_section;
use crate::publisher::Stage;
use crate::status::{Overview, ago, amount};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use http::header::LOCATION;
use http::{HeaderValue, StatusCode};
use sigsum_service::http::{Prefix, get};
use std::sync::Arc;

/// Caches in front of the log may keep the page for so long.
const CACHING: &str = "public, max-age=5";

/// Adds the page under the prefix, and a way to it from `/`.
pub(super) fn routes(router: Router<Arc<External>>, prefix: &Prefix) -> Router<Arc<External>> {
    let router = router.route(&prefix.route(""), get(show));
    if prefix.is_empty() { router } else { router.route("/", get(to_prefix)) }
}

async fn show(State(external): State<Arc<External>>) -> Response {
    render(&external.board.public_overview(), &external.prefix).finish(CACHING)
}

async fn to_prefix(State(external): State<Arc<External>>) -> Response {
    let mut response = axum::response::IntoResponse::into_response(StatusCode::MOVED_PERMANENTLY);
    // A prefix holds unreserved characters only, so that this cannot fail.
    if let Ok(location) = HeaderValue::try_from(external.prefix.route("")) {
        response.headers_mut().insert(LOCATION, location);
    }
    response
}

fn render(overview: &Overview, prefix: &Prefix) -> Page {
    let mut page = Page::new("Sigsum log server", None);
    // These three lines are log-go's, word for word: scripts look for them.
    page.list(&[
        format!("Log key hash: {}", overview.key_hash),
        format!("URL prefix: \"{prefix}\""),
        format!("Software version: {}", overview.software_version),
    ]);
    match overview.stage {
        Stage::Open => {}
        Stage::Closing | Stage::Closed => page.verdict(
            Mark::Unknown,
            "This log is closed for good. It takes no new leaf; what it has can be read.",
        ),
    }
    page.heading("Tree");
    page.rows(&tree(overview));
    page.heading("Witnesses");
    page.rows(&witnesses(overview));
    page.heading("Limits");
    page.rows(&[(
        "get-leaves",
        format!("at most {} leaves in one answer", amount(overview.max_range)),
    )]);
    for section in overview.sections.iter().filter(|section| section.is_public) {
        show_section(&mut page, section);
    }
    let base = prefix.route("");
    page.links(&[
        (&format!("{base}get-tree-head"), "Tree head"),
        (&format!("{base}checkpoint"), "checkpoint"),
        ("https://www.sigsum.org/", "What is Sigsum?"),
    ]);
    page
}

fn tree(overview: &Overview) -> Vec<(&'static str, String)> {
    let Some(head) = &overview.head else {
        return vec![("Tree head", "none is published yet".to_owned())];
    };
    let mut rows = vec![("Size", format!("{} leaves", amount(head.size)))];
    if let Some(newest_s) = head.newest_cosignature_s {
        rows.push(("Cosigned", ago(overview.now_s, newest_s)));
    }
    rows
}

fn witnesses(overview: &Overview) -> Vec<(String, String)> {
    let quorum = match (overview.quorum.is_needed, &overview.head) {
        (false, _) => "none is asked for",
        (true, Some(head)) if head.quorum => "the tree head has it",
        (true, _) => "missing",
    };
    let mut rows = vec![("Quorum".to_owned(), quorum.to_owned())];
    rows.extend(overview.witnesses.iter().map(|witness| {
        let cosigned = witness.cosigned_served_s.map(|time_s| ago(overview.now_s, time_s));
        let cosigned =
            cosigned.map_or("not this tree head".to_owned(), |ago| format!("cosigned {ago}"));
        (witness.name.clone(), cosigned)
    }));
    rows
}
