//! A machine for one test: systemd as process 1 of namespaces of its own, over this machine's files
//! with a layer in memory on top, a loopback network of its own, the few devices that any program
//! needs, and settings of the kernel that it can read only. Whatever is done there is gone with it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// A machine that is not up by then will not come up; it takes seconds, and a busy host gets more.
const BOOT_LIMIT: Duration = Duration::from_secs(300);
/// A command that has not ended by then is given up.
const COMMAND_LIMIT_S: u32 = 120;
/// Where the package and the files of the walk are.
const DIRECTORY: &str = "/srv/walk";

/// Moves itself to a control group of its own and then into the namespaces.
const OUTER: &str = r#"
set -e
group=/sys/fs/cgroup/systemd
[ -d "$group" ] || group=/sys/fs/cgroup
mkdir "$group/sigsum-$$"
echo $$ > "$group/sigsum-$$/cgroup.procs"
exec unshare --cgroup --mount --pid --fork --uts --ipc --net sh -c "$0" sh "$@"
"#;

/// Makes a control group as the machine does, moves a process there, and removes it.
const GROUP: &str = r#"
set -e
group=/sys/fs/cgroup/systemd
[ -d "$group" ] || group=/sys/fs/cgroup
mkdir "$group/sigsum-probe-$$"
trap 'for try in 1 2 3 4 5 6 7 8 9 10; do rmdir "$group/sigsum-probe-$$" 2>/dev/null && break; sleep 0.1; done' EXIT
sh -c 'echo $$ > "$0/cgroup.procs"' "$group/sigsum-probe-$$"
"#;

/// Becomes the machine. The layer is in memory, and so goes away with the mount namespace.
const INNER: &str = r#"
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
root=/mnt/root
mkdir -p "$root/srv/walk"
cp "$1" "$root/srv/walk/"
# It may be mounted here, and so not be in the layer.
cp /etc/hosts "$root/etc/hosts"
mount -t proc proc "$root/proc"
mount -t sysfs -o ro sysfs "$root/sys"
if [ -d /sys/fs/cgroup/systemd ]; then
    mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd,xattr cgroup "$root/sys/fs/cgroup/systemd"
else
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
if [ -e "$root/proc/sysrq-trigger" ]; then
    mount --bind /dev/null "$root/proc/sysrq-trigger"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for node in null zero full random urandom tty console; do
    [ -e "/dev/$node" ] || continue
    touch "$root/dev/$node"
    mount --bind "/dev/$node" "$root/dev/$node"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$root/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
ln -s pts/ptmx "$root/dev/ptmx"
ln -s /proc/self/fd "$root/dev/fd"
for number in 0:stdin 1:stdout 2:stderr; do
    ln -s "/proc/self/fd/${number%%:*}" "$root/dev/${number#*:}"
done
# As on a machine that has booted: what systemd mounts for a service it finds again.
mount --make-rshared "$root"
exec chroot "$root" /usr/bin/env -i container=namespaces PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=basic.target --log-target=console
"#;

/// What has to be there.
const NEEDED: &[&str] = &[
    "/lib/systemd/systemd",
    "/usr/bin/unshare",
    "/usr/bin/nsenter",
    "/usr/bin/apt",
    "/usr/bin/curl",
    "/usr/sbin/runuser",
];

/// A machine that is up. It is gone when this is dropped.
pub(super) struct Machine {
    outer: Child,
    init: u32,
    /// What it said while it booted.
    said: Arc<Mutex<Vec<String>>>,
}

impl Machine {
    /// Whether this process may make one, or why not.
    pub(super) fn is_possible() -> Result<(), String> {
        if let Some(missing) = NEEDED.iter().find(|path| !Path::new(path).exists()) {
            return Err(format!("{missing} is missing"));
        }
        let probe = "mount -t tmpfs tmpfs /mnt && mkdir /mnt/u /mnt/w /mnt/m && \
                     mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/u,workdir=/mnt/w /mnt/m";
        let probe = ["--cgroup", "--mount", "--pid", "--fork", "--net", "sh", "-c", probe];
        let what = "namespaces with a layer over the file system are refused";
        good(Command::new("unshare").args(probe), what)?;
        good(Command::new("sh").args(["-c", GROUP]), "control groups are not ours to make")
    }

    /// Boots one, with this file in the directory in which commands are run.
    ///
    /// # Errors
    /// It does not come up, though [`Self::is_possible`] said that it can.
    pub(super) fn boot(file: &Path) -> Result<Self, String> {
        let mut outer = Command::new("sh")
            .args(["-c", OUTER, INNER])
            .arg(file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .map_err(|error| format!("sh: {error}"))?;
        let said = Arc::new(Mutex::new(Vec::new()));
        if let Some(stdout) = outer.stdout.take() {
            let said = Arc::clone(&said);
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    said.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                }
            });
        }
        let mut machine = Self { outer, init: 0, said };
        let until = Instant::now() + BOOT_LIMIT;
        while !machine.is_up() {
            if Instant::now() > until || !matches!(machine.outer.try_wait(), Ok(None)) {
                let said = machine.said.lock().unwrap_or_else(PoisonError::into_inner).join("\n");
                return Err(format!("the machine does not come up:\n{said}"));
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        Ok(machine)
    }

    fn is_up(&mut self) -> bool {
        // The process that `unshare` has forked is process 1 over there.
        let outer = self.outer.id();
        let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children"));
        let first = children.ok().and_then(|list| list.split(' ').next()?.parse().ok());
        let Some(init) = first else { return false };
        self.init = init;
        let command = std::fs::read_to_string(format!("/proc/{init}/comm"));
        command.is_ok_and(|name| name.trim() == "systemd")
            && self.enter("systemctl is-active --quiet basic.target").is_ok_and(|(good, _)| good)
    }

    /// Runs a command line there; whether it was successful, and what it said.
    fn enter(&self, line: &str) -> Result<(bool, String), String> {
        let init = self.init.to_string();
        let script = format!("cd {DIRECTORY}; exec 2>&1; {line}");
        let environment = ["/usr/bin/env", "-i", "HOME=/root", "LANG=C.UTF-8"];
        let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let limit = COMMAND_LIMIT_S.to_string();
        let output = Command::new("nsenter")
            .args(["--target", &init, "--all", "--root", "--wd"])
            .args(environment)
            .args([path, "timeout", &limit, "bash", "-e", "-o", "pipefail", "-c", &script])
            .stdin(Stdio::null())
            .output()
            .map_err(|error| format!("nsenter: {error}"))?;
        Ok((output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned()))
    }

    /// Runs a command there, which must be successful.
    pub(super) fn run(&self, line: &str) -> Result<(), String> {
        println!("# {line}");
        let (good, said) = self.enter(line)?;
        for line in said.lines() {
            println!("    {line}");
        }
        if good {
            return Ok(());
        }
        let units =
            "journalctl --no-pager -n 60 -u 'sigsum-*'; systemctl status --no-pager 'sigsum-*'";
        let (_, units) = self.enter(units)?;
        Err(format!("`{line}` failed:\n{said}\n{units}"))
    }
}

/// Runs a command that must be successful; else says what is not possible, and why.
fn good(command: &mut Command, what: &str) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim())),
        Err(error) => Err(format!("{what}: {error}")),
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Its end is the end of everything in its namespaces.
        if self.init != 0 {
            let _ = Command::new("kill").args(["-KILL", &self.init.to_string()]).status();
        }
        let _ = self.outer.kill();
        let _ = self.outer.wait();
        // What is killed takes a moment to be gone.
        let remove = "for base in /sys/fs/cgroup/systemd /sys/fs/cgroup; do for try in $(seq 50); do \
                      [ -d $base/sigsum-$0 ] || break; \
                      find $base/sigsum-$0 -depth -type d -exec rmdir {} + 2>/dev/null || sleep 0.1; \
                      done; done";
        let _ = Command::new("sh").args(["-c", remove, &self.outer.id().to_string()]).status();
    }
}
