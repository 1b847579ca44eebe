//! The programs of others that the matrix is about, and their versions. To try newer ones, change the
//! versions here and run `cargo xtask interop`.

use std::fmt;

/// Programs of one Go module that are installed together.
pub(super) struct Peer {
    /// Short name: that of its stamp, its log and, where it has one, its checkout.
    pub(super) name: &'static str,
    /// The Go module.
    pub(super) module: &'static str,
    /// Its version.
    pub(super) version: &'static str,
    /// Packages in the module; the last part is the program's name.
    pub(super) packages: &'static [&'static str],
    /// Build tags, that leave out what nothing here uses.
    pub(super) tags: &'static str,
    /// What of it may come from a checkout.
    pub(super) checkout: Checkout,
    /// The peer without which nothing here uses this one.
    pub(super) only_with: Option<&'static str>,
}

/// What of a peer may come from a directory of checkouts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Checkout {
    /// Nothing.
    Nothing,
    /// sigsum-go, which it uses.
    SigsumGo,
    /// The peer itself.
    Itself,
    /// The peer itself, and sigsum-go, which it uses.
    ItselfWithSigsumGo,
}

impl Checkout {
    /// The checkouts that a peer of this name is built from, where they are there.
    pub(super) fn names(self, peer: &'static str) -> Vec<&'static str> {
        match self {
            Self::Nothing => vec![],
            Self::SigsumGo => vec![SIGSUM_GO],
            Self::Itself => vec![peer],
            Self::ItselfWithSigsumGo => vec![peer, SIGSUM_GO],
        }
    }
}

/// The name under which others refer to sigsum-go.
pub(super) const SIGSUM_GO: &str = "sigsum-go";

/// The module of sigsum-go.
pub(super) const SIGSUM_GO_MODULE: &str = "sigsum.org/sigsum-go";

/// The table, in the order in which they are installed.
pub(super) const PEERS: &[Peer] = &[
    Peer {
        name: SIGSUM_GO,
        module: SIGSUM_GO_MODULE,
        version: "v0.14.0",
        packages: &[
            "cmd/sigsum-key",
            "cmd/sigsum-submit",
            "cmd/sigsum-verify",
            "cmd/sigsum-monitor",
            "cmd/sigsum-policy",
            "cmd/sigsum-token",
            "cmd/sigsum-witness",
        ],
        tags: "",
        checkout: Checkout::Itself,
        only_with: None,
    },
    Peer {
        name: "log-go",
        module: "sigsum.org/log-go",
        version: "v0.15.2",
        packages: &["cmd/sigsum-log-primary", "cmd/sigsum-log-secondary", "cmd/sigsum-mktree"],
        tags: "",
        checkout: Checkout::ItselfWithSigsumGo,
        only_with: None,
    },
    Peer {
        name: "key-mgmt",
        module: "sigsum.org/key-mgmt",
        version: "v0.2.5",
        packages: &["cmd/sigsum-agent"],
        tags: "",
        checkout: Checkout::Itself,
        only_with: None,
    },
    // Later versions want Go 1.27, the Sigsum modules 1.25.
    Peer {
        name: "torchwood",
        module: "filippo.io/torchwood",
        version: "v0.9.0",
        packages: &["cmd/litewitness", "cmd/litebastion", "cmd/spicy"],
        tags: "",
        checkout: Checkout::Nothing,
        only_with: None,
    },
    // Apart from the others, as it alone uses sigsum-go, which may not be to be had.
    Peer {
        name: "witnessctl",
        module: "filippo.io/torchwood",
        version: "v0.9.0",
        packages: &["cmd/witnessctl"],
        tags: "",
        checkout: Checkout::SigsumGo,
        only_with: None,
    },
    // The version that log-go is built with. The tags leave out the databases that log-go's
    // operators do not use; with them it takes four times as long to compile.
    Peer {
        name: "trillian",
        module: "github.com/google/trillian",
        version: "v1.7.3",
        packages: &["cmd/trillian_log_server", "cmd/trillian_log_signer", "cmd/createtree"],
        tags: "mysql,etcd",
        checkout: Checkout::Nothing,
        only_with: Some("log-go"),
    },
    // The test authority of Let's Encrypt, and a name server for it.
    Peer {
        name: "pebble",
        module: "github.com/letsencrypt/pebble/v2",
        version: "v2.10.1",
        packages: &["cmd/pebble", "cmd/pebble-challtestsrv"],
        tags: "",
        checkout: Checkout::Nothing,
        only_with: None,
    },
];

impl Peer {
    /// The names of its programs.
    pub(super) fn programs(&self) -> impl Iterator<Item = &'static str> {
        self.packages.iter().map(|package| package.rsplit('/').next().unwrap_or(package))
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let programs: Vec<_> = self.programs().collect();
        write!(f, "{} {} ({})", self.module, self.version, programs.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_named_by_the_last_part_of_their_package() {
        let names = |peer: &Peer| peer.programs().collect::<Vec<_>>();
        assert!(PEERS.iter().any(|peer| names(peer) == ["sigsum-agent"]));
    }

    #[test]
    fn no_two_peers_bring_the_same_program() {
        let mut names: Vec<_> = PEERS.iter().flat_map(Peer::programs).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }

    #[test]
    fn what_a_peer_depends_on_is_installed_before_it() {
        for (at, peer) in PEERS.iter().enumerate() {
            let before = || PEERS.iter().take(at).map(|peer| peer.name);
            assert!(peer.only_with.is_none_or(|name| before().any(|it| it == name)));
        }
    }
}
