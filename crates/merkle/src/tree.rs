//! The Merkle tree of RFC 6962, section 2.1: root, inclusion and consistency proofs over leaf hashes.

use praxis_oci::{Digest, Hasher};

/// Hash of a leaf: of `bytes` behind a byte of zero.
pub fn leaf(bytes: &[u8]) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[0]);
    hasher.update(bytes);
    hasher.finish()
}

/// Hash of a node over two others: behind a byte of one, so that no leaf can pass for a node.
fn node(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = Hasher::new();
    hasher.update(&[1]);
    hasher.update(left.as_bytes());
    hasher.update(right.as_bytes());
    hasher.finish()
}

/// The largest power of two below `count`, which is at least 2.
fn split(count: usize) -> usize {
    1 << (usize::BITS - 1 - (count - 1).leading_zeros())
}

/// The root over `leaves`; of none it is the hash of nothing.
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The hashes that prove that the leaf at `position` (from 0) is under the root over `leaves`. Empty outside.
pub fn inclusion_proof(leaves: &[Digest], position: usize) -> Vec<Digest> {
    if leaves.len() < 2 || position >= leaves.len() {
        return Vec::new();
    }
    let at = split(leaves.len());
    let (left, right) = leaves.split_at(at);
    let (mut proof, other) = if position < at {
        (inclusion_proof(left, position), root(right))
    } else {
        (inclusion_proof(right, position - at), root(left))
    };
    proof.push(other);
    proof
}

/// Whether `proof` shows that `leaf` is at `position` (from 0) of `count` leaves under `root`.
pub fn verify_inclusion(
    leaf: &Digest,
    position: usize,
    count: usize,
    proof: &[Digest],
    root: &Digest,
) -> bool {
    fn climb(leaf: &Digest, position: usize, count: usize, proof: &[Digest]) -> Option<Digest> {
        if count < 2 {
            return proof.is_empty().then_some(*leaf);
        }
        let (last, rest) = proof.split_last()?;
        let at = split(count);
        Some(if position < at {
            node(&climb(leaf, position, at, rest)?, last)
        } else {
            node(last, &climb(leaf, position - at, count - at, rest)?)
        })
    }
    position < count && climb(leaf, position, count, proof).as_ref() == Some(root)
}

/// The hashes that prove that the first `earlier` of `leaves` are what the root over them says.
pub fn consistency_proof(leaves: &[Digest], earlier: usize) -> Vec<Digest> {
    fn part(leaves: &[Digest], earlier: usize, whole: bool) -> Vec<Digest> {
        if earlier == leaves.len() {
            return if whole { Vec::new() } else { vec![root(leaves)] };
        }
        let at = split(leaves.len());
        let (left, right) = leaves.split_at(at);
        let (mut proof, other) = if earlier <= at {
            (part(left, earlier, whole), root(right))
        } else {
            (part(right, earlier - at, false), root(left))
        };
        proof.push(other);
        proof
    }
    if earlier == 0 || earlier >= leaves.len() {
        return Vec::new();
    }
    part(leaves, earlier, true)
}

/// Whether `proof` shows that the tree of `count` leaves under `root` begins with that of `earlier` leaves under
/// `earlier_root`.
pub fn verify_consistency(
    (earlier, earlier_root): (usize, &Digest),
    (count, root): (usize, &Digest),
    proof: &[Digest],
) -> bool {
    /// Both roots as the proof gives them: of the earlier tree, of the later one.
    fn climb(
        earlier: usize,
        count: usize,
        known: Option<&Digest>,
        proof: &[Digest],
    ) -> Option<(Digest, Digest)> {
        if earlier == count {
            let seed = match known {
                Some(known) => proof.is_empty().then_some(*known)?,
                None => *proof.first().filter(|_| proof.len() == 1)?,
            };
            return Some((seed, seed));
        }
        let (last, rest) = proof.split_last()?;
        let at = split(count);
        Some(if earlier <= at {
            let (old, new) = climb(earlier, at, known, rest)?;
            (old, node(&new, last))
        } else {
            let (old, new) = climb(earlier - at, count - at, None, rest)?;
            (node(last, &old), node(last, &new))
        })
    }
    match earlier {
        0 => proof.is_empty(),
        _ if earlier > count => false,
        _ => climb(earlier, count, Some(earlier_root), proof) == Some((*earlier_root, *root)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The leaves that the reference implementations of RFC 6962 test with.
    fn reference() -> Vec<Digest> {
        let inputs: [&[u8]; 8] = [
            &[],
            &[0],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            &[
                0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x69, 0x6a, 0x6b, 0x6c, 0x6d, 0x6e,
                0x6f,
            ],
        ];
        inputs.iter().map(|input| leaf(input)).collect()
    }

    #[test]
    fn roots_are_those_of_the_reference() {
        let leaves = reference();
        let expected = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        ];
        for (count, expected) in expected.iter().enumerate() {
            assert_eq!(
                root(&leaves[..count]).hex().to_string(),
                *expected,
                "{count} leaves"
            );
        }
        let all = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328";
        assert_eq!(root(&leaves).hex().to_string(), all);
    }

    #[test]
    fn proofs_hold_for_what_they_prove_and_for_nothing_else() {
        let leaves: Vec<Digest> = (0..37_u8).map(|number| leaf(&[number])).collect();
        for count in 1..=leaves.len() {
            let (part, top) = (&leaves[..count], root(&leaves[..count]));
            for position in 0..count {
                let proof = inclusion_proof(part, position);
                assert!(verify_inclusion(&part[position], position, count, &proof, &top));
                let other = (position + 1) % count;
                assert!(count == 1 || !verify_inclusion(&part[other], position, count, &proof, &top));
                assert!(count == 1 || !verify_inclusion(&part[position], other, count, &proof, &top));
            }
            for earlier in 1..=count {
                let (proof, old) = (consistency_proof(part, earlier), root(&part[..earlier]));
                assert!(
                    verify_consistency((earlier, &old), (count, &top), &proof),
                    "{earlier} of {count}"
                );
                let wrong = leaf(b"wrong");
                assert!(!verify_consistency((earlier, &wrong), (count, &top), &proof));
                assert!(!verify_consistency((earlier, &old), (count, &wrong), &proof));
            }
        }
        assert!(!verify_consistency(
            (3, &root(&leaves[..3])),
            (2, &root(&leaves[..2])),
            &[]
        ));
        assert!(!verify_inclusion(&leaves[0], 0, 0, &[], &root(&[])));
    }
}
