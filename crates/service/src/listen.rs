//! Where a daemon listens: TCP, a unix socket, or a socket that systemd hands over.

mod socket;
mod systemd;

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

pub use socket::Listener;
pub(crate) use socket::Stream;

/// Connections the kernel holds for us before we accept them: `SOMAXCONN` of Linux since 5.4, a
/// larger number is cut to it.
pub const BACKLOG: u32 = 4096;

/// Where to listen, as an operator writes it.
///
/// | written | meaning |
/// |---|---|
/// | `localhost:6965`, `[::1]:80` | TCP, one address of that name (IPv4 first, as Go does) |
/// | `:6965` | TCP, every address of this machine |
/// | `unix:/run/sigsum.sock` | unix socket; a dead one in its place is removed |
/// | `systemd`, `systemd:external` | the only socket handed over by systemd, or the one of that name |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `host:port`. Port 0 takes a free one, see [`Listener::address`].
    Tcp(String),
    /// Path of a unix socket.
    Unix(PathBuf),
    /// A descriptor of socket activation, by its `FileDescriptorName=`.
    Systemd(Option<String>),
}

/// Why an endpoint cannot be listened on. The operator's to mend.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The text is no endpoint.
    #[error("not an address to listen on: {0:?} (expected HOST:PORT, unix:PATH or systemd[:NAME])")]
    Malformed(String),
    /// The host name has no address.
    #[error("no address found for {0}")]
    NoAddress(String),
    /// The operating system refuses.
    #[error("cannot listen on {endpoint}: {source}")]
    Refused {
        /// What was asked for.
        endpoint: Endpoint,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The process was not started with sockets from systemd.
    #[error("no sockets from systemd: LISTEN_FDS and LISTEN_PID are not set for this process")]
    NotActivated,
    /// systemd handed over sockets, but not this one.
    #[error("systemd handed over {given:?}, which does not single out {wanted:?}")]
    NoSuchSocket {
        /// The name in the endpoint, if it has one.
        wanted: Option<String>,
        /// The names that came, in order of their descriptors.
        given: Vec<String>,
    },
    /// The handed over descriptor cannot be taken.
    #[error(
        "cannot take socket {fd} from systemd: {source} (a SystemCallFilter= needs pidfd_open and \
         pidfd_getfd)"
    )]
    Handover {
        /// Its number.
        fd: i32,
        /// The operating system's reason.
        source: io::Error,
    },
    /// The handed over descriptor is no listening stream socket.
    #[error("socket {fd} from systemd is not a listening TCP or unix stream socket")]
    NotAListener {
        /// Its number.
        fd: i32,
    },
}

impl Endpoint {
    /// A free port on 127.0.0.1.
    #[must_use]
    pub fn loopback() -> Self {
        Self::Tcp("127.0.0.1:0".to_owned())
    }

    /// Starts to listen. Connections queue from here on, also before anyone serves them.
    ///
    /// # Errors
    /// See [`ListenError`].
    pub async fn bind(&self) -> Result<Listener, ListenError> {
        let refused = |source| ListenError::Refused { endpoint: self.clone(), source };
        match self {
            Self::Tcp(address) => {
                let candidates = socket::resolve(address).await.map_err(refused)?;
                if candidates.is_empty() {
                    return Err(ListenError::NoAddress(address.clone()));
                }
                socket::bind_tcp(&candidates).map_err(refused)
            }
            Self::Unix(path) => socket::bind_unix(path).map_err(refused),
            Self::Systemd(name) => systemd::take(name.as_deref(), &systemd::Handover::of_process()),
        }
    }
}

impl FromStr for Endpoint {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        let malformed = || ListenError::Malformed(text.to_owned());
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() { Err(malformed()) } else { Ok(Self::Unix(path.into())) };
        }
        if text == "systemd" {
            return Ok(Self::Systemd(None));
        }
        if let Some(name) = text.strip_prefix("systemd:") {
            let named = !name.is_empty();
            return if named { Ok(Self::Systemd(Some(name.into()))) } else { Err(malformed()) };
        }
        let (host, port) = text.rsplit_once(':').ok_or_else(malformed)?;
        let bare_ipv6 = host.contains(':') && !(host.starts_with('[') && host.ends_with(']'));
        let port_is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        if bare_ipv6 || !port_is_number || port.parse::<u16>().is_err() {
            return Err(malformed());
        }
        Ok(Self::Tcp(text.to_owned()))
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => f.write_str(address),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Systemd(None) => f.write_str("systemd"),
            Self::Systemd(Some(name)) => write!(f, "systemd:{name}"),
        }
    }
}

/// Where a listener really listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoundAddress {
    /// TCP address with the port that was taken.
    Tcp(SocketAddr),
    /// Path of a unix socket; empty when it has none.
    Unix(PathBuf),
}

impl BoundAddress {
    /// The TCP address, if it is one.
    #[must_use]
    pub fn tcp(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(address) => Some(*address),
            Self::Unix(_) => None,
        }
    }
}

impl fmt::Display for BoundAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests;
