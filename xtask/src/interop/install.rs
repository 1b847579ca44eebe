//! Installing peers into `target/peers`: by `go install` at a pinned version, or out of checkouts
//! where their hosts cannot be reached. What is there already stays.

use std::ffi::OsStr;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::InteropError;
use super::peers::{Checkout, Peer, SIGSUM_GO, SIGSUM_GO_MODULE};

/// A directory with checkouts named as the peers are.
const SOURCES_VARIABLE: &str = "SIGSUM_PEER_SOURCES";

/// Longest time for one module. Trillian, the largest, takes two minutes on two busy cores.
const LIMIT: Duration = Duration::from_secs(10 * 60);

/// The language version of generated modules: the one of log-go and sigsum-go.
const GO_VERSION: &str = "1.25.0";

/// Between two looks at whether go has ended.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A module that log-go uses, and what stands in for it where its host cannot be reached.
const SAFEFILE_MODULE: &str = "git.glasklar.is/sigsum/dependencies/safefile";
const SAFEFILE_SOURCE: &str = include_str!("safefile.go");

/// Our own Go program, which answers for `crypto/ed25519`.
const PROBE: &str = "ed25519-verdicts";
const PROBE_SOURCE: &str = "crates/cli/tests/interop/go/ed25519_verdicts.go";

/// Longest reason that is shown; the rest is in the log.
const MAX_REASON_CHARS: usize = 200;

/// How installing ended.
pub(super) enum Got {
    /// It was there, of this version.
    There,
    /// It took so long.
    Installed(Duration),
    /// Its host refuses or cannot be reached, or this machine's Go cannot build it.
    NotToBeHad(String),
    /// A checkout that was asked for does not build.
    Failed(String),
}

impl fmt::Display for Got {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::There => write!(f, "there"),
            Self::Installed(took) => write!(f, "installed in {} s", took.as_secs()),
            Self::NotToBeHad(why) => write!(f, "not to be had: {why}"),
            Self::Failed(why) => write!(f, "FAILED: {why}"),
        }
    }
}

/// Installs into one directory.
pub(super) struct Installer {
    root: PathBuf,
    /// Programs in `bin`, versions in `stamps`, what go said in `logs`, generated modules in `src`.
    peers: PathBuf,
    sources: Option<PathBuf>,
}

impl Installer {
    /// Says where a peer comes from when that is not the host of its module.
    pub(super) fn origin(&self, peer: &Peer) -> String {
        let checkouts = peer.checkout.names(peer.name).into_iter().filter_map(|name| {
            let commit =
                git(&self.checkout(name)?, &["describe", "--tags", "--always", "--dirty"]).ok()?;
            Some(format!("{name} {}", commit.trim()))
        });
        let checkouts: Vec<String> = checkouts.collect();
        match checkouts.is_empty() {
            true => String::new(),
            false => format!(" out of checkouts ({})", checkouts.join(", ")),
        }
    }

    /// Makes the directories, and builds our own program.
    pub(super) fn new(root: &Path, peers: &Path) -> Result<Self, InteropError> {
        for name in ["bin", "stamps", "logs", "src"] {
            make_directory(&peers.join(name))?;
        }
        let sources = std::env::var_os(SOURCES_VARIABLE).map(PathBuf::from);
        let sources = sources.map(std::path::absolute).transpose().map_err(|error| {
            InteropError(format!("{SOURCES_VARIABLE} is no directory: {error}"))
        })?;
        let installer = Self { root: root.to_owned(), peers: peers.to_owned(), sources };
        let program = installer.bin().join(PROBE);
        let args = ["build".as_ref(), "-o".as_ref(), program.as_os_str(), PROBE_SOURCE.as_ref()];
        let built = installer.go(PROBE, &installer.root, &args);
        built.map_err(|why| InteropError(format!("cannot build {PROBE_SOURCE}: {why}")))?;
        Ok(installer)
    }

    /// Where the programs are.
    pub(super) fn bin(&self) -> PathBuf {
        self.peers.join("bin")
    }

    /// Installs a peer unless it is there in this version.
    pub(super) fn install(&self, peer: &Peer) -> Result<Got, InteropError> {
        let begin = Instant::now();
        let wanted = self.stamp_of(peer)?;
        let stamp = self.peers.join("stamps").join(peer.name);
        let are_there = peer.programs().all(|program| self.bin().join(program).is_file());
        let is_fresh = || std::fs::read_to_string(&stamp).ok() == wanted;
        if are_there && wanted.is_some() && is_fresh() {
            return Ok(Got::There);
        }
        // What is half installed has no stamp, and is installed again.
        remove_file(&stamp)?;
        let from_checkout = self.checkout(peer.name).is_some_and(|_| peer.builds_itself());
        let installed = if from_checkout { self.build(peer)? } else { self.fetch(peer)? };
        if let Err(why) = installed {
            self.remove(peer)?;
            return Ok(if from_checkout { Got::Failed(why) } else { Got::NotToBeHad(why) });
        }
        write(&stamp, wanted.as_deref().unwrap_or_default())?;
        Ok(Got::Installed(begin.elapsed()))
    }

    /// Removes what an earlier run has installed, so that nothing else is taken for the pinned
    /// version.
    pub(super) fn remove(&self, peer: &Peer) -> Result<(), InteropError> {
        remove_file(&self.peers.join("stamps").join(peer.name))?;
        peer.programs().try_for_each(|program| remove_file(&self.bin().join(program)))
    }

    /// The checkout of this name, if there is one.
    fn checkout(&self, name: &str) -> Option<PathBuf> {
        self.sources.as_ref().map(|sources| sources.join(name)).filter(|path| path.is_dir())
    }

    /// What the stamp has to say for the peer to be left alone; `None` where a checkout has changes
    /// that no commit names, so that it is always built.
    fn stamp_of(&self, peer: &Peer) -> Result<Option<String>, InteropError> {
        let mut stamp = format!("{}@{} {}", peer.module, peer.version, peer.tags);
        let used = peer.checkout.names(peer.name).into_iter();
        for directory in used.filter_map(|name| self.checkout(name)) {
            if !git(&directory, &["status", "--porcelain"])?.is_empty() {
                return Ok(None);
            }
            let commit = git(&directory, &["rev-parse", "HEAD"])?;
            stamp += &format!("\n{} {}", directory.display(), commit.trim());
        }
        Ok(Some(stamp + "\n"))
    }

    /// Installs the pinned version from the module's host.
    fn fetch(&self, peer: &Peer) -> Result<Result<(), String>, InteropError> {
        let uses_checkout = peer.checkout == Checkout::SigsumGo;
        if let Some(sigsum_go) = self.checkout(SIGSUM_GO).filter(|_| uses_checkout) {
            return self.build_with(peer, &sigsum_go);
        }
        let mut args = vec!["install".to_owned(), format!("-tags={}", peer.tags)];
        let package = |path: &&str| format!("{}/{path}@{}", peer.module, peer.version);
        args.extend(peer.packages.iter().map(package));
        Ok(self.go(peer.name, &self.peers, &args))
    }

    /// Builds the pinned version with a sigsum-go that is checked out: `go install` replaces
    /// nothing, so the programs are built from within a module that does.
    fn build_with(
        &self,
        peer: &Peer,
        sigsum_go: &Path,
    ) -> Result<Result<(), String>, InteropError> {
        let directory = self.peers.join("src").join(peer.name);
        make_directory(&directory)?;
        // Without a version of Go, the modules of all dependencies' dependencies would be read.
        let text = format!(
            "module peers\n\ngo {GO_VERSION}\n\nrequire {} {}\n\nreplace {SIGSUM_GO_MODULE} => {}\n",
            peer.module,
            peer.version,
            sigsum_go.display()
        );
        write(&directory.join("go.mod"), &text)?;
        let package = |path: &&str| format!("{}/{path}", peer.module);
        Ok(self.go(peer.name, &directory, &self.build_args(peer, &[], package)))
    }

    /// Builds a checkout.
    fn build(&self, peer: &Peer) -> Result<Result<(), String>, InteropError> {
        let Some(directory) = self.checkout(peer.name) else {
            return Ok(Err("its checkout is gone".to_owned()));
        };
        let package = |path: &&str| format!("./{path}");
        if peer.checkout != Checkout::ItselfWithSigsumGo {
            return Ok(self.go(peer.name, &directory, &self.build_args(peer, &[], package)));
        }
        // A copy of its go.mod, so that the checkout stays as it is.
        let file = self.peers.join("src").join(format!("{}.mod", peer.name));
        copy(&directory.join("go.mod"), &file)?;
        copy(&directory.join("go.sum"), &file.with_extension("sum"))?;
        let mut edit = vec!["mod".to_owned(), "edit".to_owned()];
        if let Some(sigsum_go) = self.checkout(SIGSUM_GO) {
            edit.push(format!("-replace={SIGSUM_GO_MODULE}={}", sigsum_go.display()));
        }
        if let Some(stand_in) = self.stand_in_for_safefile(&directory)? {
            edit.push(format!("-replace={SAFEFILE_MODULE}={}", stand_in.display()));
        }
        let file = file.display().to_string();
        edit.push(file.clone());
        if let Err(why) = self.go(peer.name, &directory, &edit) {
            return Ok(Err(why));
        }
        let args = self.build_args(peer, &[format!("-modfile={file}")], package);
        Ok(self.go(peer.name, &directory, &args))
    }

    fn build_args(
        &self,
        peer: &Peer,
        more: &[String],
        package: impl Fn(&&str) -> String,
    ) -> Vec<String> {
        let mut args = ["build", "-mod=mod", "-buildvcs=false", "-o"].map(str::to_owned).to_vec();
        args.push(format!("{}/", self.bin().display()));
        args.push(format!("-tags={}", peer.tags));
        args.extend_from_slice(more);
        args.extend(peer.packages.iter().map(package));
        args
    }

    /// A module to build log-go with where the one that it wants cannot be had.
    fn stand_in_for_safefile(&self, log_go: &Path) -> Result<Option<PathBuf>, InteropError> {
        let args = ["mod", "download", SAFEFILE_MODULE];
        if self.go("safefile", log_go, &args).is_ok() {
            return Ok(None);
        }
        let directory = self.peers.join("src").join("safefile");
        make_directory(&directory)?;
        write(&directory.join("safefile.go"), SAFEFILE_SOURCE)?;
        write(
            &directory.join("go.mod"),
            &format!("module {SAFEFILE_MODULE}\n\ngo {GO_VERSION}\n"),
        )?;
        Ok(Some(directory))
    }

    /// Runs go. What it says goes into a file; the error is one line of it.
    fn go<A: AsRef<OsStr>>(&self, name: &str, directory: &Path, args: &[A]) -> Result<(), String> {
        let path = self.peers.join("logs").join(name);
        let open = std::fs::File::create(&path).and_then(|log| Ok((log.try_clone()?, log)));
        let (stdout, stderr) = open.map_err(|error| format!("{}: {error}", path.display()))?;
        let mut command = Command::new("go");
        command.args(args).current_dir(directory).env("GOBIN", self.bin()).env("GOWORK", "off");
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
        if within(LIMIT, &mut command).map_err(|error| format!("cannot run go: {error}"))? {
            return Ok(());
        }
        let said = std::fs::read(&path).unwrap_or_default();
        Err(reason(&String::from_utf8_lossy(&said)))
    }
}

impl Peer {
    fn builds_itself(&self) -> bool {
        matches!(self.checkout, Checkout::Itself | Checkout::ItselfWithSigsumGo)
    }
}

/// Whether the command ends well before the limit.
fn within(limit: Duration, command: &mut Command) -> std::io::Result<bool> {
    let until = Instant::now() + limit;
    let mut child = command.spawn()?;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status.success());
        }
        if Instant::now() > until {
            child.kill()?;
            child.wait()?;
            return Ok(false);
        }
        std::thread::sleep(LOOK_INTERVAL);
    }
}

/// The line that says why, out of what go said before it failed.
fn reason(said: &str) -> String {
    let tells = |line: &&str| {
        let is_progress = ["go: downloading ", "go: finding ", "#"];
        !line.trim().is_empty() && !is_progress.iter().any(|start| line.starts_with(start))
    };
    let Some(line) = said.lines().find(tells) else {
        return format!("it did not end well within {} minutes", LIMIT.as_secs() / 60);
    };
    let line = line.trim().trim_start_matches("go: ");
    // In front of what it could not read go has the package, twice.
    let line = line.find("reading http").and_then(|start| line.get(start..)).unwrap_or(line);
    let short: String = line.chars().take(MAX_REASON_CHARS).collect();
    if short.len() < line.len() { short + " ..." } else { short }
}

fn git(directory: &Path, args: &[&str]) -> Result<String, InteropError> {
    let failed = |how: String| InteropError(format!("git in {}: {how}", directory.display()));
    let output = Command::new("git").args(args).current_dir(directory).output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).trim().to_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn make_directory(path: &Path) -> Result<(), InteropError> {
    let failed = |error| InteropError(format!("{}: {error}", path.display()));
    std::fs::create_dir_all(path).map_err(failed)
}

#[allow(clippy::disallowed_methods, reason = "what is half written is written again")]
fn write(path: &Path, text: &str) -> Result<(), InteropError> {
    std::fs::write(path, text).map_err(|error| InteropError(format!("{}: {error}", path.display())))
}

fn remove_file(path: &Path) -> Result<(), InteropError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(InteropError(format!("{}: {error}", path.display())))
        }
        _ => Ok(()),
    }
}

fn copy(from: &Path, to: &Path) -> Result<(), InteropError> {
    let copied = std::fs::copy(from, to);
    copied.map(drop).map_err(|error| InteropError(format!("{}: {error}", from.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_the_first_line_that_is_not_progress() {
        let said = "go: downloading a v1\n\n# a/b\ngo: a@v1: 403 Forbidden\nmore\n";
        assert_eq!(reason(said), "a@v1: 403 Forbidden");
        let refused = "go: a/b@v1: a/b@v1: reading https://a.example/b: 403 Forbidden\n";
        assert_eq!(reason(refused), "reading https://a.example/b: 403 Forbidden");
        assert!(reason("go: downloading a v1\n").contains("minutes"));
        assert!(reason(&"é".repeat(300)).ends_with("é ..."));
    }

    #[test]
    fn a_command_that_takes_too_long_is_ended() {
        let mut endless = Command::new("sh");
        endless.args(["-c", "while true; do read nothing; done < /dev/zero"]);
        assert!(!within(Duration::from_millis(10), &mut endless).unwrap());
        assert!(within(LIMIT, &mut Command::new("true")).unwrap());
        assert!(!within(LIMIT, &mut Command::new("false")).unwrap());
    }
}
