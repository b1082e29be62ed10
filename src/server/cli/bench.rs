//! `tidemark bench`: measures and prints one table.

use crate::server::bench::{self, Figure, Group, Size, Verdict, Wanted};
use crate::server::cli::{Stopped, terminal};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;

pub(super) const EXAMPLES: &str = "\
Examples:
  tidemark bench                        every figure but the slow one, for the record
  tidemark bench --quick                whether it works at all, in seconds
  tidemark bench --only writes,idle
  tidemark bench --only scale           a workspace of 1,000,000 records; takes minutes
  tidemark bench --only writes,propagation --beside 'node benches/node/server.mjs'
  tidemark bench --json > figures.json

Measure on a quiet machine: while another program uses the cores, every wake-up waits for it. Figures that need a browser
are measured by `npm run figures`.";

/// What to measure.
#[derive(Debug, Args)]
pub(super) struct Bench {
    /// Only these figures [default: all but scale]
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    only: Vec<Group>,
    /// A tenth of everything, to see that it works
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of a table
    #[arg(long)]
    json: bool,
    /// A new folder on the disk to measure; removed afterwards
    #[arg(long, value_name = "FOLDER", default_value = "data/bench")]
    data: PathBuf,
    /// Compare with the bare server that this command starts, instead of our own
    #[arg(long, value_name = "COMMAND")]
    beside: Option<String>,
    /// Serve as the bare server that Tidemark is compared with
    #[arg(long, hide = true)]
    bare: bool,
}

/// Measures.
pub(super) async fn run(wanted: Bench) -> Result<ExitCode, Stopped> {
    if wanted.bare {
        let serving = bench::serve_bare(wanted.data, |address| terminal::say(&format!("Ready at http://{address}")));
        serving.await.map_err(|error| Stopped(format!("The bare server stopped: {error}.")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let groups = match wanted.only.is_empty() {
        true => Group::value_variants().iter().copied().filter(|group| *group != Group::Scale).collect(),
        false => wanted.only,
    };
    let size = if wanted.quick { Size::Quick } else { Size::Full };
    let measured = Wanted { groups, size, folder: wanted.data, beside: wanted.beside };
    let mut figures = Vec::new();
    let tell = |figure: Figure| {
        if !wanted.json {
            terminal::say(&row(&figure));
        }
        figures.push(figure);
    };
    if !wanted.json {
        terminal::say(&machine());
        terminal::say("| what | figure | budget | |\n| --- | --- | --- | --- |");
    }
    bench::run(&measured, tell).await.map_err(|error| Stopped(format!("Measuring stopped: {error}.")))?;
    if wanted.json {
        let report = serde_json::json!({ "machine": machine(), "figures": figures });
        terminal::say(&report.to_string());
    }
    Ok(ExitCode::SUCCESS)
}

/// A line of the table, as it stands in docs/BENCHMARKS.md.
fn row(figure: &Figure) -> String {
    let verdict = match figure.verdict {
        Verdict::Met => "met",
        Verdict::Missed => "**missed**",
        Verdict::Unbudgeted => "",
    };
    format!("| {} | {} | {} | {verdict} |", figure.what, figure.figure, figure.budget)
}

/// What it was measured on, and whether that was quiet.
fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let quiet = load.parse::<f64>().is_ok_and(|load| load < 0.3);
    let says = if quiet { "a quiet machine" } else { "a machine that does other work: expect better on a quiet one" };
    format!("{cores} cores, load average {load} at the start: {says}.\n")
}
