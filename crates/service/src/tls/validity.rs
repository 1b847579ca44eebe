//! From when until when a certificate is valid (RFC 5280 section 4.1.2.5). All else about it is for the
//! TLS implementation, which does not tell this; a parser of X.509 would bring fifteen crates for it.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Seconds since 1970, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first.
    pub not_before_s: i64,
    /// The last.
    pub not_after_s: i64,
}

impl Validity {
    /// Of a certificate in DER; `None` where it is malformed.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let mut outer = Der(certificate);
        let mut outer = Der(outer.expect(SEQUENCE)?);
        let mut body = Der(outer.expect(SEQUENCE)?);
        if body.0.first() == Some(&VERSION) {
            body.expect(VERSION)?;
        }
        body.expect(INTEGER)?; // serial number
        body.expect(SEQUENCE)?; // signature algorithm
        body.expect(SEQUENCE)?; // issuer
        let mut times = Der(body.expect(SEQUENCE)?);
        Some(Self { not_before_s: times.time()?, not_after_s: times.time()? })
    }

    /// What is wrong with it at this time, if anything is.
    pub(super) fn problem(&self, now_s: u64) -> Option<String> {
        let now_s = i64::try_from(now_s).unwrap_or(i64::MAX);
        let shown = |time_s| {
            jiff::Timestamp::from_second(time_s).map_or_else(|_| "?".into(), |t| t.to_string())
        };
        if now_s > self.not_after_s {
            return Some(format!("expired since {}", shown(self.not_after_s)));
        }
        (now_s < self.not_before_s)
            .then(|| format!("not valid before {}", shown(self.not_before_s)))
    }
}

/// Elements of DER, one after the other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            // A certificate is far below 16 MiB, so three bytes of length are enough.
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    fn time(&mut self) -> Option<i64> {
        let (tag, text) = self.next()?;
        let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
        let text = match tag {
            // Two digits of a year count from 1950 (RFC 5280 section 4.1.2.5.1).
            UTC_TIME if text.len() == 12 && text >= "50" => format!("19{text}"),
            UTC_TIME if text.len() == 12 => format!("20{text}"),
            GENERALIZED_TIME if text.len() == 14 => text.to_owned(),
            _ => return None,
        };
        let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
        // 99991231235959Z, which says that there is no end (RFC 5280 section 4.1.2.5), is a day beyond
        // the last time that can be told.
        let time = time.to_zoned(TimeZone::UTC).map(|time| time.timestamp());
        Some(time.unwrap_or(jiff::Timestamp::MAX).as_second())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u8::try_from(content.len()).unwrap();
        let head = if length < 0x80 { vec![tag, length] } else { vec![tag, 0x81, length] };
        [head.as_slice(), content].concat()
    }

    fn certificate(times: &[u8]) -> Vec<u8> {
        let body = [
            element(VERSION, &element(INTEGER, &[2])),
            element(INTEGER, &[7; 20]),
            element(SEQUENCE, &[]),
            element(SEQUENCE, &[0x31; 90]),
            element(SEQUENCE, times),
        ];
        element(SEQUENCE, &element(SEQUENCE, &body.concat()))
    }

    #[test]
    fn both_forms_of_a_time_are_read() {
        let times =
            [element(UTC_TIME, b"991231235959Z"), element(GENERALIZED_TIME, b"20500101000000Z")];
        let validity = Validity::of(&certificate(&times.concat())).unwrap();
        assert_eq!(validity.not_before_s, 946_684_799);
        assert_eq!(validity.not_after_s, 2_524_608_000);
        let validity = Validity::of(&certificate(&element(UTC_TIME, b"260102030405Z").repeat(2)));
        assert_eq!(validity.unwrap().not_before_s, 1_767_323_045);
    }

    #[test]
    fn a_certificate_may_have_no_end() {
        let times =
            [element(UTC_TIME, b"260102030405Z"), element(GENERALIZED_TIME, b"99991231235959Z")];
        let validity = Validity::of(&certificate(&times.concat())).unwrap();
        assert_eq!(validity.problem(4_102_444_800), None);
    }

    #[test]
    fn malformed_certificates_have_no_validity() {
        let times = element(UTC_TIME, b"260102030405Z").repeat(2);
        let good = certificate(&times);
        for kept in 0..good.len() {
            assert_eq!(Validity::of(&good[..kept]), None, "{kept} bytes");
        }
        for bad in
            [&b"260102030405"[..], b"26010203040Z", b"261302030405Z", b"26010203040\xffZ", b""]
        {
            assert_eq!(Validity::of(&certificate(&element(UTC_TIME, bad).repeat(2))), None);
        }
        assert_eq!(Validity::of(&certificate(&element(INTEGER, b"1").repeat(2))), None);
    }

    #[test]
    fn a_certificate_is_good_from_its_first_to_its_last_second() {
        let validity = Validity { not_before_s: 100, not_after_s: 200 };
        assert!([100, 200].iter().all(|now| validity.problem(*now).is_none()));
        assert_eq!(validity.problem(99).unwrap(), "not valid before 1970-01-01T00:01:40Z");
        assert_eq!(validity.problem(201).unwrap(), "expired since 1970-01-01T00:03:20Z");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let _ = Validity::of(&bytes);
        }
    }
}
