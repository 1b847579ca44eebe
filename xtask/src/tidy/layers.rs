//! Rules on who may depend on whom, and on what core may contain.

use std::path::Path;
use std::process::Command;

use cargo_metadata::MetadataCommand;

use super::tree::Tree;
use super::{Finding, Rule, TidyError};

/// The layers, lowest first. A crate may use crates of lower layers only: so nothing points up, and
/// crates of one layer (the roles above all) do not know each other.
const LAYERS: &[&[&str]] = &[
    &["sigsum-core"],
    &["sigsum-api", "sigsum-keys", "sigsum-store", "sigsum-limits"],
    &["sigsum-service", "sigsum-client"],
    &["sigsum-log", "sigsum-witness", "sigsum-monitor"],
    &["sigsum-testnet"],
    &["sigsum-cli"],
    // The load generators run the executable and are a program of their own.
    &["sigsum-bench", "xtask"],
];

/// Who may read arguments.
const CLAP_USERS: &[&str] = &["sigsum-cli", "sigsum-bench", "xtask"];

/// All that core may depend on. Each of them is `no_std`.
const CORE_DEPENDENCIES: &[&str] =
    &["sha2", "ed25519-dalek", "ml-dsa", "base64ct", "base16ct", "thiserror"];

/// One member of the workspace.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) dependencies: Vec<Dependency>,
}

/// One of its dependencies.
pub(super) struct Dependency {
    pub(super) name: String,
    /// Whether only tests use it.
    pub(super) dev: bool,
}

/// The members of the workspace at `root`, as cargo sees them.
pub(super) fn packages(root: &Path) -> Result<Vec<Package>, TidyError> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| TidyError(format!("cargo metadata: {error}")))?;
    let dependency = |it: &cargo_metadata::Dependency| Dependency {
        name: it.name.clone(),
        dev: it.kind == cargo_metadata::DependencyKind::Development,
    };
    let package = |it: &cargo_metadata::Package| Package {
        name: it.name.to_string(),
        dependencies: it.dependencies.iter().map(dependency).collect(),
    };
    Ok(metadata.packages.iter().map(package).collect())
}

/// Every `package feature "name"` that core is built with, itself included.
pub(super) fn core_features(root: &Path) -> Result<String, TidyError> {
    let arguments =
        ["tree", "-p", "sigsum-core", "-e", "normal,features,no-proc-macro", "--prefix", "none"];
    let output = Command::new(crate::cargo())
        .args(arguments)
        .current_dir(root)
        .output()
        .map_err(|error| TidyError(format!("cannot run cargo: {error}")))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(TidyError(format!("cargo tree: {}", text.trim())));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&name))
}

/// Checks directions and clap.
pub(super) fn check(packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let mut found = |message: String| {
            let path = manifest_of(&package.name);
            findings.push(Finding { path, line: 0, rule: Rule::Layers, message });
        };
        let Some(own) = layer(&package.name) else {
            found(format!("{} has no layer: give it one in xtask's tidy", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            let name = &dependency.name;
            if name.starts_with("clap") && !CLAP_USERS.contains(&package.name.as_str()) {
                found(format!("uses {name}: only {} read arguments", CLAP_USERS.join(", ")));
            }
            if layer(name).is_some_and(|theirs| theirs >= own) {
                found(format!("uses {name}, which is not in a layer below"));
            }
        }
    }
    findings
}

/// Checks that core stays `no_std` with the dependencies of its list.
pub(super) fn check_core(tree: &Tree, packages: &[Package], features: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |path: &str, message: String| {
        findings.push(Finding { path: path.to_owned(), line: 0, rule: Rule::Core, message });
    };
    let lib = "crates/core/src/lib.rs";
    let no_std = |text: &str| text.lines().any(|line| line == "#![no_std]");
    if !tree.file(lib).is_some_and(|file| no_std(&file.text)) {
        found(lib, "core is `#![no_std]`, without condition".to_owned());
    }
    let manifest = manifest_of("sigsum-core");
    let core = packages.iter().filter(|package| package.name == "sigsum-core");
    for dependency in core.flat_map(|package| &package.dependencies).filter(|it| !it.dev) {
        if !CORE_DEPENDENCIES.contains(&dependency.name.as_str()) {
            found(&manifest, format!("core must not depend on {}", dependency.name));
        }
    }
    for line in features.lines().filter(|line| line.contains("feature \"std\"")) {
        found(&manifest, format!("core is built with {line}"));
    }
    findings
}

/// Where the manifest of a member is.
fn manifest_of(name: &str) -> String {
    match name.strip_prefix("sigsum-") {
        Some(short) => format!("crates/{short}/Cargo.toml"),
        None => format!("{name}/Cargo.toml"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, dependencies: &[&str]) -> Package {
        let dependency = |name: &&str| Dependency { name: (*name).to_owned(), dev: false };
        Package {
            name: name.to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
        }
    }

    fn is_fine(name: &str, dependency: &str) -> bool {
        check(&[package(name, &[dependency])]).is_empty()
    }

    #[test]
    fn arrows_point_down_only() {
        assert!(is_fine("sigsum-log", "sigsum-core"));
        assert!(is_fine("sigsum-cli", "sigsum-log"));
        assert!(!is_fine("sigsum-core", "sigsum-api"));
        assert!(!is_fine("sigsum-store", "sigsum-service"));
    }

    #[test]
    fn roles_do_not_know_each_other() {
        assert!(!is_fine("sigsum-log", "sigsum-witness"));
        assert!(!is_fine("sigsum-monitor", "sigsum-log"));
        let mut tests = package("sigsum-witness", &["sigsum-log"]);
        for dependency in &mut tests.dependencies {
            dependency.dev = true;
        }
        assert_eq!(check(&[tests]).len(), 1, "not in tests either");
    }

    #[test]
    fn clap_stays_in_the_command_line() {
        assert!(is_fine("sigsum-cli", "clap"));
        assert!(is_fine("xtask", "clap"));
        assert!(!is_fine("sigsum-log", "clap"));
        assert!(!is_fine("sigsum-service", "clap_builder"));
    }

    #[test]
    fn a_new_crate_needs_a_layer() {
        assert!(!is_fine("sigsum-new", "sha2"));
    }

    fn core_findings(lib: &str, dependency: &str, features: &str) -> usize {
        let tree = Tree::of(&[("crates/core/src/lib.rs", lib)]);
        check_core(&tree, &[package("sigsum-core", &[dependency])], features).len()
    }

    #[test]
    fn core_is_no_std_and_small() {
        let lib = "//! Doc.\n#![no_std]\n";
        let features = "sha2 feature \"alloc\"\nsha2 v1\n";
        assert_eq!(core_findings(lib, "sha2", features), 0);
        assert_eq!(core_findings("//! Doc.\n", "sha2", features), 1);
        let conditional = "//! Doc.\n#![cfg_attr(a, no_std)]\n";
        assert_eq!(core_findings(conditional, "sha2", features), 1);
        assert_eq!(core_findings(lib, "serde", features), 1);
        assert_eq!(core_findings(lib, "sha2", "sha2 feature \"std\"\n"), 1);
    }
}
