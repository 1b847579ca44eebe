//! Reads the file of metrics that an earlier look wrote.

use std::collections::BTreeMap;

/// A line of it.
#[derive(Debug, PartialEq)]
pub(super) struct Sample<'a> {
    pub(super) name: &'a str,
    pub(super) labels: BTreeMap<&'a str, String>,
    pub(super) value: &'a str,
}

/// The samples with labels of a text in Prometheus' format; what is anything else is passed over.
pub(super) fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (name, mut rest) = line.split_once('{')?;
    let mut labels = BTreeMap::new();
    loop {
        let (label, behind) = rest.split_once("=\"")?;
        let (value, behind) = quoted(behind)?;
        labels.insert(label, value);
        match behind.split_at_checked(1)? {
            (",", behind) => rest = behind,
            ("}", behind) => {
                return Some(Sample { name, labels, value: behind.strip_prefix(' ')? });
            }
            _ => return None,
        }
    }
}

/// A text up to its closing quote, and what is behind that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.chars();
    loop {
        match chars.next()? {
            '"' => return Some((value, chars.as_str())),
            '\\' => value.push(match chars.next()? {
                'n' => '\n',
                other => other,
            }),
            other => value.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sigsum_service::metrics::Registry;

    #[test]
    fn what_the_registry_writes_is_read() {
        let registry = Registry::new();
        let gauges = registry.gauges("g", "help {x=\"y\"} 1", &["a", "b"]).unwrap();
        registry.gauge("alone", "no labels").unwrap();
        gauges.with(&["plain", "qu\"o,te}\\ and\nline"]).set(-7);
        let text = registry.encode();
        let found: Vec<_> = samples(&text).filter(|sample| sample.name == "g").collect();
        let labels = [("a", "plain".to_owned()), ("b", "qu\"o,te}\\ and\nline".to_owned())];
        assert_eq!(found, [Sample { name: "g", labels: labels.into(), value: "-7" }]);
    }

    #[test]
    fn what_is_no_sample_is_passed_over() {
        for line in [
            "",
            "g 1",
            "g{",
            "g{a",
            "g{a=\"",
            "g{a=\"x",
            "g{a=\"x\"",
            "g{a=\"x\"}1",
            "g{a=\"\\",
            "g{a=\"x\";",
        ] {
            assert_eq!(samples(line).count(), 0, "{line}");
        }
    }
}
