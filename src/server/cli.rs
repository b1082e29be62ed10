//! The command line: what it offers, and how a command ends. Each command is a file below; this one only reads, dispatches and
//! says what went wrong in plain words.

mod backup;
mod bench;
mod database;
mod demo;
mod doctor;
mod serve;
mod simulate;
mod terminal;

use crate::server::config::{Config, ConfigError, Settings};
use clap::{Args, Parser, Subcommand};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::path::PathBuf;
use std::process::ExitCode;

/// Tidemark: a self-hosted, local-first work dashboard. No edit is ever lost without being shown to its author.
#[derive(Debug, Parser)]
#[command(name = "tidemark", version, about, after_help = EXAMPLES)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  tidemark demo                                     try it: a workspace with people and work in it
  tidemark serve                                    run it on this machine, data in ./data
  tidemark serve --public-url https://tide.example.org --caller forwarded
                                                    run it behind a proxy that has a certificate
  tidemark doctor                                   what is wrong, and what to do about it
  tidemark bench --quick                            what this machine can do
  tidemark backup /backups/monday.db                a copy of everything, while the server runs
  tidemark restore /backups/monday.db               go back to it; devices send again what it lacks

Settings come from tidemark.toml (or --config), then TIDEMARK_* variables, then flags; the later wins.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Try it: make a workspace with people and work in it, and serve it on this machine
    #[command(after_help = demo::EXAMPLES)]
    Demo(demo::Demo),
    /// Run the server
    #[command(after_help = serve::EXAMPLES)]
    Serve(Common),
    /// Look at database, configuration, disk, clock and pages, and say what is wrong
    ///
    /// It changes nothing, also while the server runs. Its exit code is 0 if nothing is wrong.
    Doctor(Common),
    /// Write a consistent copy of the database to a new file, also while the server runs
    ///
    /// The copy is read through before it counts. Keep it on another machine: it is everything, and holds what passwords are
    /// checked against.
    #[command(after_help = backup::EXAMPLES)]
    Backup {
        /// The file to write; it must not exist
        to: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Put a backup in the database's place; the server must be stopped
    ///
    /// The database that was there is kept beside it. Devices notice that history was replaced and send again whatever the
    /// backup lacks. Accounts, passwords and sessions are those of the backup.
    #[command(after_help = backup::RESTORE_EXAMPLES)]
    Restore {
        /// The backup to go back to
        from: PathBuf,
        #[command(flatten)]
        place: Place,
    },
    /// Measure writes, propagation, first copies and memory on this machine, and print one table
    #[command(after_help = bench::EXAMPLES)]
    Bench(bench::Bench),
    /// Live through seeded virtual histories in which everything goes wrong, and check that nothing is lost
    #[command(after_help = simulate::EXAMPLES)]
    Simulate(simulate::Simulate),
}

/// Where the database is: all that commands take which only handle its file.
#[derive(Debug, Clone, Args)]
struct Place {
    /// Configuration file [default: tidemark.toml, if it is there]
    #[arg(long, env = "TIDEMARK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of the database [default: data]
    #[arg(long, env = "TIDEMARK_DATA", value_name = "FOLDER")]
    data: Option<PathBuf>,
}

impl Place {
    fn read(self) -> Result<Config, ConfigError> {
        Config::read(Settings { data: self.data, ..Settings::default() }, self.config.as_deref())
    }
}

/// What the commands take that run, or look at, a whole server.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Configuration file [default: tidemark.toml, if it is there]
    #[arg(long, env = "TIDEMARK_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

impl Common {
    fn read(self) -> Result<Config, ConfigError> {
        Config::read(self.settings, self.config.as_deref())
    }
    /// The same with a folder of its own, unless one was named.
    fn read_for_demo(mut self) -> Result<Config, ConfigError> {
        self.settings.data.get_or_insert_with(|| PathBuf::from("data/demo"));
        self.settings.log.get_or_insert_with(|| "warn".to_owned());
        self.read()
    }
}

/// Why a command did not do its work, in words for whoever typed it.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Stopped(String);

impl From<ConfigError> for Stopped {
    fn from(error: ConfigError) -> Self {
        Self(error.to_string())
    }
}

/// How many files and connections this process may have open at once, from now on as many as the system lets it have; `None` if
/// there is no limit.
fn files_max() -> Option<u64> {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => maximum,
        Err(_) => current,
    }
}

/// Reads the command line and runs what it names.
pub fn run() -> ExitCode {
    files_max();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return terminal::failed(&format!("This machine lets no threads be started: {error}.")),
    };
    match runtime.block_on(dispatch(Cli::parse().command)) {
        Ok(code) => code,
        Err(Stopped(says)) => terminal::failed(&says),
    }
}

async fn dispatch(command: Command) -> Result<ExitCode, Stopped> {
    match command {
        Command::Demo(wanted) => demo::run(wanted).await,
        Command::Serve(common) => serve::run(common.read()?).await,
        Command::Doctor(common) => doctor::run(common.read()).await,
        Command::Backup { to, place } => backup::backup(place.read()?, &to).await,
        Command::Restore { from, place } => backup::restore(place.read()?, &from).await,
        Command::Bench(wanted) => bench::run(wanted).await,
        Command::Simulate(wanted) => simulate::run(wanted).await,
    }
}
