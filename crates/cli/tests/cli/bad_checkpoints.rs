//! Requests that a witness must not cosign, sent to one that is a process of its own.

use crate::harness::{Daemon, Sandbox};
use crate::signed_log::SignedLog;
use crate::wire::{Answer, ask};
use std::sync::{Arc, Mutex, Weak};

/// A witness that has cosigned size 5 of its log.
struct Lab {
    log: SignedLog,
    daemon: Daemon,
    _sandbox: Sandbox,
}

impl Lab {
    fn shared() -> Arc<Self> {
        static RUNNING: Mutex<Weak<Lab>> = Mutex::new(Weak::new());
        let mut running = RUNNING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(lab) = running.upgrade() {
            return lab;
        }
        let lab = Arc::new(Self::start());
        *running = Arc::downgrade(&lab);
        lab
    }

    fn start() -> Self {
        let (sandbox, log) = (Sandbox::new(), SignedLog::new(1, "true", 16));
        sandbox.key("w");
        sandbox.run(&["witness", "init", "--data-dir", "state", "-k", "w"]).ok();
        let key = log.key_hex();
        sandbox.run(&["witness", "add-log", "--data-dir", "state", "--sigsum-key", &key]).ok();
        let daemon = sandbox.daemon(&[
            "witness",
            "run",
            "--data-dir",
            "state",
            "-k",
            "w",
            "--listen",
            "127.0.0.1:0",
        ]);
        let lab = Self { log, daemon, _sandbox: sandbox };
        assert_eq!(lab.post(lab.body(0, 5)).status, 200);
        lab
    }

    fn body(&self, old: u64, new: u64) -> String {
        String::from_utf8(self.log.request(old, new).to_body()).unwrap()
    }

    fn post(&self, body: impl AsRef<[u8]>) -> Answer {
        ask(&self.daemon.url, "POST", "/add-checkpoint", body.as_ref())
    }
}

#[track_caller]
fn is_refused(status: u16, text: &str, body: impl FnOnce(&Lab) -> Vec<u8>) {
    let lab = Lab::shared();
    let answer = lab.post(body(&lab));
    assert_eq!(answer.status, status, "{}", answer.text());
    assert!(answer.text().contains(text), "{:?} lacks {text:?}", answer.text());
    assert!(!answer.text().contains('\u{2014}'), "signed: {}", answer.text());
    // It stays where it was.
    let again = lab.post(lab.body(5, 5));
    assert_eq!(again.status, 200, "{}", again.text());
}

/// One test for each way in which a request is wrong.
macro_rules! refused {
    ($($name:ident: $status:literal, $text:literal, $change:expr;)*) => {
        $(#[test]
        fn $name() {
            is_refused($status, $text, |lab| {
                let change: fn(&Lab) -> String = $change;
                change(lab).into_bytes()
            });
        })*
    };
}

refused! {
    an_empty_body: 400, "", |_| String::new();
    a_body_without_old: 400, "", |lab| lab.body(5, 6).replacen("old 5\n", "", 1);
    old_twice: 400, "", |lab| lab.body(5, 6).replacen("old 5\n", "old 5\nold 5\n", 1);
    old_with_a_plus: 400, "", |lab| lab.body(5, 6).replacen("old 5", "old +5", 1);
    old_with_a_leading_zero: 400, "", |lab| lab.body(5, 6).replacen("old 5", "old 05", 1);
    old_of_two_to_63: 400, "", |lab| lab.body(5, 6).replacen("old 5", "old 9223372036854775808", 1);
    crlf: 400, "", |lab| lab.body(5, 6).replace('\n', "\r\n");
    a_proof_line_that_is_no_base64: 400, "", |lab| lab.body(5, 6).replacen("old 5\n", "old 5\n!\n", 1);
    a_proof_line_of_31_bytes: 400, "", |lab| {
        let line = "A".repeat(40) + "AA==";
        lab.body(5, 6).replacen("old 5\n", &format!("old 5\n{line}\n"), 1)
    };
    a_proof_of_64_lines: 400, "", |lab| {
        let line = "A".repeat(43) + "=\n";
        lab.body(5, 6).replacen("old 5\n", &("old 5\n".to_owned() + &line.repeat(64)), 1)
    };
    a_checkpoint_without_signatures: 400, "", |lab| {
        lab.body(5, 6).split('\u{2014}').next().unwrap().to_owned()
    };
    a_signature_line_that_is_malformed: 400, "", |lab| lab.body(5, 6) + "\u{2014} name !\n";
    a_size_with_a_leading_zero: 400, "", |lab| lab.body(5, 6).replacen("\n6\n", "\n06\n", 1);
    no_final_newline: 400, "", |lab| lab.body(5, 6).trim_end().to_owned();
    a_byte_behind: 400, "", |lab| lab.body(5, 6) + "x";
    an_unknown_origin: 404, "unknown log", |_| {
        String::from_utf8(SignedLog::new(2, "true", 16).request(0, 1).to_body()).unwrap()
    };
    a_signature_of_another_key: 403, "", |lab| {
        let other = SignedLog::new(2, "true", 16).checkpoint(6).signatures[0].to_string();
        let body = lab.body(5, 6);
        body.split('\u{2014}').next().unwrap().to_owned() + &other + "\n"
    };
    a_signature_over_another_text: 403, "does not verify", |lab| {
        let line = lab.log.checkpoint(7).signatures[0].to_string();
        lab.body(5, 6).split('\u{2014}').next().unwrap().to_owned() + &line + "\n"
    };
    a_bad_signature_behind_a_good_one: 403, "does not verify", |lab| {
        lab.body(5, 6) + &lab.log.checkpoint(7).signatures[0].to_string() + "\n"
    };
    an_old_size_above_the_new_one: 400, "above", |lab| lab.body(7, 6);
    an_old_size_that_is_behind: 409, "5\n", |lab| lab.body(4, 6);
    an_old_size_that_is_ahead: 409, "5\n", |lab| lab.body(6, 7);
    a_smaller_tree: 409, "5\n", |lab| lab.body(3, 4);
    a_missing_proof: 422, "", |lab| {
        let body = lab.body(5, 6);
        "old 5\n\n".to_owned() + body.split_once("\n\n").unwrap().1
    };
    a_proof_with_a_line_too_many: 422, "", |lab| {
        lab.body(5, 6).replacen("\n\n", &("\n".to_owned() + &"A".repeat(43) + "=\n\n"), 1)
    };
    another_tree_of_the_same_size: 422, "another root hash", |_| {
        String::from_utf8(SignedLog::new(1, "fork", 16).request(5, 5).to_body()).unwrap()
    };
    another_tree_that_is_larger: 422, "", |_| {
        String::from_utf8(SignedLog::new(1, "fork", 16).request(5, 6).to_body()).unwrap()
    };
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    is_refused(400, "", |lab| {
        let mut body = lab.body(5, 6).into_bytes();
        body[0] = 0xff;
        body
    });
}

#[test]
fn a_body_that_is_too_long_is_refused() {
    is_refused(413, "longer than", |lab| (lab.body(5, 6) + &"a".repeat(1 << 20)).into_bytes());
}

#[test]
fn a_body_cut_anywhere_is_refused() {
    let lab = Lab::shared();
    let body = lab.body(5, 6);
    let is_whole_lines = |length: usize| body.as_bytes()[..length].ends_with(b"\n");
    for length in (0..body.len()).filter(|length| !is_whole_lines(*length)).step_by(11) {
        let answer = lab.post(&body.as_bytes()[..length]);
        assert_eq!(answer.status, 400, "{length}: {}", answer.text());
    }
}

#[test]
fn a_checkpoint_of_an_unknown_log_is_not_there_to_be_read() {
    let lab = Lab::shared();
    for path in ["/0123/checkpoint", &format!("/{}/checkpoint", "00".repeat(32)), "//checkpoint"] {
        let status = ask(&lab.daemon.url, "GET", path, b"").status;
        assert!(matches!(status, 404 | 301), "{path}: {status}");
    }
}
