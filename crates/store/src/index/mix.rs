//! A keyed mix of leaf hashes.

use sigsum_core::Hash;

/// Multilinear hashing with 128-bit keys: for two different leaf hashes the upper 64 bits of the
/// sum are equal with probability 2^-64 over the choice of keys (it is strongly universal), so that
/// who does not know the keys cannot choose hashes which meet. A few nanoseconds.
#[derive(Clone)]
pub(crate) struct Mixer {
    add: u128,
    keys: [u128; 4],
}

impl Mixer {
    /// Bytes of secret that a mixer takes.
    pub(crate) const SECRET_BYTES: usize = 80;

    /// With these secret bytes.
    pub(crate) fn new(secret: &[u8; Self::SECRET_BYTES]) -> Self {
        let mut words = secret.as_chunks::<16>().0.iter().map(|w| u128::from_le_bytes(*w));
        let mut next = || words.next().unwrap_or_default(); // 80 bytes are five words
        Self { add: next(), keys: [next(), next(), next(), next()] }
    }

    /// With secret bytes from the operating system.
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        let mut secret = [0; Self::SECRET_BYTES];
        getrandom::fill(&mut secret)?;
        Ok(Self::new(&secret))
    }

    /// 64 bits that look random.
    pub(crate) fn mix(&self, hash: &Hash) -> u64 {
        let (words, _) = hash.as_bytes().as_chunks::<8>();
        let products = words
            .iter()
            .zip(&self.keys)
            .map(|(word, key)| key.wrapping_mul(u128::from(u64::from_le_bytes(*word))));
        (products.fold(self.add, u128::wrapping_add) >> 64) as u64
    }
}

/// The keys are secret.
impl std::fmt::Debug for Mixer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mixer").finish_non_exhaustive()
    }
}
