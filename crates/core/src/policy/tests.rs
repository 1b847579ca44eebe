//! Policies: building, looking up, limits; generated policies for other tests.

use super::*;
use crate::checkpoint::{Checkpoint, LogSignature, Origin, SignedCheckpoint};
use crate::cosignature::{CosignatureError, Timestamp, ed25519_line, ed25519_message};
use crate::note::testing::{any_name, cosigner, mldsa_cosigner, name, public_key, sign, vkey};
use crate::note::{NoteKey, SignatureLine, Vkey};
use crate::tree_head::TreeHead;
use alloc::{string::ToString, vec};
use proptest::prelude::*;
use proptest::sample::{Index, subsequence};

fn text(text: &str) -> PolicyText {
    text.parse().unwrap()
}

/// Any name or URL.
fn any_text() -> impl Strategy<Value = PolicyText> {
    let octets = prop::collection::vec(any::<u8>(), 1..12);
    prop_oneof![octets, "[a-z#/:.-]{1,20}".prop_map(alloc::string::String::into_bytes)]
        .prop_filter_map("not a name", |octets| PolicyText::new(&octets).ok())
}

/// Adds random groups over 12 witnesses, each member of at most one, and a random quorum.
fn add_groups(mut builder: PolicyBuilder, picks: &[(Index, Index)], quorum: Index) -> Policy {
    let mut free: Vec<PolicyText> = (0..12).map(|i| text(&format!("w{i}"))).collect();
    let mut names = free.clone();
    for ((pick, threshold), number) in picks.iter().zip(0..) {
        let members = free.split_off(free.len() - 1 - pick.index(free.len()));
        let threshold = Threshold::AtLeast(1 + threshold.index(members.len()));
        let group = text(&format!("g{number}"));
        builder.add_group(group.clone(), threshold, members).unwrap();
        names.push(group.clone());
        free.insert(0, group);
    }
    names.push(PolicyText::none());
    builder.set_quorum(quorum.get(&names)).unwrap();
    builder.finish().unwrap()
}

/// Any groups and quorum over 12 witnesses.
fn any_groups() -> impl Strategy<Value = (Vec<(Index, Index)>, Index)> {
    (prop::collection::vec(any::<(Index, Index)>(), 0..6), any::<Index>())
}

/// Any Sigsum policy with 12 witnesses.
pub(crate) fn any_policy() -> impl Strategy<Value = Policy> {
    let logs = subsequence((0..9_u8).collect::<Vec<_>>(), 0..4);
    let urls = prop::collection::vec(prop::option::of(any_text()), 24);
    (logs, urls, any_groups()).prop_map(|(logs, mut urls, (groups, quorum))| {
        let mut builder = PolicyBuilder::new();
        for number in logs {
            let log = PolicyLog::sigsum(&PublicKey::new([number; 32]), urls.pop().flatten());
            builder.add_log(log).unwrap();
        }
        for number in 0..12 {
            let (name, key) = (text(&format!("w{number}")), PublicKey::new([number; 32]));
            builder.add_witness(PolicyWitness::sigsum(name, &key, urls.pop().flatten())).unwrap();
        }
        add_groups(builder, &groups, quorum)
    })
}

/// Any tlog policy with 12 witnesses.
pub(crate) fn any_tlog_policy() -> impl Strategy<Value = Policy> {
    let names = prop::collection::vec(any_name(), 16);
    let urls = prop::collection::vec(prop::option::of(any_text()), 16);
    (names, urls, any_groups()).prop_map(|(names, urls, (groups, quorum))| {
        let mut builder = PolicyBuilder::new();
        for ((name, url), number) in names.into_iter().zip(urls).zip(0..) {
            let ed25519 = PublicKey::new([number; 32]);
            let mldsa = crate::note::MlDsa44PublicKey::new([number; 1312]);
            let key = match (number % 2, number < 12) {
                (0, _) => NoteKey::CosignatureMlDsa44(mldsa.into()),
                (_, true) => NoteKey::CosignatureEd25519(ed25519),
                (_, false) => NoteKey::Ed25519(ed25519),
            };
            let vkey = Vkey { name, key };
            if number < 12 {
                let name = text(&format!("w{number}"));
                builder.add_witness(PolicyWitness::from_vkey(name, vkey, url)).unwrap();
            } else {
                builder.add_log(PolicyLog::from_vkey(vkey, url)).unwrap();
            }
        }
        add_groups(builder, &groups, quorum)
    })
}

fn numbered(number: usize) -> PublicKey {
    PublicKey::new(crate::crypto::sha256(&number.to_be_bytes()))
}

#[test]
fn logs_and_witnesses_are_found_by_key_hash() {
    let policy = Policy::k_of_n(&[public_key(1)], &[public_key(2), public_key(3)], 1).unwrap();
    let log = policy.log_by_key_hash(&public_key(1).key_hash()).unwrap();
    assert_eq!(log.public_key(), Some(&public_key(1)));
    let (index, witness) = policy.witness_by_key_hash(&public_key(3).key_hash()).unwrap();
    assert_eq!((index, witness.public_key()), (1, Some(&public_key(3))));
    assert_eq!(policy.log_by_key_hash(&public_key(2).key_hash()), None);
    assert_eq!(policy.witness_by_key_hash(&public_key(1).key_hash()), None);
}

#[test]
fn k_of_n_needs_a_threshold_in_range() {
    let witnesses = [public_key(1), public_key(2)];
    let error = Err(PolicyErrorKind::ThresholdOutOfRange);
    assert_eq!(Policy::k_of_n(&[], &witnesses, 0), error);
    assert_eq!(Policy::k_of_n(&[], &witnesses, 3), error);
    assert_eq!(Policy::k_of_n(&[], &[], 1), error);
    assert!(Policy::k_of_n(&[], &[], 0).unwrap().quorum().rule().is_none());
}

#[test]
fn as_many_logs_witnesses_and_groups_as_the_limits_are_taken() {
    let mut builder = PolicyBuilder::new();
    for number in 0..MAX_LOGS {
        builder.add_log(PolicyLog::sigsum(&numbered(number), None)).unwrap();
    }
    for number in 0..MAX_WITNESSES {
        let (key, name) = (numbered(number), text(&format!("w{number}")));
        builder.add_witness(PolicyWitness::sigsum(name.clone(), &key, None)).unwrap();
        builder.add_group(text(&format!("g{number}")), Threshold::Any, vec![name]).unwrap();
    }
    let too_many = |what, max| PolicyErrorKind::TooMany { what, max };
    let log = PolicyLog::sigsum(&public_key(1), None);
    assert_eq!(builder.add_log(log).unwrap_err(), too_many("logs", MAX_LOGS));
    let witness = PolicyWitness::sigsum(text("w"), &public_key(1), None);
    let error = builder.add_witness(witness).unwrap_err();
    assert_eq!(error, too_many("witnesses", MAX_WITNESSES));
    let error = builder.add_group(text("g"), Threshold::Any, vec![text("g0")]).unwrap_err();
    assert_eq!(error, too_many("groups", MAX_GROUPS));
    builder.set_quorum(&text("g1")).unwrap();
    let policy = builder.finish().unwrap();
    let written = policy.to_sigsum_text().unwrap();
    assert_eq!(Policy::parse_sigsum(&written), Ok(policy));
}

#[test]
fn names_without_octets_or_with_white_space_cannot_be_built() {
    assert_eq!(PolicyText::new(b""), Err(PolicyTextError::Empty));
    for octet in [b' ', b'\t', b'\n', b'\r', 0, 0x1f, 0x7f] {
        let error = Err(PolicyTextError::Byte(octet));
        assert_eq!(PolicyText::new(&[b'a', octet]), error);
    }
}

#[test]
fn group_that_is_refused_leaves_its_members_free() {
    let mut builder = PolicyBuilder::new();
    builder.add_witness(PolicyWitness::sigsum(text("w"), &public_key(1), None)).unwrap();
    let members = vec![text("w"), text("unknown")];
    assert!(builder.add_group(text("g"), Threshold::Any, members).is_err());
    builder.add_group(text("g"), Threshold::Any, vec![text("w")]).unwrap();
}

#[test]
fn empty_group_is_refused() {
    let error = PolicyBuilder::new().add_group(text("g"), Threshold::All, Vec::new()).unwrap_err();
    assert_eq!(error, PolicyErrorKind::ThresholdOutOfRange);
}

#[test]
fn builder_refuses_keys_of_the_wrong_type() {
    let mut builder = PolicyBuilder::new();
    let log = PolicyLog::from_vkey(cosigner("log", 1), None);
    let error = builder.add_log(log).unwrap_err().to_string();
    assert_eq!(error, "vkey of type 0x04 for a log, expected 0x01 or 0x06");
    let witness = PolicyWitness::from_vkey(text("w"), vkey("w", 1), None);
    assert!(matches!(builder.add_witness(witness), Err(PolicyErrorKind::WitnessKeyType(_))));
}

fn checkpoint(origin: &str) -> Checkpoint {
    Checkpoint::new(Origin::new(origin).unwrap(), TreeHead::empty())
}

#[test]
fn log_verifies_checkpoints_of_its_origin_alone() {
    let log = PolicyLog::from_vkey(vkey("log", 1), None);
    let signed = |origin: &str| {
        let checkpoint = checkpoint(origin);
        let signature = sign(1, checkpoint.to_text().as_bytes()).as_bytes().to_vec();
        let signatures = vec![SignatureLine::new(&vkey("log", 1), signature)];
        SignedCheckpoint { checkpoint, signatures }
    };
    assert_eq!(log.verify(&signed("log")), LogSignature::Valid);
    assert_eq!(log.verify(&signed("other")), LogSignature::Missing);
    let mut altered = signed("log");
    altered.checkpoint.tree_head.size.0 += 1;
    assert_eq!(log.verify(&altered), LogSignature::Invalid);
}

/// A line of the witness with test key 1 under this key name.
fn line(key_name: &str) -> SignatureLine {
    let time = Timestamp::new(5).unwrap();
    let signature = sign(1, &ed25519_message(time, &checkpoint("log")));
    ed25519_line(&name(key_name), &public_key(1), time, &signature)
}

#[test]
fn witness_without_a_key_name_is_found_under_any() {
    let witness = PolicyWitness::sigsum(text("w"), &public_key(1), None);
    for key_name in ["w", "another"] {
        assert!(witness.is_named_in(&line(key_name)));
        let time = witness.verify_line(&line(key_name), &checkpoint("log")).unwrap();
        assert_eq!(time.as_s(), 5);
    }
}

#[test]
fn witness_with_a_vkey_is_found_under_its_key_name() {
    let witness = PolicyWitness::from_vkey(text("w"), cosigner("key-name", 1), None);
    assert!(witness.is_named_in(&line("key-name")));
    assert!(witness.verify_line(&line("key-name"), &checkpoint("log")).is_ok());
    assert!(!witness.is_named_in(&line("w")));
    let verdict = witness.verify_line(&line("w"), &checkpoint("log"));
    assert_eq!(verdict, Err(CosignatureError::OtherKey));
    let other = PolicyWitness::from_vkey(text("w"), mldsa_cosigner("key-name", 1), None);
    assert!(!other.is_named_in(&line("key-name")));
}
