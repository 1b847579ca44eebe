//! What our log and a witness of others go through together; the tests name the witness.

use crate::witness_rig::{ForeignWitness, Rig};

/// The first head of all has no leaf.
pub(crate) fn an_empty_tree_is_cosigned(witness: impl ForeignWitness) {
    let rig = Rig::start(witness);
    rig.wait_for_cosigned_head(0);
    rig.assert_witness_has(0);
}

/// Heads grow from size to size, with consistency proofs where they are due.
pub(crate) fn a_quorum_is_reached_and_proofs_verify(witness: impl ForeignWitness) {
    let rig = Rig::start(witness);
    for (size, name) in (1..).zip(["f1", "f2", "f3", "f4", "f5"]) {
        rig.submit(name);
        rig.wait_for_cosigned_head(size);
        rig.assert_witness_has(size);
    }
    for n in 0..40 {
        rig.add_leaf(&format!("g{n}"));
    }
    rig.wait_for_cosigned_head(45);
    rig.assert_witness_has(45);
}

/// Killed and started where it was, with nothing lost.
pub(crate) fn a_restarted_witness_goes_on(witness: impl ForeignWitness) {
    let mut rig = Rig::start(witness);
    rig.submit("f1");
    rig.kill_witness();
    rig.start_witness();
    rig.assert_witness_has(1);
    rig.submit("f2");
    rig.wait_for_cosigned_head(2);
}

/// Stopped and started: it knows from its last head what the witness has.
pub(crate) fn a_restarted_log_goes_on(witness: impl ForeignWitness) {
    let mut rig = Rig::start(witness);
    rig.submit("f1");
    rig.stop_log();
    rig.start_log();
    rig.submit("f2");
    rig.wait_for_cosigned_head(2);
    rig.assert_witness_has(2);
}

/// The log leads by leaves that it took while nobody was there to cosign.
pub(crate) fn a_log_that_grew_alone_is_cosigned_later(witness: impl ForeignWitness) {
    let mut rig = Rig::start(witness);
    rig.submit("f1");
    rig.kill_witness();
    for name in ["f2", "f3", "f4"] {
        rig.add_leaf(name);
    }
    let served = rig.head().unwrap();
    assert_eq!(served.signed.tree_head.size.0, 1, "published without a quorum");
    rig.start_witness();
    rig.wait_for_cosigned_head(4);
    rig.assert_witness_has(4);
}

/// 409 with 0: the witness has lost all it knew.
pub(crate) fn a_witness_that_lost_its_state_is_asked_from_size_0(witness: impl ForeignWitness) {
    let mut rig = Rig::start(witness);
    rig.submit("f1");
    rig.submit("f2");
    rig.kill_witness();
    rig.delete_witness_state();
    rig.prepare_witness();
    rig.start_witness();
    rig.submit("f3");
    rig.wait_for_status(409);
    rig.wait_for_cosigned_head(3);
    rig.assert_witness_has(3);
}

/// 409 with a smaller size: the witness has lost what it knew last.
pub(crate) fn a_witness_that_was_set_back_is_asked_from_there(witness: impl ForeignWitness) {
    let mut rig = Rig::start(witness);
    rig.submit("f1");
    rig.kill_witness();
    rig.save_witness("saved");
    rig.start_witness();
    rig.submit("f2");
    rig.submit("f3");
    rig.kill_witness();
    rig.restore_witness("saved");
    rig.start_witness();
    rig.assert_witness_has(1);
    rig.submit("f4");
    rig.wait_for_status(409);
    rig.wait_for_cosigned_head(4);
    rig.assert_witness_has(4);
}

/// The witness has the log's last head, and the log does not know: it shows that head first.
pub(crate) fn a_witness_that_knows_more_than_the_log_thinks_cosigns_at_once(
    witness: impl ForeignWitness,
) {
    let mut rig = Rig::start(witness);
    rig.stop_log();
    rig.kill_witness();
    rig.delete_witness_state();
    rig.prepare_witness();
    rig.start_witness();
    rig.demand_nothing();
    rig.start_log();
    rig.submit("f1");
    rig.submit("f2");
    rig.hand_checkpoint_to_witness();
    rig.assert_witness_has(2);
    rig.stop_log();
    rig.demand_cosignatures();
    rig.start_log();
    rig.wait_for_cosigned_head(2);
    rig.submit("f3");
    rig.wait_for_cosigned_head(3);
    rig.assert_witness_has(3);
}

/// A log with one leaf, set back from three, and the root hash of the three.
fn log_set_back<W: ForeignWitness>(witness: W) -> Rig<W> {
    let mut rig = Rig::start(witness);
    rig.submit("f1");
    rig.stop_log();
    rig.save_log("saved");
    rig.start_log();
    rig.submit("f2");
    rig.submit("f3");
    rig.stop_log();
    rig.save_log("newest");
    rig.restore_log("saved");
    rig
}

/// 409 with a size that this directory never signed: the log does not start on it. The newest
/// directory goes on.
pub(crate) fn a_log_that_forgot_leaves_is_refused(witness: impl ForeignWitness) {
    let mut rig = log_set_back(witness);
    rig.assert_log_is_refused("knows this log with 3 leaves, this data directory with 1");
    rig.assert_witness_has(3);
    rig.restore_log("newest");
    rig.start_log();
    rig.submit("f4");
    rig.wait_for_cosigned_head(4);
    rig.assert_witness_has(4);
}

/// 422: what grew out of the old directory, unseen by the witness, contradicts what it cosigned.
pub(crate) fn a_log_that_forgot_leaves_and_took_others_is_refused(witness: impl ForeignWitness) {
    let mut rig = log_set_back(witness);
    rig.demand_nothing();
    rig.start_log();
    rig.submit("g2");
    rig.submit("g3");
    rig.stop_log();
    rig.demand_cosignatures();
    rig.assert_log_is_refused("knows another tree of 3 leaves than this data directory");
    rig.assert_witness_has(3);
}
