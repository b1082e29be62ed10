//! Lives in which nothing is lost, and the simulator's own promise: a seed is one history.

use super::oracle::Invariant;
use super::{live, live_all};
use crate::sync::mutant::{Mutant, plant};

/// Seeds lived through by every run of the tests. `tidemark simulate` lives through as many more as one likes.
const SEEDS: u64 = 10_000;

/// Seeds within which a planted bug has to be noticed.
const MUTANT_SEEDS: u64 = 1_000;

#[test]
fn nothing_is_lost_in_ten_thousand_seeds() {
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    match live_all(0..SEEDS, threads) {
        Ok(lives) => {
            println!("{lives}");
            assert_eq!(lives.seeds, SEEDS);
            assert!(lives.ops > SEEDS && lives.conflicts > SEEDS / 10 && lives.refused > 0, "too quiet: {lives}");
        }
        Err(failure) => panic!("{failure}"),
    }
}

/// Each broke an invariant once, in a longer run than the one above.
#[test]
fn seeds_that_once_failed_hold() {
    for seed in [1_619, 17_358, 22_961, 35_758, 45_181, 48_947] {
        if let Err(failure) = live(seed, None) {
            panic!("{failure}");
        }
    }
}

#[test]
fn a_seed_is_the_same_history_every_time() {
    for seed in 0..20 {
        let lives = |_| format!("{:?}", live(seed, None));
        assert_eq!(lives(0), lives(1), "seed {seed}");
    }
}

/// The invariant that notices a planted bug first, in the order of the seeds.
fn caught(mutant: Mutant) -> Option<(u64, Invariant)> {
    plant(Some(mutant));
    let found =
        (0..MUTANT_SEEDS).find_map(|seed| live(seed, None).err().map(|failure| (seed, failure.broken.invariant)));
    plant(None);
    found
}

/// What each planted bug breaks: the invariant that says so, and not another by accident.
fn breaks(mutant: Mutant) -> &'static [Invariant] {
    match mutant {
        // The second time, the op meets itself; what it made then differs from what its device expects.
        Mutant::ForgetReceipts => &[Invariant::Convergence, Invariant::Conservation, Invariant::Fold],
        Mutant::IgnoreBase | Mutant::DropLoser | Mutant::DropEditOfDeleted => &[Invariant::Shown],
        Mutant::LeaveOrphans => &[Invariant::Orphans],
        Mutant::DropRefused | Mutant::ForgetSettled => &[Invariant::Conservation],
        // What needs an op that comes after it is refused, and what does not lands before it.
        Mutant::PushBackwards => &[Invariant::CausalOrder, Invariant::Conservation],
        Mutant::IgnoreGap | Mutant::SkipNewer | Mutant::AnswerUnstored => &[Invariant::Convergence],
        Mutant::KeepLeftScope => &[Invariant::ScopeLeave],
        Mutant::WaitForEver => &[Invariant::Progress],
    }
}

#[test]
fn every_planted_bug_is_caught_by_what_it_breaks() {
    for mutant in Mutant::ALL {
        let Some((seed, invariant)) = caught(*mutant) else {
            panic!("{mutant:?} was not noticed within {MUTANT_SEEDS} seeds");
        };
        println!("{mutant:?}: caught by {invariant:?} in seed {seed}");
        assert!(breaks(*mutant).contains(&invariant), "{mutant:?} was caught by {invariant:?} in seed {seed}");
    }
}
