//! `sigsum token` and sigsum-token.

use crate::both::Both;
use crate::dns::NameServer;

/// A rate-limit key and the keys of two logs.
fn keys() -> Option<Both> {
    let both = Both::new("token")?;
    for name in ["rate", "log", "other"] {
        both.sandbox.key(name);
    }
    Some(both)
}

#[test]
fn tokens_are_the_same_and_each_verifies_the_others() {
    let Some(both) = keys() else { return };
    let create = ["create", "-k", "rate", "-l", "log.pub"];
    let token = both.agree(&create, b"");
    assert_eq!(both.write_the_same(&create, b""), token);
    let verify = |key, log| ["verify", "-k", key, "-l", log];
    assert_eq!(both.agree(&verify("rate.pub", "log.pub"), token.as_bytes()), "");
    for (key, log) in [("other.pub", "log.pub"), ("rate.pub", "other.pub")] {
        let text = "Verifying using given key failed";
        both.refuse(&verify(key, log), token.as_bytes(), text);
    }
}

#[test]
fn headers_are_the_same() {
    let Some(both) = keys() else { return };
    for domain in ["example.org", "xn--rksmrgs-5wao1o.example"] {
        let header = both.agree(&["create", "-k", "rate", "-l", "log.pub", "-d", domain], b"");
        assert!(header.starts_with(&format!("sigsum-token: {domain} ")), "{header}");
    }
}

#[test]
fn a_key_in_dns_verifies_headers_and_tokens_of_its_domain_alone() {
    let Some(mut both) = keys() else { return };
    let create = |key, domain| ["create", "-k", key, "-l", "log.pub", "-d", domain];
    let [good, other_key, other_domain] =
        [("rate", "example.org"), ("other", "example.org"), ("rate", "example.com")]
            .map(|(key, domain)| both.agree(&create(key, domain), b""));
    let Some(server) = NameServer::start(&both.sandbox, "example.org", "rate") else { return };
    both.ask(server);
    let verify = ["verify", "-l", "log.pub"];
    assert_eq!(both.agree(&verify, good.as_bytes()), "");
    let token = good.rsplit(' ').next().unwrap().as_bytes();
    let with_domain = ["verify", "-l", "log.pub", "-d", "example.org"];
    assert_eq!(both.agree(&with_domain, token), "");
    let text = "Verifying with domain \"example.org\" failed: ";
    both.refuse(&verify, other_key.as_bytes(), text);
    let text = "Verifying with domain \"example.com\" failed: ";
    both.refuse(&verify, other_domain.as_bytes(), text);
    both.refuse(&["verify", "-l", "other.pub"], good.as_bytes(), "Verifying with domain");
}

#[test]
fn malformed_headers_are_refused_by_both() {
    let Some(both) = keys() else { return };
    let args = ["create", "-k", "rate", "-l", "log.pub", "-d", "example.org"];
    let header = both.agree(&args, b"");
    let verify = ["verify", "-l", "log.pub", "-k", "rate.pub", "-d", "example.com"];
    both.refuse(&verify, header.as_bytes(), "Unexpected domain: \"example.org\"");
    let renamed = header.replacen("sigsum-token", "cookie", 1);
    let text = "Invalid header, expected a Sigsum-Token:-line";
    both.refuse(&verify, renamed.as_bytes(), text);
    let spaced = header.replacen("example.org ", "example.org  ", 1);
    both.refuse(&verify, spaced.as_bytes(), "Invalid Sigsum-Token value");
    both.refuse(&["verify", "-l", "log.pub", "-k", "rate.pub"], b"0123\n", "");
}

#[test]
fn dns_records_are_the_same() {
    let Some(both) = keys() else { return };
    let record = ["record", "-k", "rate.pub"];
    let printed = both.agree(&record, b"");
    assert!(printed.starts_with("_sigsum_v1 IN TXT \""), "{printed}");
    assert_eq!(both.write_the_same(&record, b""), printed);
}
