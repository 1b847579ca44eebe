//! One GET of a local endpoint, TCP or Unix socket.

use sigsum_service::listen::Endpoint;
use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Limit of connecting, and of each read and write.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer: a status of 256 witnesses takes some 100 KiB.
const MAX_ANSWER_BYTES: u64 = 4 << 20;

/// Why there is no status. The texts say what is wrong.
pub(super) enum NoStatus {
    /// Nobody answers: the log does not run.
    Silent(String),
    /// Somebody answers, and is no log.
    NoLog(String),
    /// The endpoint cannot be connected to by what is written there.
    Unknown(String),
}

/// The body of a 200.
pub(super) fn get(endpoint: &str, path: &str) -> Result<Vec<u8>, NoStatus> {
    let text = endpoint.strip_prefix("http://").unwrap_or(endpoint).trim_end_matches('/');
    match text.parse::<Endpoint>() {
        Ok(Endpoint::Tcp(address)) => over_tcp(&address, path),
        Ok(Endpoint::Unix(socket)) => {
            let stream = UnixStream::connect(socket).map_err(silent)?;
            stream.set_read_timeout(Some(TIMEOUT)).map_err(silent)?;
            stream.set_write_timeout(Some(TIMEOUT)).map_err(silent)?;
            exchange(stream, "localhost", path)
        }
        Ok(Endpoint::Systemd(_)) => {
            Err(NoStatus::Unknown(format!("systemd alone knows where {endpoint} is")))
        }
        Err(error) => Err(NoStatus::Unknown(error.to_string())),
    }
}

fn silent(error: std::io::Error) -> NoStatus {
    NoStatus::Silent(error.to_string())
}

fn over_tcp(address: &str, path: &str) -> Result<Vec<u8>, NoStatus> {
    // Who listens on every address of the machine answers on this one.
    let address = match address.strip_prefix(':') {
        Some(port) => format!("localhost:{port}"),
        None => address.to_owned(),
    };
    let mut last = NoStatus::Silent("it has no address".to_owned());
    for candidate in address.to_socket_addrs().map_err(silent)? {
        match TcpStream::connect_timeout(&candidate, TIMEOUT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(TIMEOUT)).map_err(silent)?;
                stream.set_write_timeout(Some(TIMEOUT)).map_err(silent)?;
                return exchange(stream, &address, path);
            }
            Err(error) => last = silent(error),
        }
    }
    Err(last)
}

fn exchange(mut stream: impl Read + Write, host: &str, path: &str) -> Result<Vec<u8>, NoStatus> {
    // With 1.0 the answer ends with the connection and is not cut into chunks.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(silent)?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).map_err(silent)?;
    let no_http = || NoStatus::NoLog("the answer is no HTTP".to_owned());
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or_else(no_http)?;
    let head = String::from_utf8_lossy(answer.get(..end).unwrap_or_default()).into_owned();
    match head.split(' ').nth(1) {
        Some("200") => Ok(answer.get(end + 4..).unwrap_or_default().to_vec()),
        Some(status) => Err(NoStatus::NoLog(format!("status {status}"))),
        None => Err(no_http()),
    }
}
