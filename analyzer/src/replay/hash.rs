//! The hash of flow keys.
//!
//! Who sends the packets chooses the keys, so the hash is keyed: NH (the universal hash inside UMAC, RFC 4418 section
//! 5.2.2, here on 64-bit words) makes any two keys collide with probability 2^-64 over the random seed, and the last
//! multiplication spreads its 128 bits over 64.

use std::hash::{BuildHasher, RandomState};

/// Words that the longest key has, rounded up to pairs.
const MAX_WORDS: usize = 8;

/// The secret of one run.
#[derive(Clone)]
pub(super) struct Seed([u64; MAX_WORDS + 2]);

impl Seed {
    /// A seed from the randomness that the standard library keeps for the same purpose.
    pub(super) fn random() -> Self {
        let random = RandomState::new();
        Self(std::array::from_fn(|index| random.hash_one(index)))
    }

    /// The same seed in every run, for an order that must not differ between runs. Digits of pi: nothing up the sleeve.
    pub(super) fn fixed() -> Self {
        Self([
            0x243f_6a88_85a3_08d3,
            0x1319_8a2e_0370_7344,
            0xa409_3822_299f_31d0,
            0x082e_fa98_ec4e_6c89,
            0x4528_21e6_38d0_1377,
            0xbe54_66cf_34e9_0c6c,
            0xc0ac_29b7_c97c_50dd,
            0x3f84_d5b5_b547_0917,
            0x9216_d5d9_8979_fb1b,
            0xd131_0ba6_98df_b5ac,
        ])
    }

    /// Hash of a key of up to 8 words.
    #[inline(always)]
    pub(super) fn hash<const N: usize>(&self, words: &[u64; N]) -> u64 {
        const { assert!(N <= MAX_WORDS) };
        let Self([pairs @ .., last_low, last_high]) = self;
        let mut sum = 0u128;
        for index in (0..N).step_by(2) {
            let left = words[index].wrapping_add(pairs[index]);
            let right = words.get(index + 1).copied().unwrap_or(0).wrapping_add(pairs[index + 1]);
            sum = sum.wrapping_add(u128::from(left) * u128::from(right));
        }
        let mixed = u128::from(low(sum) ^ last_low) * u128::from(high(sum) ^ last_high);
        low(mixed) ^ high(mixed)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "the low half is what is asked for")]
fn low(wide: u128) -> u64 {
    wide as u64
}

fn high(wide: u128) -> u64 {
    low(wide >> 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_of_a_key_counts() {
        let seed = Seed::random();
        let key = [1u64, 2, 3, 4, 5, 6, 7];
        for bit in 0..key.len() * 64 {
            let mut other = key;
            other[bit / 64] ^= 1 << (bit % 64);
            assert_ne!(seed.hash(&key), seed.hash(&other), "bit {bit}");
        }
    }

    #[test]
    fn seeds_differ() {
        assert_ne!(Seed::random().hash(&[0; 4]), Seed::random().hash(&[0; 4]));
    }
}
