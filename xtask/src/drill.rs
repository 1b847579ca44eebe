//! `cargo xtask drill`: a log loses its primary, and is moved from log-go, in rehearsal.
//!
//! The first is done by `crates/bench` in network namespaces, which only root can make; the second by
//! the tests against the programs of others.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::{interop, measure};

/// Names of the tests that move a log from log-go.
const MIGRATION: &str = "migration";

/// Why there are no drills on this machine; nothing where there are.
pub(crate) fn missing() -> Option<String> {
    let name = format!("sgprobe{}", std::process::id());
    let ip = |words: &[&str]| {
        let output = Command::new("ip").args(words).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("ip (Debian's iproute2): {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        Err(format!("ip {}: {}", words.join(" "), said.trim()))
    };
    let made = ip(&["netns", "add", &name])
        .and_then(|()| ip(&["link", "add", &name, "type", "bridge"]))
        .and_then(|()| ip(&["link", "del", &name]));
    let _ = ip(&["netns", "del", &name]); // where it was made
    made.err().map(|why| format!("network namespaces and bridges cannot be made ({why})"))
}

/// Runs all drills that this machine can. True if none failed.
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<bool, Box<dyn Error>> {
    let fail_over = match missing() {
        Some(why) => {
            println!("skipped: fail-over: {why}");
            true
        }
        None => measure::run(root, "drill", arguments)?,
    };
    if !arguments.is_empty() {
        return Ok(fail_over);
    }
    println!("\nmigration: a log moves from log-go with Trillian");
    let migrated = interop::run(root, &[MIGRATION.to_owned()])?.is_good();
    Ok(fail_over && migrated)
}
