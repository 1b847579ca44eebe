//! Our command and its Go counterpart, called with the same arguments.

use crate::dns::NameServer;
use crate::harness::{Outcome, Sandbox, run_command};
use crate::peers::{peer, peer_command};
use std::path::PathBuf;
use std::process::Command;

/// A command of ours and the program that it stands for.
pub(crate) struct Both {
    pub(crate) sandbox: Sandbox,
    ours: &'static str,
    theirs: PathBuf,
    environment: Vec<(&'static str, String)>,
    name_server: Option<NameServer>,
}

impl Both {
    /// `sigsum NAME` and `sigsum-NAME`; `None`, said aloud, where the latter is not installed.
    pub(crate) fn new(name: &'static str) -> Option<Self> {
        let theirs = peer(&format!("sigsum-{name}"))?;
        let sandbox = Sandbox::new();
        Some(Self { sandbox, ours: name, theirs, environment: Vec::new(), name_server: None })
    }

    /// The same with this sandbox.
    pub(crate) fn within(name: &'static str, sandbox: Sandbox) -> Option<Self> {
        Some(Self { sandbox, ..Self::new(name)? })
    }

    /// Sets a variable for both.
    pub(crate) fn set(&mut self, variable: &'static str, value: String) {
        self.environment.push((variable, value));
    }

    /// From now on both ask this name server.
    pub(crate) fn ask(&mut self, name_server: NameServer) {
        self.name_server = Some(name_server);
    }

    pub(crate) fn ours(&self, args: &[&str], stdin: &[u8]) -> Outcome {
        self.run(self.sandbox.command(&[&[self.ours], args].concat()), stdin)
    }

    pub(crate) fn theirs(&self, args: &[&str], stdin: &[u8]) -> Outcome {
        self.run(peer_command(&self.sandbox, &self.theirs, args), stdin)
    }

    fn run(&self, mut command: Command, stdin: &[u8]) -> Outcome {
        command.envs(self.environment.iter().cloned());
        let seeing = self.name_server.as_ref().map(|server| server.seen_by(&command));
        run_command(seeing.unwrap_or(command), stdin)
    }

    /// Both succeed and print the same, which is given back.
    #[track_caller]
    pub(crate) fn agree(&self, args: &[&str], stdin: &[u8]) -> String {
        let ours = self.ours(args, stdin).ok().stdout;
        let theirs = self.theirs(args, stdin).ok().stdout;
        assert_eq!(ours, theirs, "{args:?}");
        ours
    }

    /// Both fail and say this.
    #[track_caller]
    pub(crate) fn refuse(&self, args: &[&str], stdin: &[u8], text: &str) {
        self.ours(args, stdin).fails_with(text);
        self.theirs(args, stdin).fails_with(text);
    }

    /// Both succeed without output files; what each wrote under the name it was given is the same.
    #[track_caller]
    pub(crate) fn write_the_same(&self, args: &[&str], stdin: &[u8]) -> String {
        let with_output = |name| [args, &["-o", name]].concat();
        self.ours(&with_output("ours.out"), stdin).ok();
        self.theirs(&with_output("theirs.out"), stdin).ok();
        let ours = self.sandbox.read("ours.out");
        assert_eq!(ours, self.sandbox.read("theirs.out"), "{args:?}");
        ours
    }
}
