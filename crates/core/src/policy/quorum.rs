//! Which witnesses suffice, and why a given set of them does or does not.

use super::text::PolicyText;
use alloc::{format, string::String, vec, vec::Vec};
use core::fmt;

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A witness, by its index in [`super::Policy::witnesses`].
    Witness(usize),
    /// A group, by its index in [`Quorum::groups`].
    Group(usize),
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: PolicyText,
    /// What it is.
    pub target: Target,
}

/// A group: at least `threshold` of its members have to be satisfied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    pub(super) name: PolicyText,
    pub(super) threshold: usize,
    pub(super) members: Vec<Member>,
}

impl Group {
    /// Its name.
    pub fn name(&self) -> &PolicyText {
        &self.name
    }

    /// How many members suffice; from one to their number.
    pub fn threshold(&self) -> usize {
        self.threshold
    }

    /// The members.
    pub fn members(&self) -> &[Member] {
        &self.members
    }
}

/// The quorum of a policy, and all its groups. A group comes behind the groups that are its members,
/// and no witness or group is a member twice: evaluation is one pass without recursion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quorum {
    pub(super) groups: Vec<Group>,
    pub(super) rule: Option<Member>,
}

impl Quorum {
    /// All groups in the order of their lines, those outside the quorum too.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// The witness or group that the quorum is; `None` where no cosignature is asked for.
    pub fn rule(&self) -> Option<&Member> {
        self.rule.as_ref()
    }

    /// The witnesses that can contribute to the quorum, by index.
    pub fn witnesses(&self) -> Vec<usize> {
        let mut found = Vec::new();
        let mut todo: Vec<Target> = self.rule.iter().map(|member| member.target).collect();
        while let Some(target) = todo.pop() {
            match target {
                Target::Witness(index) => found.push(index),
                Target::Group(index) => {
                    let members = self.groups.get(index).into_iter().flat_map(Group::members);
                    todo.extend(members.map(|member| member.target));
                }
            }
        }
        found.sort_unstable();
        found
    }

    /// Whether the witnesses for which `has` is true suffice.
    #[must_use]
    pub fn is_satisfied(&self, has: &dyn Fn(usize) -> bool) -> bool {
        let groups = self.satisfied_groups(has);
        self.rule.as_ref().is_none_or(|rule| is_satisfied(rule.target, has, &groups))
    }

    /// The latest time such that the cosignatures made then or later suffice; `time_s` gives a
    /// witness's time, if it has cosigned. `None` where there is no quorum, or none is asked for.
    pub fn time_s(&self, time_s: &dyn Fn(usize) -> Option<u64>) -> Option<u64> {
        let mut groups: Vec<Option<u64>> = Vec::new();
        let time_of = |target, groups: &[Option<u64>]| match target {
            Target::Witness(index) => time_s(index),
            Target::Group(index) => groups.get(index).copied().flatten(),
        };
        for group in &self.groups {
            let members = group.members.iter();
            let mut times: Vec<u64> =
                members.filter_map(|member| time_of(member.target, &groups)).collect();
            times.sort_unstable_by(|a, b| b.cmp(a));
            groups.push(times.get(group.threshold.saturating_sub(1)).copied());
        }
        time_of(self.rule.as_ref()?.target, &groups)
    }

    /// Whether the witnesses for which `has` is true suffice, and why.
    pub fn evaluate(&self, has: &dyn Fn(usize) -> bool) -> QuorumReport {
        let satisfied = self.satisfied_groups(has);
        let report = |member: &Member| MemberReport {
            name: member.name.clone(),
            target: member.target,
            satisfied: is_satisfied(member.target, has, &satisfied),
        };
        let mut groups = Vec::new();
        let mut todo: Vec<(Target, usize)> =
            self.rule.iter().map(|member| (member.target, 0)).collect();
        while let Some((target, depth)) = todo.pop() {
            let Target::Group(index) = target else { continue };
            let Some(group) = self.groups.get(index) else { continue };
            let deeper = depth.saturating_add(1);
            todo.extend(group.members.iter().rev().map(|member| (member.target, deeper)));
            groups.push(GroupReport {
                name: group.name.clone(),
                depth,
                threshold: group.threshold,
                members: group.members.iter().map(report).collect(),
            });
        }
        let outcome = match &self.rule {
            None => QuorumOutcome::NothingAsked,
            Some(rule) => QuorumOutcome::Asked(report(rule)),
        };
        QuorumReport { outcome, groups }
    }

    /// Per group, whether it is satisfied.
    fn satisfied_groups(&self, has: &dyn Fn(usize) -> bool) -> Vec<bool> {
        let mut groups = Vec::new();
        for group in &self.groups {
            let members = group.members.iter();
            let count = members.filter(|member| is_satisfied(member.target, has, &groups)).count();
            groups.push(count >= group.threshold);
        }
        groups
    }
}

/// Whether a witness has cosigned or an earlier group is satisfied.
fn is_satisfied(target: Target, has: &dyn Fn(usize) -> bool, groups: &[bool]) -> bool {
    match target {
        Target::Witness(index) => has(index),
        Target::Group(index) => groups.get(index).copied().unwrap_or(false),
    }
}

/// Whether a quorum is there, and what it hangs on. `Display` says it in plain words, one line a
/// group, without a final newline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QuorumReport {
    /// What was asked for.
    pub outcome: QuorumOutcome,
    /// The groups of the quorum, each in front of the groups that are its members.
    pub groups: Vec<GroupReport>,
}

/// What a quorum asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuorumOutcome {
    /// Nothing: `quorum none`.
    NothingAsked,
    /// This witness or group.
    Asked(MemberReport),
}

/// A group of a quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupReport {
    /// Its name.
    pub name: PolicyText,
    /// How many groups it is inside of.
    pub depth: usize,
    /// How many members it needs.
    pub threshold: usize,
    /// Its members.
    pub members: Vec<MemberReport>,
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberReport {
    /// Its name.
    pub name: PolicyText,
    /// What it is.
    pub target: Target,
    /// Whether the witness has cosigned, or the group has enough members.
    pub satisfied: bool,
}

impl GroupReport {
    /// How many members are satisfied.
    pub fn present(&self) -> usize {
        self.members.iter().filter(|member| member.satisfied).count()
    }

    /// Whether enough are.
    pub fn is_satisfied(&self) -> bool {
        self.present() >= self.threshold
    }

    /// Members that are not satisfied.
    pub fn missing(&self) -> impl Iterator<Item = &MemberReport> {
        self.members.iter().filter(|member| !member.satisfied)
    }
}

impl QuorumReport {
    /// Whether the quorum is there.
    #[must_use]
    pub fn is_satisfied(&self) -> bool {
        match &self.outcome {
            QuorumOutcome::NothingAsked => true,
            QuorumOutcome::Asked(rule) => rule.satisfied,
        }
    }
}

impl fmt::Display for QuorumReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            QuorumOutcome::NothingAsked => f.write_str("the policy asks for no cosignatures"),
            QuorumOutcome::Asked(MemberReport { name, target: Target::Witness(_), satisfied }) => {
                let has = if *satisfied { "is there" } else { "is missing" };
                write!(f, "the cosignature of {name}, which the policy asks for, {has}")
            }
            QuorumOutcome::Asked(_) => {
                let mut separator = "";
                for group in &self.groups {
                    let indent = vec!["  "; group.depth].concat();
                    write!(f, "{separator}{indent}{group}")?;
                    separator = "\n";
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for GroupReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (present, of, needed) = (self.present(), self.members.len(), self.threshold);
        let enough = if self.is_satisfied() { "enough" } else { "not enough" };
        write!(f, "{}: {present} of {of}, needed {needed}: {enough}", self.name)?;
        let missing: Vec<String> =
            self.missing().map(|member| format!("{}", member.name)).collect();
        if missing.is_empty() { Ok(()) } else { write!(f, "; missing: {}", missing.join(", ")) }
    }
}

#[cfg(test)]
mod tests;
