//! The texts and header fields of compat: errors, unknown paths, other methods, metrics, health.

use axum::Router;
use http::StatusCode;
use sigsum_service::health::{self, Health};
use sigsum_service::http::{
    empty, finish, get, internal_error, post, redirect_to_slash, text, text_error, with_retry_after,
};
use sigsum_service::metrics::{self, Registry};
use sigsum_service::serve::Limits;

use crate::client::ask;
use crate::start;

const TEXT: Option<&str> = Some("text/plain; charset=utf-8");

fn router() -> Router {
    let limited = || text_error(StatusCode::TOO_MANY_REQUESTS, "slow down");
    finish(
        Router::new()
            .route("/text", get(async || text("size=1\n")))
            .route("/empty", post(async || empty()))
            .route("/limited", get(async move || with_retry_after(limited(), 30)))
            .route("/broken", get(async || internal_error()))
            .route("/get-leaves", get(redirect_to_slash)),
    )
}

#[tokio::test]
async fn a_text_is_plain_utf8() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "GET", "/text").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "size=1\n"));
    assert_eq!(answer.field("content-type"), TEXT);
}

#[tokio::test]
async fn head_answers_like_get_without_the_body() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "HEAD", "/text").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
}

#[tokio::test]
async fn an_empty_answer_has_no_body_and_no_type() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "POST", "/empty").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, ""));
    assert_eq!(answer.field("content-type"), None);
    assert_eq!(answer.field("content-length"), Some("0"));
}

#[tokio::test]
async fn an_error_carries_its_code_and_is_not_sniffed() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "GET", "/limited").await;
    assert_eq!((answer.status, answer.body.as_str()), (429, "(429) slow down\n"));
    assert_eq!(answer.field("content-type"), TEXT);
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.field("retry-after"), Some("30"));
}

#[tokio::test]
async fn an_internal_error_says_nothing_about_its_reason() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "GET", "/broken").await;
    assert_eq!((answer.status, answer.body.as_str()), (500, "Internal Server Error\n"));
}

#[tokio::test]
async fn another_method_on_a_get_route_is_not_allowed() {
    let (_server, address) = start(router(), Limits::default()).await;
    for method in ["POST", "PUT", "DELETE", "BREW"] {
        let answer = ask(address, method, "/text").await;
        assert_eq!((answer.status, answer.body.as_str()), (405, "Method Not Allowed\n"));
        assert_eq!(answer.field("allow"), Some("GET, HEAD"));
        assert_eq!(answer.field("content-type"), TEXT);
    }
}

#[tokio::test]
async fn another_method_on_a_post_route_is_not_allowed() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "GET", "/empty").await;
    assert_eq!((answer.status, answer.body.as_str()), (405, "Method Not Allowed\n"));
    assert_eq!(answer.field("allow"), Some("POST"));
}

#[tokio::test]
async fn an_unknown_path_is_not_found() {
    let (_server, address) = start(router(), Limits::default()).await;
    for path in ["/", "/texts", "/text/", "/get-leaves/"] {
        let answer = ask(address, "GET", path).await;
        assert_eq!((answer.status, answer.body.as_str()), (404, "404 page not found\n"), "{path}");
        assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    }
}

#[tokio::test]
async fn a_dirty_path_is_moved_to_the_clean_one() {
    let (_server, address) = start(router(), Limits::default()).await;
    for (dirty, clean) in [
        ("//text", "/text"),
        ("/a/../text?x=1", "/text?x=1"),
        ("//evil.example/a/..", "/evil.example"),
    ] {
        let answer = ask(address, "GET", dirty).await;
        assert_eq!(answer.status, 301, "{dirty}");
        assert_eq!(answer.field("location"), Some(clean));
    }
}

#[tokio::test]
async fn a_directory_without_its_slash_is_moved_to_it() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = ask(address, "GET", "/get-leaves").await;
    assert_eq!((answer.status, answer.field("location")), (301, Some("/get-leaves/")));
}

#[tokio::test]
async fn metrics_are_served_in_the_text_format() {
    let registry = Registry::new();
    registry.counter("a_total", "A.").unwrap().inc();
    let (_server, address) = start(metrics::routes(registry), Limits::default()).await;
    let answer = ask(address, "GET", "/metrics").await;
    assert_eq!(answer.body, "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n");
    let format = "text/plain; version=0.0.4; charset=utf-8";
    assert_eq!(answer.field("content-type"), Some(format));
}

#[tokio::test]
async fn a_node_is_ready_when_all_its_parts_are() {
    let health = Health::new();
    let (index, key) = (health.part("index"), health.part("key"));
    let (_server, address) = start(health::routes(health.clone()), Limits::default()).await;
    assert_eq!(ask(address, "GET", "/livez").await.body, "alive\n");

    let answer = ask(address, "GET", "/readyz").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.body, "(503) not ready\nindex: starting\nkey: starting\n");

    index.ready();
    key.waiting("agent is away");
    assert_eq!(ask(address, "GET", "/readyz").await.body, "(503) not ready\nkey: agent is away\n");

    key.ready();
    let answer = ask(address, "GET", "/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ready\n"));
    assert!(health.waiting().is_empty());
}
