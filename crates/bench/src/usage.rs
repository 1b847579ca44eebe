//! What processes and directories take: processor time, memory, disk blocks.

use crate::failure::Failure;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// Ticks a second in `/proc/PID/stat`: Linux shows 100 on every architecture that Rust's std runs on,
/// whatever the kernel's own clock is.
const TICKS_PER_SECOND: u64 = 100;

/// Bytes of a block in `st_blocks` (POSIX `sys/stat.h`, Linux `stat(2)`).
const BLOCK_BYTES: u64 = 512;

/// Processor time that a process has used, user and system, all threads, those that ended too.
pub(crate) fn cpu_time(pid: u32) -> Result<Duration, Failure> {
    let path = format!("/proc/{pid}/stat");
    let text = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let ticks =
        ticks_in(&text).ok_or_else(|| Failure::server(path, "not as in proc_pid_stat(5)"))?;
    Ok(Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND))
}

/// Processor time of this process.
pub(crate) fn own_cpu_time() -> Result<Duration, Failure> {
    cpu_time(std::process::id())
}

/// Fields 14 and 15; the second may hold anything, parentheses and spaces too.
fn ticks_in(stat: &str) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace().skip(11);
    let mut next = || fields.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

/// Memory of a process in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Memory {
    /// Resident now.
    pub(crate) resident_bytes: u64,
    /// The most that was resident at once.
    pub(crate) peak_bytes: u64,
}

/// Resident memory of a process.
pub(crate) fn memory(pid: u32) -> Result<Memory, Failure> {
    let path = format!("/proc/{pid}/status");
    let text = std::fs::read_to_string(&path).map_err(Failure::file("read", &path))?;
    let field = |name| {
        bytes_in(&text, name).ok_or_else(|| Failure::server(path.clone(), format!("no {name}")))
    };
    Ok(Memory { resident_bytes: field("VmRSS:")?, peak_bytes: field("VmHWM:")? })
}

fn bytes_in(status: &str, name: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = value.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Bytes of all blocks that a directory and everything in it take.
pub(crate) fn disk_bytes(path: &Path) -> Result<u64, Failure> {
    let metadata = path.symlink_metadata().map_err(Failure::file("look at", path))?;
    let mut bytes = metadata.blocks() * BLOCK_BYTES;
    if metadata.is_dir() {
        for entry in path.read_dir().map_err(Failure::file("list", path))? {
            bytes += disk_bytes(&entry.map_err(Failure::file("list", path))?.path())?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_found_behind_any_name() {
        let stat = "42 (a) b (c) S 1 1 1 0 -1 4194304 100 0 0 0 250 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks_in(stat), Some(280));
        assert_eq!(ticks_in("42 (a"), None);
    }

    #[test]
    fn own_usage_can_be_read() {
        assert!(own_cpu_time().is_ok());
        let memory = memory(std::process::id()).unwrap();
        assert!(memory.resident_bytes > 0 && memory.resident_bytes <= memory.peak_bytes);
    }

    #[test]
    fn memory_fields_are_in_kib() {
        assert_eq!(bytes_in("VmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n", "VmRSS:"), Some(1 << 20));
        assert_eq!(bytes_in("VmRSS:\t    1024\n", "VmRSS:"), None);
    }
}
