//! A verdict as one JSON object, for programs.

use serde_json::{Value, json};
use sigsum_core::verify::{SignerState, Verdict, WitnessState};

/// The object; keys are stable.
pub(crate) fn to_json(verdict: &Verdict) -> Value {
    let failures: Vec<String> = verdict.failures().iter().map(ToString::to_string).collect();
    let (leaf, log, tree) = (verdict.leaf(), verdict.log(), verdict.tree());
    let witnesses: Vec<Value> = verdict
        .witnesses()
        .iter()
        .map(|witness| {
            json!({
                "name": witness.name.as_ref().map(ToString::to_string),
                "key_hash": witness.key_hash.to_hex(),
                "state": witness_state(witness.state),
                "time": witness.state.time_s(),
            })
        })
        .collect();
    json!({
        "accepted": verdict.is_accepted(),
        "failures": failures,
        "leaf": {
            "key_hash": leaf.key_hash.to_hex(),
            "leaf_hash": leaf.hash.to_hex(),
            "signature": signer_state(leaf.state),
        },
        "log": {
            "key_hash": log.key_hash.to_hex(),
            "url": log.url,
            "signature": signer_state(log.state),
        },
        "tree": {
            "size": tree.tree_head.size.0,
            "root_hash": tree.tree_head.root_hash.to_hex(),
            "leaf_index": tree.leaf_index.0,
            "inclusion": tree.inclusion.as_ref().err().map_or("valid".to_owned(), ToString::to_string),
        },
        "witnesses": witnesses,
        "quorum": {
            "satisfied": verdict.quorum().is_satisfied(),
            "explanation": verdict.quorum().to_string(),
            "time": verdict.quorum_time_s(),
        },
    })
}

fn signer_state(state: SignerState) -> &'static str {
    match state {
        SignerState::UnknownKey => "unknown key",
        SignerState::InvalidSignature => "invalid",
        SignerState::Valid => "valid",
    }
}

fn witness_state(state: WitnessState) -> &'static str {
    match state {
        WitnessState::Valid { .. } => "valid",
        WitnessState::Invalid { .. } => "invalid",
        WitnessState::Absent => "absent",
        WitnessState::Unknown { .. } => "unknown",
    }
}
