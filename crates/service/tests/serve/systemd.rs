//! A daemon in a process of its own, with its socket handed over as systemd does.

use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

use axum::Router;
use rustix::process::{Pid, Signal, kill_process};
use sigsum_service::http::{finish, get, text};
use sigsum_service::listen::{Endpoint, ListenError};
use sigsum_service::runner::{Program, run};
use sigsum_service::serve::{Limits, serve};

use crate::client::ask;

/// Set in the environment of the process that is to be the daemon.
const ROLE_VARIABLE: &str = "SIGSUM_TEST_ENDPOINT";

/// The daemon itself: does nothing unless the test below starts it as a process.
#[test]
fn daemon_process() {
    let Ok(endpoint) = std::env::var(ROLE_VARIABLE) else { return };
    let endpoint: Endpoint = endpoint.parse().unwrap();
    let program = Program { name: "test", version: "0", logging: None, reloads: true };
    run::<_, ListenError, _, _>(program, |context| async move {
        let listener = endpoint.bind().await?;
        let router = finish(Router::new().route("/", get(async || text("activated\n"))));
        Ok(serve(listener, router, context.shutdown, Limits::default()).await)
    })
    .unwrap();
}

/// A command that becomes [`daemon_process`] with `socket` as descriptor 3. The shell puts it there
/// and says whose it is; `LISTEN_PID` survives because `exec` keeps the process.
fn activated(socket: OwnedFd, endpoint: &str) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=external exec \"$0\" \
                  --nocapture --exact systemd::daemon_process";
    command.args(["-c", script]).arg(std::env::current_exe().unwrap());
    command.env(ROLE_VARIABLE, endpoint).stdin(Stdio::from(socket)).stdout(Stdio::null());
    command
}

#[tokio::test]
async fn a_socket_from_systemd_is_served_until_sigterm() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    let mut daemon = activated(socket.into(), "systemd:external").spawn().unwrap();
    // The socket listens before the daemon runs, so nothing has to be waited for.
    assert_eq!(ask(address, "GET", "/").await.body, "activated\n");
    let pid = Pid::from_raw(i32::try_from(daemon.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    assert!(daemon.wait().unwrap().success());
}

#[test]
fn a_descriptor_that_is_no_listener_is_refused() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let output = activated(socket.into(), "systemd").stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("NotAListener"), "{text}");
}

#[test]
fn a_socket_of_another_name_is_refused() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let output = activated(socket.into(), "systemd:x").stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("NoSuchSocket"), "{text}");
}
