//! Policies put together entry by entry, with the rules that both formats share.

use super::entity::{PolicyLog, PolicyWitness};
use super::error::{NameUse, PolicyErrorKind};
use super::quorum::{Group, Member, Quorum, Target};
use super::text::PolicyText;
use super::{MAX_GROUPS, MAX_LOGS, MAX_WITNESSES, Policy};
use alloc::{collections::BTreeMap, vec::Vec};

/// How many members of a group suffice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threshold {
    /// One.
    Any,
    /// Every one.
    All,
    /// This many, from one to the number of members.
    AtLeast(usize),
}

/// A policy in the making. Entries have to be added before they are referred to.
#[derive(Debug, Clone, Default)]
pub struct PolicyBuilder {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    groups: Vec<Group>,
    names: BTreeMap<PolicyText, Target>,
    /// Members, and the groups that have them.
    members: BTreeMap<PolicyText, PolicyText>,
    /// The quorum line: `None` until there is one, `Some(None)` for `none`.
    quorum: Option<Option<Member>>,
}

impl PolicyBuilder {
    /// An empty policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a log.
    ///
    /// # Errors
    /// A key that another log has, the wrong type of key, too many logs.
    pub fn add_log(&mut self, log: PolicyLog) -> Result<&mut Self, PolicyErrorKind> {
        use crate::note::SignatureType::{CosignatureMlDsa44, Ed25519};
        let key = &log.vkey().key;
        if !matches!(key.signature_type(), Ed25519 | CosignatureMlDsa44) {
            return Err(PolicyErrorKind::LogKeyType(key.signature_type()));
        }
        if self.logs.iter().any(|other| other.key_hash() == log.key_hash()) {
            return Err(PolicyErrorKind::DuplicateLog(key.clone()));
        }
        if self.logs.len() >= MAX_LOGS {
            return Err(PolicyErrorKind::TooMany { what: "logs", max: MAX_LOGS });
        }
        self.logs.push(log);
        Ok(self)
    }

    /// Adds a witness.
    ///
    /// # Errors
    /// A name that is taken, a key that another witness has, the wrong type of key, too many
    /// witnesses.
    pub fn add_witness(&mut self, witness: PolicyWitness) -> Result<&mut Self, PolicyErrorKind> {
        use crate::note::SignatureType::{CosignatureEd25519, CosignatureMlDsa44};
        let key = witness.key();
        if !matches!(key.signature_type(), CosignatureEd25519 | CosignatureMlDsa44) {
            return Err(PolicyErrorKind::WitnessKeyType(key.signature_type()));
        }
        self.check_free(witness.name(), NameUse::Witness)?;
        if self.witnesses.iter().any(|other| other.key_hash() == witness.key_hash()) {
            return Err(PolicyErrorKind::DuplicateWitness(key.clone()));
        }
        if self.witnesses.len() >= MAX_WITNESSES {
            return Err(PolicyErrorKind::TooMany { what: "witnesses", max: MAX_WITNESSES });
        }
        self.names.insert(witness.name().clone(), Target::Witness(self.witnesses.len()));
        self.witnesses.push(witness);
        Ok(self)
    }

    /// Adds a group of witnesses and groups.
    ///
    /// # Errors
    /// A name that is taken, a threshold out of range, members that are not defined or members
    /// already, too many groups.
    pub fn add_group(
        &mut self,
        name: PolicyText,
        threshold: Threshold,
        members: Vec<PolicyText>,
    ) -> Result<&mut Self, PolicyErrorKind> {
        let threshold = match threshold {
            Threshold::Any => 1,
            Threshold::All => members.len(),
            Threshold::AtLeast(threshold) => threshold,
        };
        if threshold < 1 || threshold > members.len() {
            return Err(PolicyErrorKind::ThresholdOutOfRange);
        }
        self.check_free(&name, NameUse::Group)?;
        if self.groups.len() >= MAX_GROUPS {
            return Err(PolicyErrorKind::TooMany { what: "groups", max: MAX_GROUPS });
        }
        let members = self.take_members(members, &name)?;
        self.names.insert(name.clone(), Target::Group(self.groups.len()));
        self.groups.push(Group { name, threshold, members });
        Ok(self)
    }

    /// Sets the quorum to a witness, a group, or `none`.
    ///
    /// # Errors
    /// A name that is not defined, a second quorum.
    pub fn set_quorum(&mut self, name: &PolicyText) -> Result<&mut Self, PolicyErrorKind> {
        if self.quorum.is_some() {
            return Err(PolicyErrorKind::QuorumTwice);
        }
        let undefined =
            || PolicyErrorKind::UndefinedName { name: name.clone(), used_for: NameUse::Quorum };
        let rule = if *name == PolicyText::none() {
            None
        } else {
            let target = *self.names.get(name).ok_or_else(undefined)?;
            Some(Member { name: name.clone(), target })
        };
        self.quorum = Some(rule);
        Ok(self)
    }

    /// The finished policy.
    ///
    /// # Errors
    /// [`PolicyErrorKind::NoQuorum`].
    pub fn finish(self) -> Result<Policy, PolicyErrorKind> {
        let rule = self.quorum.ok_or(PolicyErrorKind::NoQuorum)?;
        let quorum = Quorum { groups: self.groups, rule };
        Ok(Policy { logs: self.logs, witnesses: self.witnesses, quorum })
    }

    /// Refuses a name that is defined.
    fn check_free(&self, name: &PolicyText, used_for: NameUse) -> Result<(), PolicyErrorKind> {
        if *name == PolicyText::none() || self.names.contains_key(name) {
            return Err(PolicyErrorKind::DuplicateName { name: name.clone(), used_for });
        }
        Ok(())
    }

    /// Looks members up and takes note that they have a group now; nothing changes on an error.
    fn take_members(
        &mut self,
        names: Vec<PolicyText>,
        group: &PolicyText,
    ) -> Result<Vec<Member>, PolicyErrorKind> {
        let mut members: Vec<Member> = Vec::new();
        let mut own = BTreeMap::new();
        for name in names {
            if name == PolicyText::none() {
                return Err(PolicyErrorKind::NoneAsMember);
            }
            if let Some(other) = self.members.get(&name).or_else(|| own.get(&name)) {
                let group = other.clone();
                return Err(PolicyErrorKind::AlreadyMember { member: name, group });
            }
            let Some(target) = self.names.get(&name).copied() else {
                return Err(PolicyErrorKind::UndefinedName { name, used_for: NameUse::Member });
            };
            own.insert(name.clone(), group.clone());
            members.push(Member { name, target });
        }
        self.members.append(&mut own);
        Ok(members)
    }
}
