//! `tidemark serve`: opens, prints what it goes by, serves until it is told to stop.

use super::database::{self, Unusable};
use super::{Stopped, terminal};
use crate::server::accounts::password::Cost;
use crate::server::config::{Config, LogFormat};
use crate::server::pages;
use crate::server::serve::{HEAD_WAIT, serve};
use crate::server::state::AppState;
use sqlx::Connection as _;
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::process::ExitCode;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

/// What `tidemark serve --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  tidemark serve
  tidemark serve --data /var/lib/tidemark --sign-up invited
  tidemark serve --listen 127.0.0.1:8080 --public-url https://tide.example.org --caller forwarded

The same as a file, tidemark.toml:
  listen = \"127.0.0.1:8080\"
  public_url = \"https://tide.example.org\"
  caller = \"forwarded\"
  data = \"/var/lib/tidemark\"
  sign_up = \"invited\"

The server stops on SIGTERM or Ctrl-C: it tells connected devices, finishes what was begun, and exits.";

/// Runs the server.
pub async fn run(config: Config) -> Result<ExitCode, Stopped> {
    start_logging(&config)?;
    if let Some(says) = config.callers_alike() {
        tracing::warn!("{says}");
    }
    let _lock = lock(&config.data)?;
    let (listener, state) = open(config).await?;
    terminal::say(&format!("Tidemark {} starts with:\n{}", env!("CARGO_PKG_VERSION"), state.config));
    until_told(listener, state).await
}

/// Binds the address and opens the database, once it is known to be one of Tidemark's.
pub async fn open(config: Config) -> Result<(TcpListener, AppState), Stopped> {
    let listener = TcpListener::bind(config.listen).await.map_err(|error| Stopped(unbound(&config, &error)))?;
    let listening = listener.local_addr().map_err(|error| Stopped(unbound(&config, &error)))?;
    let config = Config { listen: listening, ..config };
    let database = config.database();
    if database.exists() {
        // One that holds nothing is left by a first start that was cut short.
        if let Err(unusable) = usable(&database).await
            && !matches!(unusable, Unusable::Empty)
        {
            let remedy = unusable.remedy();
            return Err(Stopped(format!("{} {unusable}. Nothing was changed. {remedy}", database.display())));
        }
    }
    let missing = pages::missing_files(&config);
    if !missing.is_empty() {
        tracing::warn!(
            folder = %config.site.display(), missing = missing.join(", "),
            "The pages are not built, so browsers show them bare. Build them with `make build`, or give their folder with --site."
        );
    }
    if config.public_url.is_none() && !listening.ip().is_loopback() {
        tracing::warn!(
            "Other machines reach this server, but only pages opened on this one may change anything. Give the https address \
             that browsers use as --public-url."
        );
    }
    let state = AppState::open(config, listening, Cost::RECOMMENDED).await.map_err(|error| {
        Stopped(format!(
            "The database {} cannot be opened: {error}. Nothing was changed; `tidemark doctor` says more.",
            database.display()
        ))
    })?;
    Ok((listener, state))
}

async fn usable(database: &Path) -> Result<(), Unusable> {
    // It only read.
    database::look(database).await?.close().await.ok();
    Ok(())
}

/// Serves until a signal.
pub async fn until_told(listener: TcpListener, state: AppState) -> Result<ExitCode, Stopped> {
    let told = told_to_stop()?;
    if let Ok(listening) = listener.local_addr() {
        terminal::say(&format!("Ready at {}", state.config.url(listening)));
    }
    serve(listener, state, HEAD_WAIT, told).await.map_err(|error| Stopped(format!("Serving ended: {error}.")))?;
    Ok(ExitCode::SUCCESS)
}

/// Takes the data folder for this process alone; two servers on one database would settle against each other.
pub fn lock(data: &Path) -> Result<File, Stopped> {
    let says = |error: io::Error| {
        Stopped(format!("The data folder {} cannot be used: {error}. Check the path and who owns it.", data.display()))
    };
    // A new folder is nobody else's to read: it will hold what passwords are checked against.
    DirBuilder::new().recursive(true).mode(0o700).create(data).map_err(says)?;
    let file =
        File::options().create(true).truncate(false).write(true).open(data.join("tidemark.lock")).map_err(says)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Stopped(format!(
            "Another Tidemark uses the data folder {}. Stop it first, or give another folder with --data.",
            data.display()
        ))),
        Err(TryLockError::Error(error)) => Err(says(error)),
    }
}

/// Logs from now on as configured.
pub fn start_logging(config: &Config) -> Result<(), Stopped> {
    let filter = EnvFilter::try_new(&config.log).map_err(|error| {
        Stopped(format!("The log filter {:?} cannot be read: {error}. An example is info,tidemark=debug.", config.log))
    })?;
    let colours = io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    let started = match config.log_format {
        LogFormat::Text => lines.try_init(),
        LogFormat::Json => lines.json().try_init(),
    };
    started.map_err(|error| Stopped(format!("Logging cannot start: {error}.")))
}

/// Done at the first SIGTERM or Ctrl-C.
fn told_to_stop() -> Result<impl Future<Output = ()>, Stopped> {
    use tokio::signal::unix::{SignalKind, signal};
    let deaf = |error: io::Error| Stopped(format!("This process cannot hear signals: {error}."));
    let mut terminate = signal(SignalKind::terminate()).map_err(deaf)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(deaf)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

fn unbound(config: &Config, error: &io::Error) -> String {
    let listen = config.listen;
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("Something already listens at {listen}. Stop it, or give another address with --listen.")
        }
        io::ErrorKind::PermissionDenied => {
            format!(
                "This user may not listen at {listen}. Ports below 1024 need a privilege; give another with --listen."
            )
        }
        _ => format!("Listening at {listen} is not possible: {error}. Check the address given with --listen."),
    }
}
