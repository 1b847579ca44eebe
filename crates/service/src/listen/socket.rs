//! Bound sockets and the connections they accept, TCP and unix under one type.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpSocket, TcpStream, UnixListener, UnixStream};

use super::{BACKLOG, BoundAddress};
use crate::tls::Tls;

/// A socket that listens. Dropping it stops listening and removes a unix socket it made.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: BoundAddress,
    /// What connections begin with, where they do.
    tls: Option<Tls>,
    /// Removed at drop; empty for sockets that somebody else made.
    _file: Option<SocketFile>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

/// The file of a unix socket, removed when dropped.
#[derive(Debug)]
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // A file that is left behind does no harm: the next start finds nobody behind it.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Listener {
    /// Where it listens; the port that was taken when port 0 was asked for.
    #[must_use]
    pub fn address(&self) -> &BoundAddress {
        &self.address
    }

    /// The same, for connections that begin with TLS.
    #[must_use]
    pub fn with_tls(self, tls: Tls) -> Self {
        Self { tls: Some(tls), ..self }
    }

    /// What connections begin with.
    pub(crate) fn tls(&self) -> Option<&Tls> {
        self.tls.as_ref()
    }

    /// Takes over a listening TCP socket in non-blocking mode.
    pub(super) fn from_tcp(socket: TcpListener) -> io::Result<Self> {
        let address = BoundAddress::Tcp(socket.local_addr()?);
        Ok(Self { socket: Socket::Tcp(socket), address, tls: None, _file: None })
    }

    /// Takes over a listening unix socket in non-blocking mode; its file stays when it is closed.
    pub(super) fn from_unix(socket: UnixListener) -> io::Result<Self> {
        let path = socket.local_addr()?.as_pathname().map(Path::to_owned).unwrap_or_default();
        Ok(Self {
            socket: Socket::Unix(socket),
            address: BoundAddress::Unix(path),
            tls: None,
            _file: None,
        })
    }

    /// The next connection. Safe to cancel.
    pub(crate) async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                // Answers are written in one piece; waiting to fill a segment only delays them. A
                // connection that is already gone refuses the option, reading will say so.
                let _ = stream.set_nodelay(true);
                Ok(Stream::Tcp(stream))
            }
            Socket::Unix(listener) => Ok(Stream::Unix(listener.accept().await?.0)),
        }
    }
}

/// The addresses of `host:port`, IPv4 first; of `:port`, every address of the machine.
pub(super) async fn resolve(address: &str) -> io::Result<Vec<SocketAddr>> {
    if let Some(port) = address.strip_prefix(':').and_then(|port| port.parse().ok()) {
        // `[::]` takes IPv4 too on Linux; the second is for machines without IPv6.
        let any = |ip| SocketAddr::new(ip, port);
        return Ok(vec![any(Ipv6Addr::UNSPECIFIED.into()), any(Ipv4Addr::UNSPECIFIED.into())]);
    }
    let mut found: Vec<SocketAddr> = tokio::net::lookup_host(address).await?.collect();
    found.sort_by_key(SocketAddr::is_ipv6);
    Ok(found)
}

/// Listens on the first of `candidates` that can be; the error is the first one's.
pub(super) fn bind_tcp(candidates: &[SocketAddr]) -> io::Result<Listener> {
    let mut first_error = None;
    for &address in candidates {
        match bind_one(address).and_then(Listener::from_tcp) {
            Ok(listener) => return Ok(listener),
            Err(error) => first_error = first_error.or(Some(error)),
        }
    }
    Err(first_error.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
}

fn bind_one(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the last run to time out.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Listens on a unix socket; a socket file without a listener behind it is replaced.
pub(super) fn bind_unix(path: &Path) -> io::Result<Listener> {
    if is_dead_socket(path) {
        std::fs::remove_file(path)?;
    }
    let mut listener = Listener::from_unix(UnixListener::bind(path)?)?;
    listener._file = Some(SocketFile(path.to_owned()));
    Ok(listener)
}

/// Whether `path` is a socket that refuses connections: left behind by a process that was killed.
fn is_dead_socket(path: &Path) -> bool {
    let is_socket = path.symlink_metadata().is_ok_and(|meta| meta.file_type().is_socket());
    is_socket
        && std::os::unix::net::UnixStream::connect(path)
            .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
}

/// An accepted connection.
#[derive(Debug)]
pub(crate) enum Stream {
    /// From a TCP listener.
    Tcp(TcpStream),
    /// From a unix listener.
    Unix(UnixStream),
}

/// Forwards one poll function to the stream inside.
macro_rules! forward {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Stream::Tcp(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
            Stream::Unix(inner) => {
                let $stream = Pin::new(inner);
                $call
            }
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_read(cx, buf))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write(cx, buf))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        forward!(self, stream => stream.poll_shutdown(cx))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        forward!(self, stream => stream.poll_write_vectored(cx, bufs))
    }
}
