//! The status of the log on the internal endpoint, for people and for programs.

use super::html::{Mark, Page};
use crate::publisher::Stage;
use crate::status::{Board, Overview, Section, Witness, ago, amount, bytes_text, duration};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use sigsum_service::http::{get, internal_error, text, with_content_type};
use std::sync::Arc;

/// A browser that stays on the page loads it again after so long.
const REFRESH_S: u32 = 15;

/// GET `/status` and `/status.json`.
pub(crate) fn routes(board: Arc<Board>) -> Router {
    Router::new()
        .route("/status", get(show))
        .route("/status.json", get(show_json))
        .with_state(board)
}

async fn show_json(State(board): State<Arc<Board>>) -> Response {
    json(&board.overview())
}

/// A status for programs.
pub(crate) fn json(status: &impl Serialize) -> Response {
    match serde_json::to_vec_pretty(status) {
        Ok(mut json) => {
            json.push(b'\n');
            with_content_type(text(json), "application/json")
        }
        Err(error) => {
            tracing::error!(%error, "the status cannot be written as JSON");
            internal_error()
        }
    }
}

async fn show(State(board): State<Arc<Board>>) -> Response {
    render(&board.overview()).finish("no-store")
}

fn render(overview: &Overview) -> Page {
    let mut page = Page::new("Status of the log", Some(REFRESH_S));
    match overview.stage {
        Stage::Open => {}
        Stage::Closing => page.verdict(
            Mark::Unknown,
            "The log is being closed: it takes no leaf, and its last head waits for the quorum.",
        ),
        Stage::Closed => page.verdict(Mark::Good, "The log is closed: it is read only, for good."),
    }
    match overview.waiting.is_empty() {
        true => page.verdict(Mark::Good, "The log does all that it is for."),
        false => {
            for waiting in &overview.waiting {
                page.verdict(Mark::Bad, &format!("{}: {}", waiting.part, waiting.reason));
            }
        }
    }
    let is_asking = overview.stage != Stage::Closed;
    let silent =
        overview.witnesses.iter().filter(|w| is_asking && matches!(w.state, "failing" | "ahead"));
    match silent.count() {
        0 => {}
        1 => page.verdict(Mark::Unknown, "One witness does not cosign; see below."),
        count => {
            page.verdict(Mark::Unknown, &format!("{count} witnesses do not cosign; see below."))
        }
    }
    page.rows(&identity(overview));
    page.heading("Tree");
    page.rows(&tree(overview));
    page.heading("Key");
    signer(&mut page, overview);
    page.heading("Quorum");
    page.rows(&quorum(overview));
    page.heading("Witnesses");
    match overview.witnesses.is_empty() {
        true => page.list(&["none in the policy".to_owned()]),
        false => overview.witnesses.iter().for_each(|w| witness(&mut page, w, overview.now_s)),
    }
    for section in &overview.sections {
        show_section(&mut page, section);
    }
    page.links(&[("/status.json", "As JSON"), ("/metrics", "metrics"), ("/readyz", "readiness")]);
    page
}

/// A section of another part of the log.
pub(super) fn show_section(page: &mut Page, section: &Section) {
    page.heading(&section.title);
    page.rows(&section.rows);
}

fn identity(overview: &Overview) -> Vec<(&'static str, String)> {
    vec![
        ("Log key hash", overview.key_hash.clone()),
        ("URL prefix", format!("{:?}", overview.url_prefix)),
        ("Software version", overview.software_version.clone()),
        ("Started", ago(overview.now_s, overview.started_s)),
        ("This page", sigsum_service::clock::utc_text(overview.now_s)),
    ]
}

fn tree(overview: &Overview) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    match &overview.head {
        None => rows.push(("Served head", "none yet".to_owned())),
        Some(head) => {
            let quorum = if head.quorum { "enough for the quorum" } else { "no quorum" };
            rows.push(("Served head", format!("{} leaves", amount(head.size))));
            rows.push(("Root hash", head.root_hash.clone()));
            rows.push(("Cosignatures", format!("{}, {quorum}", head.cosignatures)));
            if let Some(newest_s) = head.newest_cosignature_s {
                rows.push(("Newest of them", ago(overview.now_s, newest_s)));
            }
        }
    }
    let served = overview.head.as_ref().map_or(0, |head| head.size);
    let waiting = overview.committed_size.saturating_sub(served);
    rows.push((
        "Committed",
        format!(
            "{} leaves, {} not published yet",
            amount(overview.committed_size),
            amount(waiting)
        ),
    ));
    let growth = &overview.growth;
    let per_day = growth.per_day.map_or(String::new(), |rate| format!("; {} a day", amount(rate)));
    rows.push((
        "Growth",
        format!("{} leaves in {}{per_day}", amount(growth.leaves), duration(growth.seconds)),
    ));
    if let Some(disk) = overview.disk {
        let (free, total) = (bytes_text(disk.free_bytes), bytes_text(disk.total_bytes));
        rows.push(("Disk", format!("{free} free of {total}")));
    }
    rows
}

fn signer(page: &mut Page, overview: &Overview) {
    let signer = &overview.signer;
    let last = match signer.success_s {
        Some(success_s) => ago(overview.now_s, success_s),
        None => "none since the start".to_owned(),
    };
    let mut rows = vec![("Last signature", last)];
    if let Some(since_s) = signer.failing_since_s {
        rows.insert(0, ("Cannot sign", format!("for {}", ago_since(overview.now_s, since_s))));
        rows.push(("Problem", signer.problem.clone().unwrap_or_default()));
    }
    let mark = match (signer.failing_since_s, signer.success_s) {
        (Some(_), _) => Mark::Bad,
        (None, Some(_)) => Mark::Good,
        (None, None) => Mark::Unknown,
    };
    page.item(mark, &rows);
}

/// How long something has lasted, and since when.
fn ago_since(now_s: u64, since_s: u64) -> String {
    let lasted = duration(now_s.saturating_sub(since_s));
    format!("{lasted}, since {}", sigsum_service::clock::utc_text(since_s))
}

fn quorum(overview: &Overview) -> Vec<(&'static str, String)> {
    let quorum = &overview.quorum;
    let mut rows = vec![("Served head", quorum.report.clone())];
    if quorum.is_needed {
        let last = quorum.last_met_s.map(|met_s| ago(overview.now_s, met_s));
        rows.push(("Last round with a quorum", last.unwrap_or("none since the start".to_owned())));
        let now = if quorum.missing { "too few witnesses cosign" } else { "met" };
        rows.push(("Last round", now.to_owned()));
    }
    rows
}

fn witness(page: &mut Page, witness: &Witness, now_s: u64) {
    let mark = match witness.state {
        "good" => Mark::Good,
        "failing" | "ahead" => Mark::Bad,
        _ => Mark::Unknown,
    };
    let time = |time_s: Option<u64>, else_: &str| {
        time_s.map_or_else(|| else_.to_owned(), |time_s| ago(now_s, time_s))
    };
    let mut rows = vec![("Name", witness.name.clone())];
    if let Some(url) = &witness.url {
        rows.push(("URL", url.clone()));
    }
    rows.push(("State", witness.state.to_owned()));
    if let Some(problem) = &witness.problem {
        rows.push(("Last problem", problem.clone()));
    }
    if witness.url.is_some() {
        rows.push(("Last success", time(witness.success_s, "none since the start")));
    }
    rows.push(("Cosigned the served head", time(witness.cosigned_served_s, "no")));
    page.item(mark, &rows);
}
