//! `tidemark simulate`: as many virtual lives as one likes, and the replay of one that failed.

use crate::server::cli::{Stopped, terminal};
use crate::simulator;
use clap::Args;
use std::ops::Range;
use std::process::ExitCode;
use std::time::Instant;

pub(super) const EXAMPLES: &str = "\
Examples:
  tidemark simulate --seeds 0..10000                what the tests run
  tidemark simulate --seeds 1000000..2000000        a soak
  tidemark simulate --seeds 42..43 --only 3,7,19    replay what a failure printed";

/// Which lives.
#[derive(Debug, Args)]
pub(super) struct Simulate {
    /// From this seed up to, not including, that one
    #[arg(long, value_name = "A..B", default_value = "0..1000", value_parser = seeds)]
    seeds: Range<u64>,
    /// Of each seed only these steps
    #[arg(long, value_name = "STEPS", value_delimiter = ',')]
    only: Option<Vec<usize>>,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| "expected A..B with A below B, such as 0..1000".to_owned())
}

/// Lives through them and says what came of it.
pub(super) async fn run(wanted: Simulate) -> Result<ExitCode, Stopped> {
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let started = Instant::now();
    // Lives have a runtime and a clock of their own, so they run beside this one.
    let lived = tokio::task::spawn_blocking(move || match wanted.only {
        Some(only) => simulator::live(wanted.seeds.start, Some(&only)),
        None => simulator::live_all(wanted.seeds, threads),
    });
    match lived.await {
        Ok(Ok(lives)) => {
            terminal::say(&format!("{lives}. It took {:.1} s.", started.elapsed().as_secs_f64()));
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(failure)) => Err(Stopped(failure.to_string())),
        Err(error) => Err(Stopped(format!("The simulation itself broke: {error}"))),
    }
}
