//! Which node keeps a key: the same answer in every process of a fleet, whatever
//! built it.

use memcache::exp::Router;
use sha2::{Digest as _, Sha256};

/// Rendezvous hashing: each node scores each key, the highest score keeps it. A
/// score is the first 8 bytes, big end first, of SHA-256 over the node's text form,
/// a zero byte and the key; of equal scores the node that sorts last has it.
///
/// So the order of the nodes does not matter, and adding or removing one moves only
/// the keys that it gets or had.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StableRendezvous;

impl Router for StableRendezvous {
    fn route(&self, key: &[u8], servers: &[String]) -> usize {
        let scored = servers
            .iter()
            .enumerate()
            .map(|(at, server)| (score(server, key), server, at));
        scored.max().map_or(0, |(_, _, at)| at)
    }
}

fn score(server: &str, key: &[u8]) -> [u8; 8] {
    let digest = Sha256::new()
        .chain_update(server)
        .chain_update([0])
        .chain_update(key)
        .finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| format!("{name}:11211")).collect()
    }

    fn routed(key: usize, servers: &[String]) -> &str {
        &servers[StableRendezvous.route(format!("key{key}").as_bytes(), servers)]
    }

    // Processes of other versions have put records there: these must never change.
    #[test]
    fn golden_routes() {
        let servers = nodes(&["a", "b", "c"]);
        let routes: String = (0..32).map(|key| &routed(key, &servers)[..1]).collect();
        assert_eq!(routes, "ccabcaaabccacaacabaccbbacbbbcbaa");
    }

    #[test]
    fn order_does_not_matter() {
        let (one, other) = (nodes(&["a", "b", "c"]), nodes(&["c", "a", "b"]));
        assert!((0..500).all(|key| routed(key, &one) == routed(key, &other)));
    }

    #[test]
    fn a_new_node_takes_its_share_and_moves_nothing_else() {
        let (before, after) = (nodes(&["a", "b", "c"]), nodes(&["a", "b", "c", "d"]));
        let mut moved = 0;
        for key in 0..2_000 {
            let now = routed(key, &after);
            if routed(key, &before) != now {
                assert!(now.starts_with('d'));
                moved += 1;
            }
        }
        assert!((400..600).contains(&moved), "{moved} of 2000 moved");
    }
}
