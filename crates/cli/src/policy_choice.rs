//! Which policy a tool works under: `-p FILE`, `-P NAME`, or the name in the public key file.

use crate::failure::Failure;
use crate::files::read_text_file;
use clap::Args;
use sigsum_client::{NamedPolicies, PolicySource};
use sigsum_core::policy::Policy;
use std::path::{Path, PathBuf};

/// The two policy options that submit, verify and monitor share.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct PolicyOptions {
    /// Policy file: known logs, known witnesses and the quorum
    #[arg(short = 'p', long = "policy", value_name = "POLICY-FILE")]
    pub(crate) file: Option<PathBuf>,
    /// Named policy, built in or installed (see: sigsum policy list)
    #[arg(short = 'P', long = "named-policy", value_name = "POLICY-NAME")]
    pub(crate) name: Option<String>,
}

impl PolicyOptions {
    /// The options exclude each other.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.file.is_some() && self.name.is_some() {
            return Err(Failure::new(
                "The -P (--named-policy) and -p (--policy) options are mutually exclusive.",
            )
            .remedy("keep one of them"));
        }
        Ok(())
    }

    /// Whether one was given.
    pub(crate) fn is_given(&self) -> bool {
        self.file.is_some() || self.name.is_some()
    }

    /// The policy that was chosen: by file, else by name, else by the name in the key file. `None`
    /// where there is neither.
    pub(crate) fn select(&self, name_in_key_file: Option<&str>) -> Result<Option<Policy>, Failure> {
        if let Some(path) = &self.file {
            return from_file(path).map(Some);
        }
        match self.name.as_deref().or(name_in_key_file) {
            Some(name) => from_name(name).map(Some),
            None => Ok(None),
        }
    }
}

/// Policies built in or installed: in `$SIGSUM_POLICY_DIR`, or the system's directory.
pub(crate) fn named_policies() -> NamedPolicies {
    NamedPolicies::new(std::env::var_os("SIGSUM_POLICY_DIR").as_deref())
}

fn from_file(path: &Path) -> Result<Policy, Failure> {
    let text =
        read_text_file(path).map_err(|e| Failure::new(format!("Failed to select policy: {e}")))?;
    Policy::parse_sigsum(&text).map_err(|e| {
        let shown = path.display().to_string();
        Failure::new(format!("Failed to select policy: failed to parse policy file {shown:?}: {e}"))
    })
}

fn from_name(name: &str) -> Result<Policy, Failure> {
    let failed = |e: &dyn std::fmt::Display| {
        Failure::new(format!("Failed to select policy: {e}"))
            .remedy("`sigsum policy list` shows the names that are known here")
    };
    let found = named_policies().read(name).map_err(|e| failed(&e))?;
    if found.source == PolicySource::Builtin {
        crate::say(&format!("[INFO] Found builtin policy '{name:?}'"));
    }
    Policy::parse_sigsum(&found.text).map_err(|e| failed(&e))
}
