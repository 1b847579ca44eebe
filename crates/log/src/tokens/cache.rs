//! What DNS said of domains, how long it holds, and what to do where DNS says nothing.
//!
//! Pure: time is an argument. Domains that a leaf was taken from have places of their own, so that
//! a flood of tokens of other domains pushes none of them out.

use sigsum_client::DomainKeys;
use sigsum_core::Signature;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Shortest time that an answer is kept, whatever its time to live: at 64 requests a second with
/// tokens of one domain, that is one question for 640.
pub(crate) const MIN_TTL: Duration = Duration::from_secs(10);
/// Longest time that an answer is kept: a key that was taken out of DNS works no longer than that.
pub(crate) const MAX_TTL: Duration = Duration::from_secs(3600);
/// Longest time that it is kept that a domain has no record: somebody who has just made one waits no
/// longer.
pub(crate) const MAX_MISSING_TTL: Duration = Duration::from_secs(60);
/// How long after its end an answer serves while DNS does not answer (RFC 8767 section 5 suggests
/// one to three days).
pub(crate) const MAX_STALE: Duration = Duration::from_secs(24 * 3600);
/// After a failed look-up the domain is not asked for again so soon.
pub(crate) const FAILURE_PAUSE: Duration = Duration::from_secs(5);
/// A token that fits no key is a reason to ask again, if the answer is not as fresh as this: the
/// domain's owner may have changed the key.
pub(crate) const RECHECK_AGE: Duration = Duration::from_secs(30);
/// Domains kept that a leaf was taken from. With a name and up to ten keys each takes 600 bytes, all
/// of them 10 MiB; a public log has some hundred.
pub(crate) const MAX_KNOWN: usize = 16_384;
/// Other domains kept.
pub(crate) const MAX_OTHERS: usize = 4096;

/// An answer of DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The domain publishes these.
    Keys(Arc<DomainKeys>),
    /// It publishes nothing.
    Missing,
}

/// What the cache says of a domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Known {
    /// This, and it holds.
    Fresh {
        answer: Answer,
        /// Whether it is old enough to be asked for again if it does not serve.
        may_recheck: bool,
    },
    /// This held; ask whether it does still.
    Old(Answer),
    /// Nothing, or nothing that counts any more; ask.
    Unknown,
    /// DNS failed a moment ago; what held before it does until DNS works again.
    Failing(Option<Answer>),
}

#[derive(Debug)]
struct Entry {
    answer: Option<Answer>,
    asked: Instant,
    /// End of the answer's time.
    until: Instant,
    failed: Option<Instant>,
    /// The last token that a key of the answer was found to have made.
    confirmed: Option<Signature>,
    used: Instant,
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    known: HashMap<String, Entry>,
    others: HashMap<String, Entry>,
}

impl Cache {
    pub(crate) fn get(&mut self, domain: &str, now: Instant) -> Known {
        let Some(entry) = self.entry(domain) else { return Known::Unknown };
        entry.used = now;
        if let Some(answer) = entry.answer.clone().filter(|_| now < entry.until) {
            let may_recheck = now >= entry.asked + RECHECK_AGE && !entry.failed_lately(now);
            return Known::Fresh { answer, may_recheck };
        }
        // That there was nothing is no reason to go on refusing, nor to let anybody in.
        let keys = entry.answer.clone().filter(|answer| matches!(answer, Answer::Keys(_)));
        let old = keys.filter(|_| now < entry.until + MAX_STALE);
        match (entry.failed_lately(now), old) {
            (true, old) => Known::Failing(old),
            (false, Some(old)) => Known::Old(old),
            (false, None) => Known::Unknown,
        }
    }

    /// DNS answered.
    pub(crate) fn put(&mut self, domain: &str, answer: Answer, ttl: Duration, now: Instant) {
        let longest = if answer == Answer::Missing { MAX_MISSING_TTL } else { MAX_TTL };
        let until = now + ttl.clamp(MIN_TTL, longest);
        let fresh = Entry {
            answer: Some(answer),
            asked: now,
            until,
            failed: None,
            confirmed: None,
            used: now,
        };
        match self.entry(domain) {
            Some(entry) => {
                let confirmed = entry.confirmed.take().filter(|_| entry.answer == fresh.answer);
                *entry = Entry { confirmed, ..fresh };
            }
            None => insert(&mut self.others, MAX_OTHERS, domain.to_owned(), fresh),
        }
    }

    /// DNS did not answer.
    pub(crate) fn failed(&mut self, domain: &str, now: Instant) {
        if let Some(entry) = self.entry(domain) {
            entry.failed = Some(now);
            return;
        }
        let entry = Entry {
            answer: None,
            asked: now,
            until: now,
            failed: Some(now),
            confirmed: None,
            used: now,
        };
        insert(&mut self.others, MAX_OTHERS, domain.to_owned(), entry);
    }

    /// Whether this token is the one that was confirmed by what is known of the domain now.
    pub(crate) fn is_confirmed(&self, domain: &str, token: &Signature) -> bool {
        let entry = self.known.get(domain).or_else(|| self.others.get(domain));
        entry.is_some_and(|entry| entry.confirmed.as_ref() == Some(token))
    }

    /// A key of this answer was found to have made the token.
    pub(crate) fn confirm(&mut self, domain: &str, by: &Answer, token: Signature) {
        let entry = self.entry(domain).filter(|entry| entry.answer.as_ref() == Some(by));
        if let Some(entry) = entry {
            entry.confirmed = Some(token);
        }
    }

    /// A leaf was taken from this domain: it gets a place among those that are known.
    pub(crate) fn trust(&mut self, domain: &str) {
        if let Some((name, entry)) = self.others.remove_entry(domain) {
            insert(&mut self.known, MAX_KNOWN, name, entry);
        }
    }

    /// Whether the domain has such a place.
    pub(crate) fn is_trusted(&self, domain: &str) -> bool {
        self.known.contains_key(domain)
    }

    /// Domains that are kept.
    pub(crate) fn len(&self) -> usize {
        self.known.len() + self.others.len()
    }

    fn entry(&mut self, domain: &str) -> Option<&mut Entry> {
        self.known.get_mut(domain).or_else(|| self.others.get_mut(domain))
    }
}

impl Entry {
    fn failed_lately(&self, now: Instant) -> bool {
        self.failed.is_some_and(|failed| now < failed + FAILURE_PAUSE)
    }
}

/// Makes room by dropping what was not used for longest.
fn insert(entries: &mut HashMap<String, Entry>, most: usize, name: String, entry: Entry) {
    if entries.len() >= most {
        let oldest = entries.iter().min_by_key(|(_, entry)| entry.used);
        if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
            entries.remove(&oldest);
        }
    }
    entries.insert(name, entry);
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
