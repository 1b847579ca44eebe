//! Telling systemd how the process does (`sd_notify(3)`): one datagram for each message, to the
//! socket that the environment names. Without one, nothing is said.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::Arc;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The socket that systemd listens on. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Notify {
    socket: Option<Arc<(UnixDatagram, SocketAddr)>>,
}

impl Notify {
    /// One that says nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::default()
    }

    /// The socket of `NOTIFY_SOCKET`: a path, or `@` and an abstract name.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::var("NOTIFY_SOCKET").map_or_else(|_| Self::silent(), |name| Self::to(&name))
    }

    fn to(name: &str) -> Self {
        let address = match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name),
            None => SocketAddr::from_pathname(name),
        };
        let socket = address.and_then(|address| {
            let socket = UnixDatagram::unbound()?;
            // A supervisor that does not read must not hold us up.
            socket.set_nonblocking(true)?;
            Ok(Arc::new((socket, address)))
        });
        if let Err(error) = &socket {
            tracing::warn!(%error, name, "NOTIFY_SOCKET cannot be used");
        }
        Self { socket: socket.ok() }
    }

    /// The process does what it is there for; `status` is shown to people.
    pub fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={status}"));
    }

    /// The configuration is being read again; [`Notify::ready`] ends that.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let us = now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1000);
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={us}"));
    }

    /// The process has begun to stop.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, message: &str) {
        if let Some((socket, address)) = self.socket.as_deref() {
            // Nothing depends on it here, and systemd has its own time limits.
            let _ = socket.send_to_addr(message.as_bytes(), address);
        }
    }

    /// Says that the process is alive, at half the time that the watchdog of the unit allows, for as
    /// long as the runtime does its work. Needs a tokio runtime.
    pub(crate) fn feed_watchdog(&self) {
        let Some(pause) = watchdog_pause(|name| std::env::var(name).ok()) else { return };
        let this = self.clone();
        tokio::spawn(async move {
            loop {
                this.send("WATCHDOG=1");
                tokio::time::sleep(pause).await;
            }
        });
    }
}

/// Half of `WATCHDOG_USEC`, where that is meant for this process.
fn watchdog_pause(variable: impl Fn(&str) -> Option<String>) -> Option<Duration> {
    let own_pid = std::process::id().to_string();
    if variable("WATCHDOG_PID").is_some_and(|pid| pid != own_pid) {
        return None;
    }
    let us: u64 = variable("WATCHDOG_USEC")?.parse().ok().filter(|us| *us > 0)?;
    Some(Duration::from_micros(us / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn received(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn messages_come_at_a_path_and_at_an_abstract_name() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let abstract_name = format!("sigsum-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&abstract_name).unwrap();
        let sockets = [
            (UnixDatagram::bind(&path).unwrap(), path.to_str().unwrap().to_owned()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{abstract_name}")),
        ];
        for (socket, name) in sockets {
            let notify = Notify::to(&name);
            notify.ready("at work");
            assert_eq!(received(&socket), "READY=1\nSTATUS=at work");
            notify.reloading();
            assert!(received(&socket).starts_with("RELOADING=1\nMONOTONIC_USEC="));
            notify.stopping();
            assert_eq!(received(&socket), "STOPPING=1");
        }
    }

    #[test]
    fn a_socket_that_is_not_there_or_not_read_holds_up_nobody() {
        Notify::to("/nonexistent/notify").ready("");
        Notify::to("").ready("");
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let _unread = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::to(path.to_str().unwrap());
        for _ in 0..10_000 {
            notify.reloading();
        }
    }

    #[test]
    fn the_watchdog_is_fed_at_half_its_time_where_it_is_ours() {
        let with = |pid: Option<&str>, us: Option<&str>| {
            let (pid, us) = (pid.map(str::to_owned), us.map(str::to_owned));
            watchdog_pause(move |name| match name {
                "WATCHDOG_PID" => pid.clone(),
                _ => us.clone(),
            })
        };
        assert_eq!(with(None, Some("2000000")), Some(Duration::from_secs(1)));
        let own = std::process::id().to_string();
        assert_eq!(with(Some(&own), Some("10")), Some(Duration::from_micros(5)));
        for (pid, us) in
            [(Some("1"), Some("10")), (None, None), (None, Some("0")), (None, Some("x"))]
        {
            assert_eq!(with(pid, us), None, "{pid:?} {us:?}");
        }
    }
}
