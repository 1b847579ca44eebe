//! Requests that are malformed, too long or too many.

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse as _;
use sigsum_service::http::{BodyLimit, finish, get, post, read_body, text};
use sigsum_service::serve::{Limits, MAX_HEAD_BYTES};
use tokio::io::AsyncWriteExt as _;

use crate::client::{ask, exchange, read_answer, read_to_close, send};
use crate::start;

const MAX_BODY_BYTES: usize = 10;

/// POST `/echo` answers with the body, if it keeps to the limit.
fn echo(limit: BodyLimit) -> Router {
    let handler = async move |body: Body| match read_body(body, limit).await {
        Ok(body) => text(body),
        Err(error) => error.into_response(),
    };
    finish(Router::new().route("/echo", post(handler)).route("/ok", get(async || text("ok\n"))))
}

fn router() -> Router {
    echo(BodyLimit::bytes(MAX_BODY_BYTES))
}

fn post_head(field: &str) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n")
}

/// A chunked body of `chunks`.
fn chunked(chunks: &[&str]) -> String {
    let mut text = post_head("Transfer-Encoding: chunked");
    for chunk in chunks.iter().chain(&[""]) {
        text += &format!("{:x}\r\n{chunk}\r\n", chunk.len());
    }
    text
}

#[tokio::test]
async fn a_body_of_the_limit_is_read() {
    let (_server, address) = start(router(), Limits::default()).await;
    let request = post_head("Content-Length: 10") + "0123456789";
    assert_eq!(exchange(address, &request).await.body, "0123456789");
}

#[tokio::test]
async fn a_body_in_pieces_is_put_together() {
    let (_server, address) = start(router(), Limits::default()).await;
    assert_eq!(exchange(address, &chunked(&["01", "234", "56789"])).await.body, "0123456789");
    assert_eq!(exchange(address, &chunked(&[])).await.body, "");
}

#[tokio::test]
async fn a_body_that_announces_too_much_is_refused_before_it_is_sent() {
    let (_server, address) = start(router(), Limits::default()).await;
    let answer = exchange(address, &post_head("Content-Length: 11")).await;
    assert_eq!(answer.status, 413);
    assert_eq!(answer.body, "(413) request body is longer than 10 bytes\n");
}

#[tokio::test]
async fn a_chunked_body_that_grows_too_long_is_refused() {
    let (_server, address) = start(router(), Limits::default()).await;
    for chunks in [&["01234567890"][..], &["01234", "56789", "0"][..]] {
        assert_eq!(exchange(address, &chunked(chunks)).await.status, 413);
    }
}

#[tokio::test]
async fn a_body_without_an_end_costs_no_more_than_the_limit() {
    let (_server, address) = start(router(), Limits::default()).await;
    let endless = post_head("Transfer-Encoding: chunked") + "ffffffff\r\n" + &"x".repeat(100_000);
    assert_eq!(exchange(address, &endless).await.status, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_is_given_up() {
    let limit = BodyLimit { max_bytes: MAX_BODY_BYTES, timeout_ms: 50 };
    let (_server, address) = start(echo(limit), Limits::default()).await;
    let answer = exchange(address, &(post_head("Content-Length: 10") + "0123")).await;
    assert_eq!(answer.status, 408);
    assert_eq!(answer.body, "(408) request body did not arrive within 50 ms\n");
}

#[tokio::test]
async fn a_malformed_chunk_is_refused() {
    let (_server, address) = start(router(), Limits::default()).await;
    let request = post_head("Transfer-Encoding: chunked") + "zz\r\n";
    let answer = exchange(address, &request).await;
    assert_eq!(answer.status, 400);
    assert_eq!(answer.body, "(400) request body is incomplete or malformed\n");
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let (_server, address) = start(router(), Limits::default()).await;
    let mut stream = send(address, &(post_head("Content-Length: 10") + "0123")).await;
    stream.shutdown().await.unwrap();
    let answer = read_to_close(&mut stream).await;
    // hyper may drop a connection that ended inside a request without an answer.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert_eq!(ask(address, "GET", "/ok").await.status, 200);
}

#[tokio::test]
async fn malformed_requests_are_refused_and_the_server_goes_on() {
    let (_server, address) = start(router(), Limits::default()).await;
    let malformed = [
        ("request line", "GET\r\n\r\n"),
        ("version", "GET / HTTP/1.2\r\n\r\n"),
        ("path with a space", "GET /a b HTTP/1.1\r\n\r\n"),
        ("path with a control character", "GET /\u{1} HTTP/1.1\r\n\r\n"),
        ("field without a colon", "GET / HTTP/1.1\r\nHost\r\n\r\n"),
        ("field name with a space", "GET / HTTP/1.1\r\nHo st: x\r\n\r\n"),
        ("length with a sign", "POST /echo HTTP/1.1\r\nContent-Length: +1\r\n\r\nx"),
        ("two lengths", "POST /echo HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        ("not HTTP", "\u{16}\u{3}\u{1}\r\n\r\n"),
    ];
    for (what, request) in malformed {
        assert_eq!(exchange(address, request).await.status, 400, "{what}");
    }
    assert_eq!(ask(address, "GET", "/ok").await.status, 200);
}

#[tokio::test]
async fn too_many_header_fields_are_refused() {
    let (_server, address) = start(router(), Limits::default()).await;
    let request = format!("GET /ok HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(101));
    assert_eq!(exchange(address, &request).await.status, 431);
}

#[tokio::test]
async fn a_head_that_is_too_long_is_refused() {
    let (_server, address) = start(router(), Limits::default()).await;
    let field = "a".repeat(MAX_HEAD_BYTES);
    let mut stream = send(address, &format!("GET /ok HTTP/1.1\r\nA: {field}")).await;
    assert_eq!(read_answer(&mut stream).await.status, 431);
    let long_path = format!("GET /{field}");
    let mut stream = send(address, &long_path).await;
    assert_eq!(read_answer(&mut stream).await.status, 431);
}
