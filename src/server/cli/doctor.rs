//! `tidemark doctor`: looks at everything a server needs and says what is wrong and what to do about it. It changes nothing
//! but what opening the database changes.

use super::{Stopped, terminal};
use crate::server::config::{Config, ConfigError};
use crate::server::health::{DISK_FREE_MIB_MIN, disk_free_mib};
use crate::server::pages::built_files;
use crate::server::store::Store as _;
use crate::server::store::sqlite::Sqlite;
use std::path::Path;
use std::process::ExitCode;

/// When this was written, Unix milliseconds: a clock before it is wrong.
const WRITTEN_MS: i64 = 1_795_000_000_000;
/// A clock that stands this far behind what is stored was set back.
const BEHIND_MS_MAX: i64 = 5 * 60 * 1000;

/// What one look found.
enum Finding {
    Fine(String),
    /// What is wrong, and what to do.
    Wrong(String),
}
use Finding::{Fine, Wrong};

/// Looks at everything, prints one line each, and fails if anything is wrong.
pub async fn run(config: Result<Config, ConfigError>) -> Result<ExitCode, Stopped> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            print("configuration", &Wrong(error.to_string()));
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut findings = vec![
        (
            "configuration",
            Fine(config.file.as_ref().map_or_else(
                || "no file; defaults, environment and flags".to_owned(),
                |file| format!("read from {}", file.display()),
            )),
        ),
        ("public address", public_address(&config)),
        ("data folder", folder(&config.data)),
        ("disk", disk(&config.data)),
        ("pages", pages(&config)),
    ];
    findings.extend(database(&config).await);
    for (what, finding) in &findings {
        print(what, finding);
    }
    let wrong = findings.iter().filter(|(_, finding)| matches!(finding, Wrong(_))).count();
    terminal::say(&match wrong {
        0 => "Nothing is wrong.".to_owned(),
        1 => "1 thing is wrong.".to_owned(),
        many => format!("{many} things are wrong."),
    });
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(what: &str, finding: &Finding) {
    match finding {
        Fine(says) => terminal::say(&format!("ok     {what:<16} {says}")),
        Wrong(says) => terminal::say(&format!("WRONG  {what:<16} {says}")),
    }
}

fn public_address(config: &Config) -> Finding {
    match &config.public_url {
        Some(url) => Fine(url.clone()),
        None if config.listen.ip().is_loopback() => Fine("none: reachable from this machine only".to_owned()),
        None => Wrong(format!(
            "The server listens at {}, but without --public-url only pages opened on this machine may change anything. \
             Give the https address that browsers use.",
            config.listen
        )),
    }
}

fn folder(data: &Path) -> Finding {
    let probe = data.join("doctor.probe");
    let written = std::fs::create_dir_all(data)
        .and_then(|()| std::fs::write(&probe, b"probe"))
        .and_then(|()| std::fs::remove_file(&probe));
    match written {
        Ok(()) => Fine(format!("{} can be written", data.display())),
        Err(error) => Wrong(format!("{} cannot be written: {error}. Check the path and who owns it.", data.display())),
    }
}

fn disk(data: &Path) -> Finding {
    match disk_free_mib(data) {
        Some(free) if free < DISK_FREE_MIB_MIN => {
            Wrong(format!("{free} MiB free; make room, or edits will be refused."))
        }
        Some(free) => Fine(format!("{free} MiB free")),
        None => Wrong("The free space cannot be read.".to_owned()),
    }
}

fn pages(config: &Config) -> Finding {
    let options = config.leptos(config.listen);
    let missing: Vec<String> = built_files(&options)
        .into_iter()
        .filter(|path| !config.site.join(path.trim_start_matches('/')).exists())
        .collect();
    if missing.is_empty() {
        return Fine(format!("{} is complete", config.site.display()));
    }
    Wrong(format!(
        "{} lacks {}. Build it with `make build`, or give its folder with --site.",
        config.site.display(),
        missing.join(", ")
    ))
}

async fn database(config: &Config) -> Vec<(&'static str, Finding)> {
    let path = config.database();
    if !path.exists() {
        return vec![("database", Fine(format!("{} is made at the first start", path.display())))];
    }
    let store = match Sqlite::open(&path).await {
        Ok(store) => store,
        Err(error) => {
            let says =
                format!("{} cannot be opened: {error}. Restore a backup with `tidemark restore`.", path.display());
            return vec![("database", Wrong(says))];
        }
    };
    let sound = match store.check().await {
        Ok(found) => match found.first() {
            None => Fine(format!("{} is sound", path.display())),
            Some(first) => Wrong(format!(
                "{} is damaged ({first}). Stop the server and restore a backup with `tidemark restore`.",
                path.display()
            )),
        },
        Err(error) => Wrong(format!("{} cannot be read: {error}.", path.display())),
    };
    let counted = match store.workspaces().await {
        Ok(workspaces) => Fine(format!(
            "{} ({} changes)",
            workspaces.len(),
            workspaces.iter().map(|workspace| workspace.head).sum::<u64>()
        )),
        Err(error) => Wrong(format!("The workspaces cannot be read: {error}.")),
    };
    let clock = clock(&store).await;
    store.close().await;
    vec![("database", sound), ("workspaces", counted), ("clock", clock)]
}

/// Sessions and invitations end by the clock.
async fn clock(store: &Sqlite) -> Finding {
    let now = jiff::Timestamp::now();
    let newest: Option<i64> =
        sqlx::query_scalar("SELECT max(seen_ms) FROM session").fetch_one(store.readers()).await.ok().flatten();
    if now.as_millisecond() < WRITTEN_MS {
        return Wrong(format!("It says {now}, which has passed. Set the machine's clock."));
    }
    match newest {
        Some(newest) if newest - now.as_millisecond() > BEHIND_MS_MAX => {
            Wrong(format!("It says {now}, but somebody was here later than that. Set the machine's clock."))
        }
        _ => Fine(now.to_string()),
    }
}
