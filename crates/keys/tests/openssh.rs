//! Keys and the agent client against OpenSSH's own `ssh-keygen`, `ssh-add` and `ssh-agent`.
//!
//! Without OpenSSH these tests say that they skipped; with `CI` set that is a failure.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that goes wrong may panic, and one that is skipped says so"
)]

use sigsum_keys::{
    AgentClient, AgentError, AgentSigner, Ed25519Signer, Existing, KeyFileError, PrivateKeyError,
    SignError, Signer as _, SignerSource, load_service_signer, load_signer, read_public_key,
    write_key_pair,
};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{ffi::OsStr, io::BufRead as _};

/// Whether OpenSSH's tools are there.
fn openssh_is_missing() -> bool {
    let found = |tool| Command::new(tool).arg("-?").output().is_ok();
    if found("ssh-keygen") && found("ssh-add") && found("ssh-agent") {
        return false;
    }
    assert!(std::env::var_os("CI").is_none(), "CI must have OpenSSH (package openssh-client)");
    eprintln!("SKIPPED: no OpenSSH here (package openssh-client)");
    true
}

fn run(program: &str, args: &[&OsStr], socket: Option<&Path>) -> (bool, String) {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).env_remove("SSH_AUTH_SOCK").env_remove("SSH_ASKPASS");
    if let Some(socket) = socket {
        command.env("SSH_AUTH_SOCK", socket);
    }
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

fn keygen(dir: &Path, key_type: &str, passphrase: &str) -> PathBuf {
    let path = dir.join(format!("{key_type}-{}", passphrase.len()));
    let args = ["-q", "-t", key_type, "-N", passphrase, "-C", "a comment", "-f"].map(OsStr::new);
    let (ok, text) = run("ssh-keygen", &[&args, [path.as_os_str()].as_slice()].concat(), None);
    assert!(ok, "{text}");
    path
}

/// A running agent; ends with the test.
struct Agent {
    child: std::process::Child,
    socket: PathBuf,
}

impl Agent {
    fn start(socket: &Path) -> Self {
        let mut child = Command::new("ssh-agent")
            .args([OsStr::new("-D"), OsStr::new("-a"), socket.as_os_str()])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It prints the name of its socket once it listens there.
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self { child, socket: socket.to_owned() }
    }

    fn add(&self, key: &Path) {
        let (ok, text) = run("ssh-add", &["-q".as_ref(), key.as_os_str()], Some(&self.socket));
        assert!(ok, "{text}");
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.socket);
    }
}

#[tokio::test]
async fn our_private_keys_load_into_ssh_agent_which_then_signs_for_us() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ours");
    let ours = Ed25519Signer::generate().unwrap();
    write_key_pair(&path, &ours, Existing::Refuse).unwrap();
    let agent = Agent::start(&dir.path().join("s"));
    agent.add(&path);
    let list = AgentClient::new(&agent.socket).identities().await.unwrap();
    assert_eq!(list.iter().map(|i| i.key).collect::<Vec<_>>(), [Some(ours.public_key())]);

    let loaded = load_signer(&dir.path().join("ours.pub"), Some(&agent.socket)).unwrap();
    assert_eq!(loaded.source, SignerSource::Agent);
    for message in [b"".as_slice(), b"m", &[0xff; 100_000]] {
        let signature = loaded.signer.sign(message).await.unwrap();
        assert!(ours.public_key().verify(message, &signature));
        assert_eq!(signature, ours.sign_now(message));
    }
}

#[tokio::test]
async fn many_signatures_at_once_come_out_right() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = keygen(dir.path(), "ed25519", "");
    let agent = Agent::start(&dir.path().join("s"));
    agent.add(&path);
    let key = read_public_key(&path.with_extension("pub")).unwrap().key;
    let signer = AgentSigner::new(AgentClient::new(&agent.socket), key);
    let tasks: Vec<_> = (0..50u8)
        .map(|n| {
            let signer = signer.clone();
            tokio::spawn(async move { signer.sign(&[n]).await })
        })
        .collect();
    for (n, task) in (0u8..).zip(tasks) {
        assert!(key.verify(&[n], &task.await.unwrap().unwrap()));
    }
}

#[tokio::test]
async fn keys_made_by_ssh_keygen_load_and_agree_with_their_public_half() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = keygen(dir.path(), "ed25519", "");
    let loaded = load_signer(&path, None).unwrap();
    assert_eq!(loaded.source, SignerSource::PrivateFile);
    let key = read_public_key(&path.with_extension("pub")).unwrap().key;
    assert_eq!(loaded.signer.public_key(), key);
    let signature = loaded.signer.sign(b"m").await.unwrap();
    assert!(key.verify(b"m", &signature));
}

#[test]
fn ssh_keygen_derives_the_same_public_key_from_our_private_key() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ours");
    let ours = Ed25519Signer::generate().unwrap();
    write_key_pair(&path, &ours, Existing::Refuse).unwrap();
    let args = ["-y".as_ref(), "-f".as_ref(), path.as_os_str()];
    let (ok, text) = run("ssh-keygen", &args, None);
    assert!(ok, "{text}");
    let line = sigsum_keys::parse_public_key(text.as_bytes()).unwrap();
    assert_eq!(line.key, ours.public_key());
}

#[test]
fn encrypted_keys_and_other_key_types_are_refused_with_a_remedy() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let refused = |path: &Path| match load_signer(path, None) {
        Err(KeyFileError::Private { error, .. }) => error,
        other => panic!("{other:?}"),
    };
    let error = refused(&keygen(dir.path(), "ed25519", "secret"));
    assert!(matches!(error, PrivateKeyError::Encrypted { .. }), "{error}");
    assert!(error.to_string().contains("ssh-add"), "{error}");
    let error = refused(&keygen(dir.path(), "rsa", ""));
    assert_eq!(error, PrivateKeyError::KeyType("ssh-rsa".to_owned()));
    let error = refused(&keygen(dir.path(), "ecdsa", ""));
    assert_eq!(error, PrivateKeyError::KeyType("ecdsa-sha2-nistp256".to_owned()));

    let rsa = dir.path().join("pem");
    let args = ["-q", "-t", "rsa", "-m", "PEM", "-N", "", "-f"].map(OsStr::new);
    let (ok, text) = run("ssh-keygen", &[&args, [rsa.as_os_str()].as_slice()].concat(), None);
    assert!(ok, "{text}");
    assert_eq!(refused(&rsa), PrivateKeyError::PemLabel("RSA PRIVATE KEY".to_owned()));
}

#[tokio::test]
async fn an_encrypted_key_signs_through_the_agent() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = keygen(dir.path(), "ed25519", "secret");
    let agent = Agent::start(&dir.path().join("s"));
    // ssh-add asks a program for the passphrase where there is no terminal.
    let ask = dir.path().join("ask");
    write_program(&ask, "#!/bin/sh\necho secret\n");
    let status = Command::new("ssh-add")
        .args(["-q".as_ref(), path.as_os_str()])
        .env("SSH_AUTH_SOCK", &agent.socket)
        .env("SSH_ASKPASS", &ask)
        .env("SSH_ASKPASS_REQUIRE", "force")
        .stdin(Stdio::null())
        .status();
    assert!(status.unwrap().success());
    let loaded = load_signer(&path.with_extension("pub"), Some(&agent.socket)).unwrap();
    assert!(loaded.signer.sign(b"m").await.is_ok());
}

fn write_program(path: &Path, text: &str) {
    use std::{io::Write as _, os::unix::fs::OpenOptionsExt as _};
    let mut file =
        std::fs::File::options().write(true).create_new(true).mode(0o700).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

#[tokio::test]
async fn signing_resumes_when_the_agent_restarts_with_the_key() {
    if openssh_is_missing() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = keygen(dir.path(), "ed25519", "");
    let socket = dir.path().join("s");
    let public = path.with_extension("pub");
    let signer = load_service_signer(&public, Some(&socket)).unwrap().signer;
    let down = signer.sign(b"m").await;
    assert!(matches!(down, Err(SignError::Agent(AgentError::Connect { .. }))), "{down:?}");

    let agent = Agent::start(&socket);
    let no_key = signer.sign(b"m").await;
    let missing = AgentError::SignRefused { key_is_missing: true };
    assert_eq!(no_key.unwrap_err().to_string(), missing.to_string());
    agent.add(&path);
    assert!(signer.sign(b"m").await.is_ok());
    drop(agent);

    assert!(signer.sign(b"m").await.is_err());
    let agent = Agent::start(&socket);
    agent.add(&path);
    assert!(signer.sign(b"m").await.is_ok());
}
