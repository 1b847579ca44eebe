//! One GET of a local endpoint, TCP or Unix socket.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Limit of connecting, and of each read and write.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer: a status of 256 witnesses takes some 100 KiB.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// The body of a 200; else what is wrong, in words.
pub(super) fn get(endpoint: &str, path: &str) -> Result<Vec<u8>, String> {
    let words = |error: std::io::Error| error.to_string();
    if let Some(socket) = endpoint.strip_prefix("unix:") {
        let stream = UnixStream::connect(socket).map_err(words)?;
        stream.set_read_timeout(Some(TIMEOUT)).map_err(words)?;
        stream.set_write_timeout(Some(TIMEOUT)).map_err(words)?;
        return exchange(stream, "localhost", path);
    }
    let address = endpoint.trim_start_matches("http://").trim_end_matches('/');
    let address = match address.strip_prefix(':') {
        Some(port) => format!("localhost:{port}"),
        None => address.to_owned(),
    };
    let mut last = "it has no address".to_owned();
    for candidate in address.to_socket_addrs().map_err(words)? {
        match TcpStream::connect_timeout(&candidate, TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT)).map_err(words)?;
                stream.set_write_timeout(Some(TIMEOUT)).map_err(words)?;
                return exchange(stream, &address, path);
            }
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

fn exchange(mut stream: impl Read + Write, host: &str, path: &str) -> Result<Vec<u8>, String> {
    // With 1.0 the answer ends with the connection and is not cut into chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(|error| error.to_string())?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).map_err(|error| error.to_string())?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.ok_or("the answer is no HTTP")?;
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
    match head.split(' ').nth(1) {
        Some("200") => Ok(answer.get(end + 4..).unwrap_or_default().to_vec()),
        Some(status) => Err(format!("status {status}")),
        None => Err("the answer is no HTTP".to_owned()),
    }
}
