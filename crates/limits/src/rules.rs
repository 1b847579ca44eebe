//! Which limits hold for a leaf: log-go's order of lines (`doc/rate-limit.md`, "Rule precedence").

use crate::domain::Domain;
use crate::file::{Class, LimitFile};
use crate::line::Burst;
use crate::quota::Bucket;
use crate::suffix::SuffixList;
use sigsum_core::KeyHash;

/// log-go's test domain. Everybody knows its private key, so that nobody may submit with it unless
/// the operator says so.
pub const TEST_DOMAIN: &str = "test.sigsum.org";

/// Who may add how much.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    file: LimitFile,
    suffixes: Option<SuffixList>,
}

/// A limit and the counter it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// What is counted together.
    pub bucket: Bucket,
    /// Leaves in 24 hours.
    pub per_day: u32,
    /// Leaves at once.
    pub burst: Option<Burst>,
}

/// Every limit that one leaf counts towards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Charges {
    /// The submitter's own first, then those it shares with others.
    pub limits: Vec<Limit>,
}

/// Why no line is about a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unlisted {
    /// There is no `key` line, and no token.
    NoToken,
    /// No line is about the domain, and it is below no public suffix or there is no `public` line.
    Domain(Domain),
}

impl Rules {
    /// Rules of a file. `suffixes` is what its `public` line names; without it nobody is let in by
    /// that line.
    pub fn new(mut file: LimitFile, suffixes: Option<SuffixList>, allow_test_domain: bool) -> Self {
        if !allow_test_domain {
            file.domains.insert(Domain::trusted(TEST_DOMAIN), 0);
        }
        Self { file, suffixes }
    }

    /// What the file says.
    pub fn file(&self) -> &LimitFile {
        &self.file
    }

    /// Rules in the list of public suffixes, where there is one.
    pub fn suffixes(&self) -> Option<usize> {
        self.suffixes.as_ref().map(SuffixList::len)
    }

    /// Whether the longest `domain` line about this domain lets anybody in.
    pub fn has_line(&self, domain: &Domain) -> bool {
        let lines = &self.file.domains;
        domain.and_above().find_map(|name| lines.get(name)).is_some_and(|per_day| *per_day > 0)
    }

    /// The limits for a leaf with this key; `domain` is that of a token that was verified.
    ///
    /// # Errors
    /// [`Unlisted`].
    pub fn charges(&self, key: &KeyHash, domain: Option<&Domain>) -> Result<Charges, Unlisted> {
        let own = self.own(key, domain)?;
        let is_public = matches!(own.bucket, Bucket::Public(_));
        let mut limits = vec![own];
        let shared = |bucket, per_day: &u32| Limit { bucket, per_day: *per_day, burst: None };
        if let Some(per_day) = self.file.global_public.as_ref().filter(|_| is_public) {
            limits.push(shared(Bucket::AllPublic, per_day));
        }
        let burst = self.burst(Class::Global);
        if self.file.global.is_some() || burst.is_some() {
            let per_day = self.file.global.unwrap_or(u32::MAX);
            limits.push(Limit { bucket: Bucket::All, per_day, burst });
        }
        Ok(Charges { limits })
    }

    fn own(&self, key: &KeyHash, domain: Option<&Domain>) -> Result<Limit, Unlisted> {
        if let Some(per_day) = self.file.keys.get(key) {
            let burst = self.burst(Class::Key);
            return Ok(Limit { bucket: Bucket::Key(*key), per_day: *per_day, burst });
        }
        let domain = domain.ok_or(Unlisted::NoToken)?;
        let lines = &self.file.domains;
        if let Some((line, per_day)) = domain.and_above().find_map(|n| lines.get_key_value(n)) {
            let burst = self.burst(Class::Domain);
            return Ok(Limit { bucket: Bucket::Domain(line.clone()), per_day: *per_day, burst });
        }
        let public = self.file.public.as_ref().filter(|public| public.limit > 0);
        let registered = self.suffixes.as_ref().and_then(|list| list.registered_domain(domain));
        match (public, registered) {
            (Some(public), Some(registered)) => Ok(Limit {
                bucket: Bucket::Public(registered),
                per_day: public.limit,
                burst: self.burst(Class::Public),
            }),
            _ => Err(Unlisted::Domain(domain.clone())),
        }
    }

    fn burst(&self, class: Class) -> Option<Burst> {
        self.file.bursts.get(&class).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: KeyHash = KeyHash::new([7; 32]);
    const OTHER: KeyHash = KeyHash::new([8; 32]);

    fn rules(text: &str, allow_test_domain: bool) -> Rules {
        let file = LimitFile::parse(text.as_bytes()).unwrap();
        let suffixes = SuffixList::parse(b"org\nnet\n").unwrap();
        Rules::new(file, Some(suffixes), allow_test_domain)
    }

    fn own(rules: &Rules, key: KeyHash, domain: Option<&str>) -> Option<(Bucket, u32)> {
        let domain = domain.map(|name| Domain::parse(name).unwrap());
        let charges = rules.charges(&key, domain.as_ref()).ok()?;
        let own = charges.limits.into_iter().next().unwrap();
        Some((own.bucket, own.per_day))
    }

    fn line(name: &str) -> Bucket {
        Bucket::Domain(Domain::parse(name).unwrap())
    }

    fn public(name: &str) -> Bucket {
        Bucket::Public(Domain::parse(name).unwrap())
    }

    #[test]
    fn a_key_line_wins_then_the_longest_domain_then_the_registered_domain() {
        let text = format!(
            "public x 5\ndomain foo.example.org 30\ndomain www.foo.example.org 40\nkey {KEY} 10\n"
        );
        let rules = rules(&text, false);
        for domain in [None, Some("foo.example.org"), Some("a.net"), Some("test.sigsum.org")] {
            assert_eq!(own(&rules, KEY, domain), Some((Bucket::Key(KEY), 10)));
        }
        for (domain, expected) in [
            ("foo.example.org", Some((line("foo.example.org"), 30))),
            ("under.FOO.example.org", Some((line("foo.example.org"), 30))),
            ("a.www.foo.example.org", Some((line("www.foo.example.org"), 40))),
            ("xfoo.example.org", Some((public("example.org"), 5))),
            ("a.b.other.net", Some((public("other.net"), 5))),
            ("example.com", None),
        ] {
            assert_eq!(own(&rules, OTHER, Some(domain)), expected, "{domain}");
        }
        assert_eq!(rules.charges(&OTHER, None), Err(Unlisted::NoToken));
    }

    #[test]
    fn without_a_public_line_or_with_a_limit_of_0_nobody_unlisted_is_let_in() {
        for text in ["", "public x 0"] {
            assert_eq!(own(&rules(text, false), KEY, Some("example.org")), None, "{text:?}");
        }
    }

    #[test]
    fn the_test_domain_is_banned_whatever_the_file_says() {
        let text = "public x 5\ndomain test.sigsum.org 9\ndomain sigsum.org 8\n";
        let banned = rules(text, false);
        for domain in ["test.sigsum.org", "TEST.sigsum.org.", "a.test.sigsum.org"] {
            assert_eq!(own(&banned, KEY, Some(domain)), Some((line("test.sigsum.org"), 0)));
        }
        let allowed = rules(text, true);
        let expected = Some((line("test.sigsum.org"), 9));
        assert_eq!(own(&allowed, KEY, Some("test.sigsum.org")), expected);
        let expected = Some((line("a.test.sigsum.org"), 7));
        let below = rules("domain a.test.sigsum.org 7", false);
        assert_eq!(own(&below, KEY, Some("a.test.sigsum.org")), expected);
    }

    #[test]
    fn shared_limits_follow_the_own_one() {
        let text = format!("public x 5\nkey {KEY} 10\nglobal 100\nglobal-public 50\n");
        let rules = rules(&text, false);
        let buckets = |key, domain: &str| -> Vec<_> {
            let domain = Domain::parse(domain).unwrap();
            let charges = rules.charges(&key, Some(&domain)).unwrap();
            charges.limits.into_iter().map(|limit| (limit.bucket, limit.per_day)).collect()
        };
        assert_eq!(buckets(KEY, "a.org"), [(Bucket::Key(KEY), 10), (Bucket::All, 100)]);
        assert_eq!(
            buckets(OTHER, "a.org"),
            [(public("a.org"), 5), (Bucket::AllPublic, 50), (Bucket::All, 100)]
        );
    }

    #[test]
    fn a_burst_holds_for_its_kind_of_line_only() {
        let text = format!("public x 5\nkey {KEY} 10\nburst-key 3 60\nburst-global 9 1\n");
        let rules = rules(&text, false);
        let bursts = |key| -> Vec<_> {
            let domain = Domain::parse("a.org").unwrap();
            let charges = rules.charges(&key, Some(&domain)).unwrap();
            charges.limits.into_iter().map(|limit| limit.burst.map(|b| b.leaves)).collect()
        };
        assert_eq!(bursts(KEY), [Some(3), Some(9)]);
        assert_eq!(bursts(OTHER), [None, Some(9)]);
    }
}
