//! One network for the many tests that only ask it something.

use crate::harness::Network;
use crate::wire::ask;
use std::sync::{Arc, Mutex, Weak};

/// A log with three published leaves, and its witness.
pub(crate) struct Lab {
    pub(crate) network: Network,
    /// The body of an add-leaf request that the log has accepted.
    pub(crate) request: String,
}

/// Files that were submitted.
const LEAVES: usize = 3;

impl Lab {
    /// The running one, or a new one where no test holds it. The last test to let go stops it.
    pub(crate) fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(lab) = running.upgrade() {
            return lab;
        }
        let lab = Arc::new(Self::start());
        *running = Arc::downgrade(&lab);
        lab
    }

    fn start() -> Self {
        let network = Network::start(1, 1);
        let sandbox = &network.sandbox;
        sandbox.key("k");
        let names: Vec<String> = (0..LEAVES).map(|n| format!("f{n}")).collect();
        for name in &names {
            sandbox.write(name, name);
        }
        let mut args = vec!["submit", "-p", "policy", "-k", "k"];
        args.extend(names.iter().map(String::as_str));
        sandbox.run(&args).ok();
        let request = sandbox.run_with(&["submit", "-k", "k"], b"data").ok().stdout;
        Self { network, request }
    }

    pub(crate) fn log(&self) -> &str {
        self.network.log_url()
    }

    pub(crate) fn witness(&self) -> &str {
        &self.network.witnesses[0].url
    }

    /// The log still answers, and has nothing that it should not have.
    #[track_caller]
    pub(crate) fn is_unharmed(&self) {
        let head = ask(self.log(), "GET", "/get-tree-head", b"");
        assert_eq!(head.status, 200);
        assert!(head.text().starts_with(&format!("size={LEAVES}\n")), "{}", head.text());
    }
}
