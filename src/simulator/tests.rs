//! The simulator's own promise: a seed is one history.

use super::live;

#[test]
fn a_seed_is_the_same_history_every_time() {
    for seed in 0..20 {
        let lives = |_| format!("{:?}", live(seed, None));
        assert_eq!(lives(0), lives(1), "seed {seed}");
    }
}
