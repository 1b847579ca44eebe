//! Socket activation of systemd (`sd_listen_fds(3)`): which descriptor is meant, and taking it.
//!
//! Turning a descriptor's number into a socket is `unsafe` in Rust, because the number could belong
//! to somebody else. `pidfd_getfd` asks the kernel for a duplicate by number and hands it back owned,
//! so no unsafe code is needed; Linux 5.6 has it.

use std::net::TcpListener as StdTcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener as StdUnixListener;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType, sockopt};
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
use tokio::net::{TcpListener, UnixListener};

use super::{ListenError, Listener};

/// The first descriptor that systemd hands over (`SD_LISTEN_FDS_START`).
const FIRST_FD: i32 = 3;

/// The three environment variables of socket activation.
#[derive(Clone, Debug, Default)]
pub(super) struct Handover {
    /// `LISTEN_PID`: the process that is meant.
    pub(super) pid: Option<String>,
    /// `LISTEN_FDS`: how many descriptors.
    pub(super) count: Option<String>,
    /// `LISTEN_FDNAMES`: their names, separated by colons.
    pub(super) names: Option<String>,
}

impl Handover {
    /// What this process was started with.
    pub(super) fn of_process() -> Self {
        let variable = |name| std::env::var(name).ok();
        Self {
            pid: variable("LISTEN_PID"),
            count: variable("LISTEN_FDS"),
            names: variable("LISTEN_FDNAMES"),
        }
    }

    /// The names of the descriptors from [`FIRST_FD`] on; those without a name are `unknown`, as
    /// systemd calls them. `None` when nothing was handed to this process.
    pub(super) fn socket_names(&self) -> Option<Vec<String>> {
        let own_pid = getpid().as_raw_nonzero().to_string();
        if self.pid.as_deref() != Some(own_pid.as_str()) {
            return None;
        }
        let count = self.count.as_deref()?.parse::<u16>().ok().filter(|count| *count > 0)?;
        let given = self.names.as_deref().unwrap_or_default();
        let mut names: Vec<String> = given.split(':').map(str::to_owned).collect();
        names.resize(usize::from(count), String::new());
        for name in names.iter_mut().filter(|name| name.is_empty()) {
            *name = "unknown".to_owned();
        }
        Some(names)
    }

    /// The number of the descriptor called `wanted`, or of the only one.
    pub(super) fn find(&self, wanted: Option<&str>) -> Result<i32, ListenError> {
        let names = self.socket_names().ok_or(ListenError::NotActivated)?;
        let matches = |name: &String| wanted.is_none_or(|wanted| wanted == name);
        let mut found = (FIRST_FD..).zip(&names).filter(|(_, name)| matches(name));
        match (found.next(), found.next()) {
            (Some((fd, _)), None) => Ok(fd),
            _ => {
                let wanted = wanted.map(str::to_owned);
                Err(ListenError::NoSuchSocket { wanted, given: names })
            }
        }
    }
}

/// Takes the socket called `wanted`, or the only one.
pub(super) fn take(wanted: Option<&str>, handover: &Handover) -> Result<Listener, ListenError> {
    let fd = handover.find(wanted)?;
    let failed = |source: std::io::Error| ListenError::Handover { fd, source };
    let socket = duplicate(fd).map_err(|errno| failed(errno.into()))?;
    if !is_listening_stream(&socket) {
        return Err(ListenError::NotAListener { fd });
    }
    match sockopt::socket_domain(&socket) {
        Ok(AddressFamily::INET | AddressFamily::INET6) => {
            let socket = StdTcpListener::from(socket);
            socket.set_nonblocking(true).map_err(failed)?;
            TcpListener::from_std(socket).and_then(Listener::from_tcp).map_err(failed)
        }
        Ok(AddressFamily::UNIX) => {
            let socket = StdUnixListener::from(socket);
            socket.set_nonblocking(true).map_err(failed)?;
            UnixListener::from_std(socket).and_then(Listener::from_unix).map_err(failed)
        }
        _ => Err(ListenError::NotAListener { fd }),
    }
}

/// A duplicate of our own descriptor `fd`, close-on-exec.
fn duplicate(fd: i32) -> Result<OwnedFd, Errno> {
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    pidfd_getfd(own, fd, PidfdGetfdFlags::empty())
}

fn is_listening_stream(socket: &OwnedFd) -> bool {
    sockopt::socket_type(socket).is_ok_and(|kind| kind == SocketType::STREAM)
        && sockopt::socket_acceptconn(socket).unwrap_or(false)
}
