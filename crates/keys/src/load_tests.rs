//! Which file becomes which signer, and what refusals say.

use super::*;
use crate::private::write_private_key;
use crate::public::format_public_key;
use crate::seed::SigningSeed;

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed(&SigningSeed::from_bytes([9; 32]))
}

struct Dir(tempfile::TempDir);

impl Dir {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, content: impl AsRef<[u8]>) -> PathBuf {
        use std::io::Write as _;
        let path = self.0.path().join("key");
        std::fs::File::create(&path).unwrap().write_all(content.as_ref()).unwrap();
        path
    }
}

#[test]
fn a_private_key_file_and_a_hex_file_sign_in_memory() {
    let dir = Dir::new();
    let path = dir.file(write_private_key(&signer()).unwrap().as_bytes());
    let loaded = load_signer(&path, None).unwrap();
    assert_eq!(loaded.source, SignerSource::PrivateFile);
    assert_eq!(loaded.signer.public_key(), signer().public_key());
    let path = dir.file("09".repeat(32) + "\n");
    let loaded = load_signer(&path, None).unwrap();
    assert_eq!(loaded.source, SignerSource::HexSeed);
    assert_eq!(loaded.signer.public_key(), signer().public_key());
}

#[test]
fn a_public_key_file_stands_for_the_agent_and_may_name_a_policy() {
    let dir = Dir::new();
    let socket = dir.0.path().join("sock");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let line = format!("sigsum-policy=\"p-1\" {}", format_public_key(&signer().public_key()));
    let path = dir.file(format!("\n {line}\n"));
    let loaded = load_signer(&path, Some(&socket)).unwrap();
    assert_eq!(loaded.source, SignerSource::Agent);
    assert_eq!(loaded.policy_name.as_deref(), Some("p-1"));
    assert_eq!(loaded.signer.public_key(), signer().public_key());
}

#[test]
fn a_public_key_file_needs_an_agent_unless_a_daemon_loads_it() {
    let dir = Dir::new();
    let path = dir.file(format_public_key(&signer().public_key()));
    let prefix = format!(
        "parsing private key file {path:?} failed: only public key available, and no ssh-agent: "
    );
    let error = load_signer(&path, None).unwrap_err().to_string();
    assert_eq!(error, prefix.clone() + "SSH_AUTH_SOCK is not set");
    let socket = dir.0.path().join("none");
    let error = load_signer(&path, Some(&socket)).unwrap_err().to_string();
    assert!(error.starts_with(&prefix) && error.ends_with("no such file or directory"), "{error}");
    assert!(load_service_signer(&path, Some(&socket)).is_ok());
}

#[test]
fn errors_begin_as_those_of_the_go_tools() {
    let dir = Dir::new();
    let missing = dir.0.path().join("missing");
    let error = load_signer(&missing, None).unwrap_err().to_string();
    assert_eq!(error, format!("open {}: no such file or directory", missing.display()));
    let path = dir.file("ssh-rsa AAAA x\n");
    let error = load_signer(&path, None).unwrap_err().to_string();
    assert!(error.starts_with(&format!("parsing private key file {path:?} failed: ")), "{error}");
    let error = read_public_key(&path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("parsing public key file {path:?} failed: unsupported public key type: ssh-rsa")
    );
    let error = read_key_list(&path).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "parse {path:?}: invalid public key on line 1: unsupported public key type: ssh-rsa"
        )
    );
}

#[test]
fn a_private_key_where_a_public_one_is_due_is_refused_without_showing_it() {
    let dir = Dir::new();
    let pem = write_private_key(&signer()).unwrap();
    let path = dir.file(pem.as_bytes());
    for error in [read_public_key(&path).unwrap_err(), read_key_list(&path).unwrap_err()] {
        let text = format!("{error} {error:?}");
        assert!(pem.lines().filter(|l| !l.starts_with('-')).all(|l| !text.contains(l)), "{text}");
    }
    for behind in ["", " word", "\nssh-ed25519 AAAA"] {
        let path = dir.file("09".repeat(32) + behind);
        let error = read_public_key(&path).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("0909"), "{error}");
    }
}

#[test]
fn a_file_above_the_limit_is_not_read_to_its_end() {
    let dir = Dir::new();
    let path = dir.file("");
    let file = std::fs::File::options().write(true).open(&path).unwrap();
    file.set_len(MAX_KEY_FILE_BYTES + 1).unwrap();
    let error = read_key_list(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::TooLarge { .. }), "{error}");
    file.set_len(MAX_KEY_FILE_BYTES).unwrap();
    let error = read_key_list(&path).unwrap_err();
    assert!(matches!(error, KeyFileError::List { .. }), "{error}");
}

#[test]
fn an_agent_that_accepts_no_connection_is_given_up() {
    use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind, listen, socket};
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("agent");
    let stuck = socket(AddressFamily::UNIX, SocketType::STREAM, None).unwrap();
    bind(&stuck, &SocketAddrUnix::new(&path).unwrap()).unwrap();
    listen(&stuck, 0).unwrap();
    // With room for none, the kernel accepts one for it; the next waits.
    let _first = std::os::unix::net::UnixStream::connect(&path).unwrap();
    let error = reach_agent(&path, Duration::from_millis(50)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::TimedOut);
}
