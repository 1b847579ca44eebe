//! Peers that break HTTP or are slow: they are told so, or let go, and nobody else notices.

use crate::lab::Lab;
use crate::wire::{
    Answer, connect, exchange, exchange_all, exchange_truncated, read_answer, read_to_close,
};
use std::io::Write as _;
use std::net::TcpStream;

/// A POST to add-leaf with these header lines.
fn post(fields: &str, body: &[u8]) -> Vec<u8> {
    let head =
        format!("POST /add-leaf HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

#[track_caller]
fn is_answered(status: u16, bytes: &[u8]) -> Answer {
    let lab = Lab::shared();
    let answer = exchange(lab.log(), bytes).unwrap();
    assert_eq!(answer.status, status, "{}", answer.text());
    lab.is_unharmed();
    answer
}

#[test]
fn a_body_shorter_than_announced_is_refused() {
    let lab = Lab::shared();
    let bytes = post("Content-Length: 1000", lab.request.as_bytes());
    assert_eq!(exchange_truncated(lab.log(), &bytes).unwrap().status, 400);
    lab.is_unharmed();
}

#[test]
fn a_body_longer_than_announced_is_cut_and_refused() {
    let lab = Lab::shared();
    is_answered(400, &post("Content-Length: 10", lab.request.as_bytes()));
}

#[test]
fn a_body_announced_as_too_long_is_refused_before_it_is_sent() {
    is_answered(413, &post("Content-Length: 10000000000", b""));
}

#[test]
fn a_length_that_is_no_number_is_refused() {
    for length in ["-1", "+1", "0x10", "1 2", "99999999999999999999999", "", "1,2"] {
        is_answered(400, &post(&format!("Content-Length: {length}"), b"a"));
    }
}

#[test]
fn two_lengths_that_differ_are_refused() {
    is_answered(400, &post("Content-Length: 1\r\nContent-Length: 2", b"ab"));
}

#[test]
fn a_chunked_body_is_taken() {
    let lab = Lab::shared();
    // That a body which is malformed is answered as such shows that it was put together.
    let malformed = lab.request.replacen("message=", "massage=", 1);
    let mut chunks = Vec::new();
    for bytes in malformed.as_bytes().chunks(7) {
        write!(chunks, "{:x}\r\n", bytes.len()).unwrap();
        chunks.extend_from_slice(bytes);
        chunks.extend_from_slice(b"\r\n");
    }
    chunks.extend_from_slice(b"0\r\n\r\n");
    let answer = is_answered(400, &post("Transfer-Encoding: chunked", &chunks));
    assert!(answer.text().contains("expected message=, found \"massage="), "{}", answer.text());
}

#[test]
fn a_chunked_body_without_end_is_refused_at_the_limit() {
    let body = [b"ffffffff\r\n".to_vec(), vec![b'a'; 100_000]].concat();
    is_answered(413, &post("Transfer-Encoding: chunked", &body));
}

#[test]
fn a_chunk_with_endless_extensions_is_refused() {
    let body = [b"1;".to_vec(), vec![b'a'; 100_000]].concat();
    is_answered(400, &post("Transfer-Encoding: chunked", &body));
}

#[test]
fn a_malformed_chunk_is_refused() {
    is_answered(400, &post("Transfer-Encoding: chunked", b"zz\r\n"));
}

#[test]
fn another_transfer_encoding_is_refused() {
    is_answered(400, &post("Transfer-Encoding: gzip", b"zz"));
}

#[test]
fn bytes_that_are_no_http_are_refused() {
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /get-tree-head\r\n\r\n",
        b"GET /get-tree-head HTTP/2.0\r\n\r\n",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b" GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\na: \0\r\n\r\n",
        b"GET / HTTP/1.1\r\na: b\r\n folded\r\n\r\n",
        b"\r\n\r\n\r\n\0\0\0",
    ] {
        is_answered(400, bytes);
    }
}

#[test]
fn a_head_that_is_too_long_is_refused() {
    let field = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(30_000));
    is_answered(431, field.as_bytes());
    let fields = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(200));
    is_answered(431, fields.as_bytes());
}

#[test]
fn pipelined_requests_are_all_answered_in_order() {
    let lab = Lab::shared();
    let bad = "POST /add-leaf HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    let good = "GET /get-tree-head HTTP/1.1\r\nHost: x\r\n\r\n";
    let last = "GET /get-leaves/0/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let bytes = [bad, good].concat().repeat(20) + last;
    let answers = String::from_utf8(exchange_all(lab.log(), bytes.as_bytes())).unwrap();
    let statuses: Vec<&str> = answers.split("HTTP/1.1 ").skip(1).map(|a| &a[..3]).collect();
    assert_eq!(statuses, [&["400", "200"].repeat(20)[..], &["200"]].concat());
}

#[test]
fn a_connection_survives_a_refused_body_and_serves_the_next_request() {
    let lab = Lab::shared();
    let mut stream = connect(lab.log());
    for _ in 0..10 {
        let request = "POST /add-leaf HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        stream.write_all(request.as_bytes()).unwrap();
        assert_eq!(read_answer(&mut stream).status, 400);
    }
}

#[test]
fn a_peer_that_vanishes_in_the_middle_of_anything_harms_nobody() {
    let lab = Lab::shared();
    let whole = post(&format!("Content-Length: {}", lab.request.len()), lab.request.as_bytes());
    for length in (0..whole.len()).step_by(17) {
        let mut stream = connect(lab.log());
        stream.write_all(&whole[..length]).unwrap();
        drop(stream);
    }
    lab.is_unharmed();
}

#[test]
fn a_head_or_body_that_trickles_holds_nobody_up() {
    let lab = Lab::shared();
    let slow: Vec<TcpStream> = (0..100)
        .map(|n| {
            let mut stream = connect(lab.log());
            let begun = match n % 2 {
                0 => "GET /get-tr".to_owned(),
                _ => String::from_utf8(post("Content-Length: 300", b"message=00")).unwrap(),
            };
            stream.write_all(begun.as_bytes()).unwrap();
            stream
        })
        .collect();
    lab.is_unharmed();
    // Both are let go after ten seconds: a head without an answer, a body with 408.
    let ends: Vec<Vec<u8>> =
        slow.into_iter().map(|mut stream| read_to_close(&mut stream)).collect();
    for (n, bytes) in ends.iter().enumerate() {
        let text = String::from_utf8_lossy(bytes);
        let ended_well = if n % 2 == 0 { text.is_empty() } else { text.contains(" 408 ") };
        assert!(ended_well, "{n}: {text}");
    }
}
