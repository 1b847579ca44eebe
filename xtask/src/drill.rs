//! `cargo xtask drill`: a log loses its primary, in rehearsal. `crates/bench` does it in network
//! namespaces, which only root can make.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::measure;

/// The argument for the drill that is among the cells of `cargo xtask interop`.
pub(crate) const MIGRATION: &str = "--migration";
/// Which of them.
pub(crate) const MIGRATION_CELLS: &str = "migration::";

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
        .and_then(|()| ip(&["netns", "exec", &name, "true"]))
        .and_then(|()| ip(&["link", "add", &name, "type", "bridge"]))
        .and_then(|()| ip(&["link", "del", &name]))
        .and_then(|()| ip(&["link", "add", &name, "type", "veth"]))
        .and_then(|()| ip(&["link", "del", &name]));
    let _ = ip(&["netns", "del", &name]); // where it was made
    made.err().map(|why| format!("network namespaces and bridges cannot be made ({why})"))
}

/// Runs the drills where this machine can. True if none failed.
pub(crate) fn run(root: &Path, arguments: &[OsString]) -> Result<bool, measure::MeasureError> {
    match missing() {
        Some(why) => {
            println!("skipped: the drills: {why}");
            Ok(true)
        }
        None => measure::run(root, "drill", arguments),
    }
}
