//! The Debian package: what goes where, and `dpkg-deb`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files of the repository, where they go, and their modes.
const FILES: &[(&str, &str, u32)] = &[
    ("deploy/systemd/sigsum-log.service", "usr/lib/systemd/system/sigsum-log.service", 0o644),
    (
        "deploy/systemd/sigsum-log-secondary.service",
        "usr/lib/systemd/system/sigsum-log-secondary.service",
        0o644,
    ),
    ("deploy/systemd/sigsum-log.socket", "usr/lib/systemd/system/sigsum-log.socket", 0o644),
    (
        "deploy/systemd/sigsum-witness.service",
        "usr/lib/systemd/system/sigsum-witness.service",
        0o644,
    ),
    ("deploy/sysusers.conf", "usr/lib/sysusers.d/sigsum.conf", 0o644),
    ("deploy/tmpfiles.conf", "usr/lib/tmpfiles.d/sigsum.conf", 0o644),
    ("deploy/etc/config.toml", "etc/sigsum/config.toml", 0o644),
    ("deploy/etc/log-policy", "etc/sigsum/log-policy", 0o644),
    ("deploy/etc/secondary.toml", "etc/sigsum/secondary.toml", 0o644),
    ("deploy/etc/witness.toml", "etc/sigsum/witness.toml", 0o644),
    ("docs/debian.md", "usr/share/doc/sigsum/debian.md", 0o644),
    ("docs/log.md", "usr/share/doc/sigsum/log.md", 0o644),
    ("docs/witness.md", "usr/share/doc/sigsum/witness.md", 0o644),
    ("docs/metrics.md", "usr/share/doc/sigsum/metrics.md", 0o644),
    ("docs/probe.md", "usr/share/doc/sigsum/probe.md", 0o644),
    ("docs/monitor.md", "usr/share/doc/sigsum/monitor.md", 0o644),
    ("docs/tools.md", "usr/share/doc/sigsum/tools.md", 0o644),
    (
        "deploy/prometheus/sigsum.rules.yml",
        "usr/share/doc/sigsum/prometheus/sigsum.rules.yml",
        0o644,
    ),
    ("deploy/prometheus/prometheus.yml", "usr/share/doc/sigsum/prometheus/prometheus.yml", 0o644),
    (
        "deploy/prometheus/grafana-sigsum.json",
        "usr/share/doc/sigsum/prometheus/grafana-sigsum.json",
        0o644,
    ),
    ("CHANGELOG.md", "usr/share/doc/sigsum/CHANGELOG.md", 0o644),
    ("LICENSE-MIT", "usr/share/doc/sigsum/LICENSE-MIT", 0o644),
    ("LICENSE-APACHE", "usr/share/doc/sigsum/LICENSE-APACHE", 0o644),
    ("deploy/debian/postinst", "DEBIAN/postinst", 0o755),
    ("deploy/debian/prerm", "DEBIAN/prerm", 0o755),
    ("deploy/debian/postrm", "DEBIAN/postrm", 0o755),
];

/// Links with the names of the Go tools, for whoever puts this directory into the path: Debian's
/// own packages of those tools have the names in /usr/bin.
const LINKS: &str = "usr/lib/sigsum/go-names";

/// Packs an executable into `out`, and gives the package's path.
pub(super) fn build(root: &Path, program: &Path, out: &Path) -> Result<PathBuf, String> {
    let version = env!("CARGO_PKG_VERSION");
    let architecture = output(Command::new("dpkg").arg("--print-architecture"))?;
    let name = format!("sigsum_{version}_{architecture}");
    let tree = out.join(&name);
    match fs::remove_dir_all(&tree) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(failed(&tree)(error));
        }
        _ => {}
    }
    for (from, to, mode) in FILES {
        place(&root.join(from), &tree.join(to), *mode)?;
    }
    let installed = tree.join("usr/bin/sigsum");
    place(program, &installed, 0o755)?;
    run(Command::new("strip").arg("--strip-unneeded").arg(&installed))?;
    links(&installed, &tree.join(LINKS))?;
    let conffiles: String = FILES
        .iter()
        .filter(|(_, to, _)| to.starts_with("etc/"))
        .map(|(_, to, _)| format!("/{to}\n"))
        .collect();
    write(&tree.join("DEBIAN/conffiles"), &conffiles)?;
    let size = output(Command::new("du").arg("-sk").arg(&tree))?;
    let size_kib = size.split_whitespace().next().unwrap_or("0").to_owned();
    write(&tree.join("DEBIAN/control"), &control(version, &architecture, &size_kib)?)?;
    let package = out.join(format!("{name}.deb"));
    run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&tree).arg(&package))?;
    Ok(package)
}

/// The package's control file. It needs the C library that it was built with, or a later one.
fn control(version: &str, architecture: &str, size_kib: &str) -> Result<String, String> {
    let library = output(Command::new("ldd").arg("--version"))?;
    let library = library.lines().next().and_then(|line| line.split(' ').next_back());
    let library = library.ok_or("ldd does not tell its version")?;
    Ok(format!(
        "Package: sigsum\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: Sigsum maintainers <maintainers@users.noreply.invalid>\n\
         Installed-Size: {size_kib}\n\
         Depends: libc6 (>= {library}), libgcc-s1, systemd\n\
         Recommends: publicsuffix\n\
         Suggests: openssh-client, prometheus\n\
         Section: net\n\
         Priority: optional\n\
         Description: transparency log, witness, monitor and tools of Sigsum\n \
         Sigsum makes each use of a signing key visible. This is one program for every\n \
         role: it runs a log without a database, cosigns logs as a witness, follows them\n \
         as a monitor, submits signed checksums and verifies their proofs offline.\n"
    ))
}

/// Makes the links that the program itself makes, relative to where they will be.
fn links(program: &Path, directory: &Path) -> Result<(), String> {
    fs::create_dir_all(directory).map_err(failed(directory))?;
    run(Command::new(program).arg("links").arg(directory))?;
    for entry in fs::read_dir(directory).map_err(failed(directory))? {
        let path = entry.map_err(failed(directory))?.path();
        fs::remove_file(&path).map_err(failed(&path))?;
        symlink("../../../bin/sigsum", &path).map_err(failed(&path))?;
    }
    Ok(())
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<(), String> {
    let parent = to.parent().unwrap_or(to);
    fs::create_dir_all(parent).map_err(failed(parent))?;
    fs::copy(from, to).map_err(failed(from))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode)).map_err(failed(to))
}

#[allow(clippy::disallowed_methods, reason = "a build's product, made anew each time")]
fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(failed(path))
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let path = path.to_owned();
    move |error| format!("{}: {error}", path.display())
}

fn run(command: &mut Command) -> Result<(), String> {
    output(command).map(drop)
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("cannot run {name}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{name}: {}: {}", output.status, said.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
