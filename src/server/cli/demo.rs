//! `tidemark demo`: a workspace with people and work in it, on a database of its own.

use super::{Common, Stopped, database, serve, terminal};
use crate::server::accounts::password::Cost;
use crate::server::config::Config;
use crate::server::demo;
use crate::server::state::AppState;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

/// What `tidemark demo --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  tidemark demo                         data in ./data/demo; a second start finds it as it was left
  tidemark demo --listen 127.0.0.1:8080
  tidemark demo --data data/large --tasks 10000
                                        with one project of that size, to see how large ones feel
  rm -r data/demo && tidemark demo      from the beginning again";

/// The most tasks the demo makes beyond its story: as many records as a device is measured with.
const TASKS_MAX: u32 = 100_000;

/// What the command takes.
#[derive(Debug, clap::Args)]
pub struct Demo {
    /// Make a project with this many tasks as well; only when the workspace is made
    #[arg(long, default_value_t = 0, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(0..=i64::from(TASKS_MAX)))]
    tasks: u32,
    #[command(flatten)]
    common: Common,
}

/// Makes the demo workspace if it is not there, and serves it.
pub async fn run(Demo { tasks, common }: Demo) -> Result<ExitCode, Stopped> {
    let config = common.read_for_demo()?;
    if !config.listen.ip().is_loopback() {
        return Err(Stopped(format!(
            "The demo's passwords are known to everybody, so it listens on this machine only; {} is reachable from others. \
             Leave --listen out.",
            config.listen
        )));
    }
    serve::start_logging(&config)?;
    let _lock = serve::lock(&config.data)?;
    if !config.database().exists() {
        make(&config, tasks).await?;
    }
    let (listener, state) = serve::open(config).await?;
    terminal::say("Tidemark's demo: Northwind Grid, a small grid operator. Everybody's password is the same:");
    for (name, email, role) in demo::sign_ins() {
        terminal::say(&format!("  {email:<26} {:<16} {name}, {}", demo::PASSWORD, role.label().to_lowercase()));
    }
    terminal::say("Sign in as one here and as another in a private window. Ctrl-C stops it.");
    serve::until_told(listener, state).await
}

/// Makes the workspace in a folder beside, and puts it in place when it is complete: a half-made one is never served.
async fn make(config: &Config, tasks: u32) -> Result<(), Stopped> {
    let failed = |error: &dyn std::fmt::Display| Stopped(format!("The demo workspace could not be made: {error}."));
    let beside: PathBuf = config.data.join("making");
    if beside.exists() {
        fs::remove_dir_all(&beside).map_err(|error| failed(&error))?;
    }
    fs::create_dir_all(&beside).map_err(|error| failed(&error))?;
    let making = Config { data: beside.clone(), ..config.clone() };
    let clock = demo::StoryClock::default();
    let opened = AppState::open_by(clock.clone(), making.clone(), config.listen, Cost::RECOMMENDED).await;
    let state = opened.map_err(|error| failed(&error))?;
    demo::play(&state, &clock, tasks).await.map_err(|error| failed(&error))?;
    state.core.stop().await;
    state.core.store().close().await.map_err(|error| failed(&error))?;
    database::alone(&making.database()).map_err(|error| failed(&error))?;
    fs::rename(making.database(), config.database()).map_err(|error| failed(&error))?;
    fs::remove_dir_all(&beside).map_err(|error| failed(&error))
}
