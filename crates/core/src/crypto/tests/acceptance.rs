//! The corners in which Ed25519 implementations differ: points of small and mixed order, scalars
//! and points that are not canonical. Same classes as the twelve of "Taming the many EdDSAs"
//! (Chalkias, Garillot, Nikolaenko 2020) with their accept set `VVVVXXXXXXXV`; the signatures
//! here were made for this test, and `crypto/ed25519` of Go 1.26 gives the same answers.

use super::verifies;
use crate::bytes::PublicKey;

struct Case {
    name: &'static str,
    accepted: bool,
    message: &'static str,
    key: &'static str,
    r: &'static str,
    s: &'static str,
}

#[test]
fn corner_cases_are_judged_as_go_judges_them() {
    for case in CASES {
        let key = PublicKey::from_hex(case.key).unwrap();
        let r = PublicKey::from_hex(case.r).unwrap();
        let s = PublicKey::from_hex(case.s).unwrap();
        let signature = [*r.as_bytes(), *s.as_bytes()].concat();
        let got = verifies(&key, case.message.as_bytes(), &signature);
        assert_eq!(got, case.accepted, "{}", case.name);
    }
}

const CASES: &[Case] = &[
    Case {
        name: "small order A and R",
        accepted: true,
        message: "ed25519 acceptance 4",
        key: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        r: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        s: "0000000000000000000000000000000000000000000000000000000000000000",
    },
    Case {
        name: "small order A, mixed order R",
        accepted: true,
        message: "ed25519 acceptance 0",
        key: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        r: "84ece379ea888837c828f8b4246b57205a61182b60485278b38b6da770c6dfea",
        s: "8ff9f4ed6f9ee4a20dc3e382b3c531a8db61d947205786407949de126d36a401",
    },
    Case {
        name: "mixed order A, small order R",
        accepted: true,
        message: "ed25519 acceptance 0",
        key: "812497a11d4d4ada06feb3e9dfccbc493d5896623dfa021e5546c6b493a345ae",
        r: "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        s: "50519ac178bb5b050b293ab98f09b8c6683047570b3b5e481577953c372bcb0e",
    },
    Case {
        name: "mixed order A and R",
        accepted: true,
        message: "ed25519 acceptance 0",
        key: "812497a11d4d4ada06feb3e9dfccbc493d5896623dfa021e5546c6b493a345ae",
        r: "17cbd3ad27b3c2de76ef710a73e9746abe3471793b49518d2234b5eb8674f4e8",
        s: "f3490905ff8f7d0dffcec02c979c5905e6c3930b3689d9c4641abffcd9d99a0d",
    },
    Case {
        name: "mixed order A and R, equation holds only times eight",
        accepted: false,
        message: "ed25519 acceptance 0",
        key: "812497a11d4d4ada06feb3e9dfccbc493d5896623dfa021e5546c6b493a345ae",
        r: "366660efb4bbf4771110371c02287a436d3e81983def4b3c586a4365d0916ca7",
        s: "88c8437e5b191cd2e6c9f54195ff2d19e72b0a03b65fb16b0df3a70adea76408",
    },
    Case {
        name: "mixed order A, honest R, equation holds only times eight",
        accepted: false,
        message: "ed25519 acceptance 0",
        key: "812497a11d4d4ada06feb3e9dfccbc493d5896623dfa021e5546c6b493a345ae",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "b93ee50cc6591c70935eeb6f5a155aeb2c1ed2e0cd8aef99d4249c4bac0ec908",
    },
    Case {
        name: "honest",
        accepted: true,
        message: "ed25519 acceptance 6",
        key: "ca69ed2257865abbc5f6ee9c353e1070729200569413197e22747ff49dd2e49d",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "13df7cb00c73ee0e416add3be77ae34c4146e47faf1dcefd1c8d6ff2dee8fc01",
    },
    Case {
        name: "S + L",
        accepted: false,
        message: "ed25519 acceptance 6",
        key: "ca69ed2257865abbc5f6ee9c353e1070729200569413197e22747ff49dd2e49d",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "00b3720d27d600671707d5dec574c2614146e47faf1dcefd1c8d6ff2dee8fc11",
    },
    Case {
        name: "S + 14 L",
        accepted: false,
        message: "ed25519 acceptance 6",
        key: "ca69ed2257865abbc5f6ee9c353e1070729200569413197e22747ff49dd2e49d",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "0976eec57ddeefdff9fd6725142515714246e47faf1dcefd1c8d6ff2dee8fce1",
    },
    Case {
        name: "non-canonical R, hashed as it is",
        accepted: false,
        message: "ed25519 acceptance 8",
        key: "ca69ed2257865abbc5f6ee9c353e1070729200569413197e22747ff49dd2e49d",
        r: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        s: "94c6e790892e7af6dbb63da216a899fc49e6c32999ac4a1ca8b8406f00cb7507",
    },
    Case {
        name: "non-canonical R, hashed in canonical form",
        accepted: false,
        message: "ed25519 acceptance 9",
        key: "ca69ed2257865abbc5f6ee9c353e1070729200569413197e22747ff49dd2e49d",
        r: "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        s: "1ca8c8202af6f39ecfdb6053a2b980e2be765fb8a847ce0367d3df3d2e698d07",
    },
    Case {
        name: "the same with canonical R",
        accepted: true,
        message: "ed25519 acceptance 9",
        key: "ca69ed2257865abbc5f6ee9c353e1070729200569413197e22747ff49dd2e49d",
        r: "0100000000000000000000000000000000000000000000000000000000000000",
        s: "1ca8c8202af6f39ecfdb6053a2b980e2be765fb8a847ce0367d3df3d2e698d07",
    },
    Case {
        name: "non-canonical A, hashed in canonical form",
        accepted: false,
        message: "ed25519 acceptance 1",
        key: "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "9490848b39f4af2c0e246e1bcb86d477c9bf15fdade025d33546f3d9a4780e08",
    },
    Case {
        name: "the same with canonical A",
        accepted: true,
        message: "ed25519 acceptance 1",
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "9490848b39f4af2c0e246e1bcb86d477c9bf15fdade025d33546f3d9a4780e08",
    },
    Case {
        name: "non-canonical A, hashed as it is",
        accepted: true,
        message: "ed25519 acceptance 3",
        key: "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "9490848b39f4af2c0e246e1bcb86d477c9bf15fdade025d33546f3d9a4780e08",
    },
    Case {
        name: "the same with canonical A",
        accepted: false,
        message: "ed25519 acceptance 3",
        key: "0000000000000000000000000000000000000000000000000000000000000000",
        r: "1f13a8647f9d0b546e75fe6af8ccb0b474fdb21285c1624e43749fe3fcf12b80",
        s: "9490848b39f4af2c0e246e1bcb86d477c9bf15fdade025d33546f3d9a4780e08",
    },
    Case {
        name: "A is zero with a sign",
        accepted: true,
        message: "any",
        key: "0100000000000000000000000000000000000000000000000000000000000080",
        r: "0100000000000000000000000000000000000000000000000000000000000000",
        s: "0000000000000000000000000000000000000000000000000000000000000000",
    },
    Case {
        name: "R is zero with a sign",
        accepted: false,
        message: "any",
        key: "0100000000000000000000000000000000000000000000000000000000000000",
        r: "0100000000000000000000000000000000000000000000000000000000000080",
        s: "0000000000000000000000000000000000000000000000000000000000000000",
    },
];
