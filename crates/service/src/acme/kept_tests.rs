//! What is kept, and what cannot be used of it.

use rcgen::{CertificateParams, KeyPair};

use super::super::config::LETS_ENCRYPT;
use super::*;

fn config(names: &[&str]) -> AcmeConfig {
    AcmeConfig {
        names: names.iter().map(|name| name.parse().unwrap()).collect(),
        dir: "acme".into(),
        contact: Vec::new(),
        directory_url: LETS_ENCRYPT.to_owned(),
        ca_file: None,
    }
}

/// A key and a certificate of its own, for these names.
fn issued(names: &[&str]) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    (key.serialize_pem(), certificate.pem())
}

fn files(dir: &Path) -> Kept {
    Kept::open(&dir.join("acme")).unwrap()
}

#[test]
fn a_certificate_is_read_as_it_was_kept_and_is_for_its_names_and_authority() {
    let dir = tempfile::tempdir().unwrap();
    let kept = files(dir.path());
    assert!(kept.certificate().unwrap().is_none());
    let (key, chain) = issued(&["a.example", "192.0.2.1"]);
    kept.keep_certificate(LETS_ENCRYPT, &key, &chain).unwrap();
    let read = kept.certificate().unwrap().unwrap();
    assert_eq!(read.certificate, kept.check(LETS_ENCRYPT, &key, &chain).unwrap().certificate);
    assert!(read.is_for(&config(&["a.example"])));
    assert!(read.is_for(&config(&["192.0.2.1", "A.example"])));
    assert!(!read.is_for(&config(&["a.example", "b.example"])), "another name");
    let staging = "https://staging.example/".to_owned();
    assert!(!read.is_for(&AcmeConfig { directory_url: staging, ..config(&["a.example"]) }));
}

#[test]
fn a_certificate_of_another_key_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let kept = files(dir.path());
    let ((_, chain), (other_key, _)) = (issued(&["a.example"]), issued(&["a.example"]));
    let error = kept.check(LETS_ENCRYPT, &other_key, &chain).unwrap_err().to_string();
    assert!(error.contains("is not a key for"), "{error}");
}

#[test]
#[allow(clippy::disallowed_methods, reason = "the files belong to the test")]
fn files_that_are_damaged_are_named_and_no_key_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let kept = files(dir.path());
    let (key, chain) = issued(&["a.example"]);
    let whole = format!("{FROM}{LETS_ENCRYPT}\n{key}{chain}");
    let cut = &whole[..whole.len() / 2];
    for (text, reason) in [("", "begin with"), (&*chain, "begin with"), (cut, "")] {
        std::fs::write(kept.certificate.path(), text).unwrap();
        let error = kept.certificate().unwrap_err().to_string();
        assert!(error.contains("certificate.pem") && error.contains(reason), "{error}");
    }
    let secret = "c2VjcmV0";
    for text in ["", "{}", "[1]", &format!("{{\"credentials\": \"{secret}")] {
        std::fs::write(kept.account.path(), text).unwrap();
        let error = kept.account(LETS_ENCRYPT).err().unwrap().to_string();
        assert!(error.contains("account.json: not an account; remove it"), "{error}");
        assert!(!error.contains(secret), "{error}");
    }
    for (text, times_s) in [("", vec![]), ("1\n2\n", vec![1, 2]), ("x\n-1\n\n7", vec![7])] {
        std::fs::write(kept.orders.path(), text).unwrap();
        assert_eq!(kept.orders(), times_s);
    }
}

fn credentials(id: &str) -> AccountCredentials {
    let text =
        format!(r#"{{"id": "{id}", "key_pkcs8": "AAAA", "directory": "https://{id}.example/"}}"#);
    serde_json::from_str(&text).unwrap()
}

#[test]
fn accounts_at_two_authorities_are_kept_both_and_a_lost_one_stays_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let kept = files(dir.path());
    let at = |url: &str| AcmeConfig { directory_url: url.to_owned(), ..config(&["a.example"]) };
    let (one, two) = ("https://one.example/", "https://two.example/");
    kept.keep_account(&at(one), credentials("one")).unwrap();
    assert!(kept.account(two).unwrap().is_none());
    kept.keep_account(&at(two), credentials("two")).unwrap();
    for (url, id) in [(one, "one"), (two, "two"), (two, "two"), (one, "one")] {
        let known = kept.account(url).unwrap().unwrap();
        let text = serde_json::to_string(&known.credentials).unwrap();
        assert!(text.contains(id), "{text}");
    }
    kept.forget_account().unwrap();
    assert!(kept.account.beside(LOST).exists().unwrap());
    kept.forget_account().unwrap();
    assert!(kept.account.beside(LOST).exists().unwrap(), "what is not there takes nothing away");
    assert!(kept.account(two).unwrap().is_some());
}

#[test]
fn a_directory_is_used_once_and_must_be_writable() {
    let dir = tempfile::tempdir().unwrap();
    let _kept = files(dir.path());
    let second = Kept::open(&dir.path().join("acme")).unwrap_err().to_string();
    assert!(second.contains("locked by another process"), "{second}");
    let missing = Kept::open(&dir.path().join("a/b")).unwrap_err().to_string();
    assert!(missing.contains("a/b: No such file"), "{missing}");
    let file = Kept::open(Path::new("/dev/null")).unwrap_err().to_string();
    assert!(file.contains("/dev/null"), "{file}");
}

#[test]
fn the_times_of_orders_outlast_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    files(dir.path()).keep_orders(&[1_800_000_000, 1_800_000_060]).unwrap();
    assert_eq!(files(dir.path()).orders(), [1_800_000_000, 1_800_000_060]);
}
