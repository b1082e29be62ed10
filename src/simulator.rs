//! The real server core, the real SQLite store and real replicas in one seeded, virtual world in which everything that can
//! go wrong does. A seed is a whole history: who edits when, what breaks when, which message is lost. The same seed is the
//! same history on every machine, so a failure replays alone, and shrinks to the few steps that matter.
//!
//! What is simulated is what the world does to the code: time, network, tabs, the device's storage, the end of processes.
//! The code itself is the one that people run.

pub mod build;
pub mod device;
pub mod disk;
pub mod oracle;
pub mod people;
pub mod plan;
pub mod server;
#[cfg(test)]
mod tests;
pub mod world;

use oracle::Broken;
use plan::{Step, What, plan};
use server::Keeps;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use world::World;

/// How many attempts shrinking makes at most: a failing history has tens of steps, and each attempt takes milliseconds.
const SHRINK_ATTEMPTS_MAX: usize = 400;

/// What the lives of some seeds added up to, so that a person sees that something happened in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lives {
    /// Seeds lived through.
    pub seeds: u64,
    /// Ops that people made and devices stored.
    pub ops: u64,
    /// Lines of the change log.
    pub entries: u64,
    /// Conflict records, quiet ones included.
    pub conflicts: u64,
    /// Ops in trays at the end.
    pub refused: u64,
    /// Ops held for an owner at the end.
    pub quarantined: u64,
}

impl Lives {
    fn plus(self, other: Self) -> Self {
        Self {
            seeds: self.seeds + other.seeds,
            ops: self.ops + other.ops,
            entries: self.entries + other.entries,
            conflicts: self.conflicts + other.conflicts,
            refused: self.refused + other.refused,
            quarantined: self.quarantined + other.quarantined,
        }
    }
}

impl fmt::Display for Lives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seeds, ops, entries, conflicts, refused, quarantined } = self;
        write!(
            f,
            "{seeds} seeds: {ops} ops, {entries} log entries, {conflicts} conflict records, {refused} in trays, \
             {quarantined} quarantined; every invariant held"
        )
    }
}

/// A seed in which an invariant broke.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Which seed.
    pub seed: u64,
    /// Which steps of its plan are enough, by their place in it.
    pub only: Vec<usize>,
    /// What broke.
    pub broken: Broken,
    /// What happened, in order.
    pub history: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let only: Vec<String> = self.only.iter().map(usize::to_string).collect();
        writeln!(f, "seed {} broke {:?}: {}", self.seed, self.broken.invariant, self.broken.says)?;
        for line in &self.history {
            writeln!(f, "  {line}")?;
        }
        let (seed, after) = (self.seed, self.seed + 1);
        write!(f, "replay it: tidemark simulate --seeds {seed}..{after} --only {}", only.join(","))
    }
}

/// Lives through one seed; of its steps only those named, if any are.
///
/// # Errors
/// The first invariant found broken, with the history that led to it; not shrunk yet.
pub fn live(seed: u64, only: Option<&[usize]>) -> Result<Lives, Box<Failure>> {
    let all = plan(seed);
    let only: Vec<usize> = only.map_or_else(|| (0..all.len()).collect(), <[usize]>::to_vec);
    let steps: Vec<Step> = only.iter().filter_map(|place| all.get(*place).cloned()).collect();
    let failed = |broken, history| Box::new(Failure { seed, only: only.clone(), broken, history });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed(server::unexpected(error), Vec::new()))?;
    runtime.block_on(async {
        let copied = steps.iter().any(|step| step.what == What::Backup);
        let keeps = if copied { Keeps::InFiles } else { Keeps::InMemory };
        let mut world = World::new(seed, keeps).await.map_err(|broken| failed(broken, Vec::new()))?;
        world.live(&steps).await.map_err(|broken| failed(broken, world.history.clone()))
    })
}

/// Leaves out steps as long as the same invariant still breaks.
pub fn shrink(failure: Failure) -> Failure {
    let mut smallest = failure;
    let mut attempts = 0;
    let mut width = smallest.only.len().div_ceil(2);
    while width > 0 && attempts < SHRINK_ATTEMPTS_MAX {
        let mut from = 0;
        while from < smallest.only.len() && attempts < SHRINK_ATTEMPTS_MAX {
            attempts += 1;
            let mut fewer = smallest.only.clone();
            fewer.drain(from..(from + width).min(fewer.len()));
            match live(smallest.seed, Some(&fewer)) {
                Err(again) if again.broken.invariant == smallest.broken.invariant => smallest = *again,
                _ => from += width,
            }
        }
        width = if width == 1 { 0 } else { width.div_ceil(2) };
    }
    smallest
}

/// Lives through every seed of a range, on as many threads as given.
///
/// # Errors
/// The failing seed that is lowest, shrunk.
pub fn live_all(seeds: Range<u64>, threads: usize) -> Result<Lives, Box<Failure>> {
    let next = AtomicU64::new(seeds.start);
    let found: Mutex<(Lives, Option<Box<Failure>>)> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        break;
                    }
                    let lived = live(seed, None);
                    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                    match lived {
                        Ok(lives) => found.0 = found.0.plus(lives),
                        Err(failure) => {
                            next.store(seeds.end, Ordering::Relaxed);
                            if found.1.as_ref().is_none_or(|other| failure.seed < other.seed) {
                                found.1 = Some(failure);
                            }
                        }
                    }
                }
            });
        }
    });
    let (lives, failure) = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    failure.map_or(Ok(lives), |failure| Err(Box::new(shrink(*failure))))
}
