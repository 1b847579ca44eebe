//! Witnesses of ours that keep their address over restarts.

use crate::harness::{Daemon, Sandbox};
use crate::peers::free_address;
use std::net::SocketAddr;

/// How our witness keeps its state.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// `sigsum witness run`, for many logs.
    Directory,
    /// `sigsum witness single`, with sigsum-witness's file for one log.
    StateFile,
}

/// A witness of the log with the key `log-key`.
pub(crate) struct Cosigner {
    name: &'static str,
    address: SocketAddr,
    args: Vec<String>,
    daemon: Option<Daemon>,
}

impl Cosigner {
    /// Makes its key and state, and starts it.
    pub(crate) fn start(sandbox: &Sandbox, name: &'static str, form: Form) -> Self {
        sandbox.key(name);
        let (state, address) = (format!("{name}.state"), free_address());
        let listen = address.to_string();
        let args: Vec<&str> = match form {
            Form::Directory => {
                let directory = ["--data-dir", &state];
                sandbox.run(&[&["witness", "init", "-k", name], &directory[..]].concat()).ok();
                let add = ["witness", "add-log", "--sigsum-key", "log-key.pub"];
                sandbox.run(&[&add, &directory[..]].concat()).ok();
                let run = ["witness", "run", "-k", name, "--listen", &listen];
                [&run, &directory[..]].concat()
            }
            Form::StateFile => {
                let single = ["witness", "single", "-k", name, "--log-key", "log-key.pub"];
                [&single, &["--state-file", &state, &listen][..]].concat()
            }
        };
        let args = args.into_iter().map(str::to_owned).collect();
        let mut cosigner = Self { name, address, args, daemon: None };
        cosigner.restart(sandbox);
        cosigner
    }

    /// Starts it where it was.
    pub(crate) fn restart(&mut self, sandbox: &Sandbox) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        self.daemon = Some(sandbox.daemon(&args));
    }

    /// SIGTERM; it must end well.
    #[track_caller]
    pub(crate) fn stop(&mut self) {
        self.daemon.take().unwrap().stop();
    }

    /// SIGKILL, as a crash.
    pub(crate) fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// How log-go's metrics name it.
    pub(crate) fn label(&self) -> String {
        format!("witness=\"{}\"", self.address)
    }

    /// Its line in a policy.
    pub(crate) fn policy_line(&self, sandbox: &Sandbox) -> String {
        format!("witness {} {} http://{}\n", self.name, sandbox.key_hex(self.name), self.address)
    }
}
