//! `tidemark doctor`: looks at everything a server needs and says what is wrong and what to do about it. It changes nothing:
//! the database is opened for reading, and a folder that is not there is not made.

use super::database;
use super::{Stopped, files_max, terminal};
use crate::server::config::{Config, ConfigError};
use crate::server::health::{DISK_FREE_MIB_MIN, disk_free_mib};
use crate::server::pages;
use rustix::fs::{Access, access};
use sqlx::{Connection as _, SqliteConnection};
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

/// When this was written, Unix milliseconds: a clock before it is wrong.
const WRITTEN_MS: i64 = 1_795_000_000_000;
/// A clock that stands this far behind what is stored was set back.
const BEHIND_MS_MAX: i64 = 5 * 60 * 1000;

/// Open files below which a server turns devices away before it is busy.
const FILES_MIN: u64 = 1_024;

/// Milliseconds in a day.
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

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
    terminal::say(&format!("A server would start with:\n{config}"));
    let mut findings = vec![
        ("configuration", Fine("can be read".to_owned())),
        ("public address", public_address(&config)),
        ("callers", callers(&config)),
        ("data folder", folder(&config.data)),
        ("server", server(&config.data)),
        ("disk", disk(&config.data)),
        ("connections", connections()),
        ("pages", built(&config)),
    ];
    findings.extend(database(&config.database()).await);
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

fn callers(config: &Config) -> Finding {
    config.callers_alike().map_or_else(|| Fine("can be told apart".to_owned()), |says| Wrong(says.to_owned()))
}

/// The folder, or the first one above it that is there: that is where the server would make it.
fn nearest(data: &Path) -> &Path {
    let above = |folder: &&Path| folder.exists() || folder.as_os_str().is_empty();
    match data.ancestors().find(above) {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn folder(data: &Path) -> Finding {
    let nearest = nearest(data);
    if !nearest.is_dir() {
        return Wrong(format!("{} is no folder. Check the path given with --data.", nearest.display()));
    }
    if let Err(error) = access(nearest, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK) {
        return Wrong(format!(
            "{} cannot be written: {}. Check the path and who owns it.",
            nearest.display(),
            std::io::Error::from(error)
        ));
    }
    Fine(match nearest == data {
        true => format!("{} can be written", data.display()),
        false => format!("{} is made at the first start", data.display()),
    })
}

fn server(data: &Path) -> Finding {
    let file = match File::open(data.join("tidemark.lock")) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Fine("has not run here yet".to_owned());
        }
        Err(error) => return Wrong(format!("Whether one runs cannot be seen: {error}. Check who owns the folder.")),
    };
    match file.try_lock_shared() {
        Ok(()) => Fine("none runs on this folder".to_owned()),
        Err(TryLockError::WouldBlock) => Fine("one runs on this folder".to_owned()),
        Err(TryLockError::Error(error)) => Wrong(format!("Whether one runs cannot be seen: {error}.")),
    }
}

fn disk(data: &Path) -> Finding {
    match disk_free_mib(nearest(data)) {
        Some(free) if free < DISK_FREE_MIB_MIN => {
            Wrong(format!("{free} MiB free; make room, or edits will be refused."))
        }
        Some(free) => Fine(format!("{free} MiB free")),
        None => Wrong("The free space cannot be read.".to_owned()),
    }
}

/// Each connection is an open file.
fn connections() -> Finding {
    match files_max() {
        None => Fine("without a limit, for a server started as this was".to_owned()),
        Some(files) if files < FILES_MIN => Wrong(format!(
            "Started as this was, a server may have no more than {files} open at once, and each device has one. Raise the \
             limit of open files: `ulimit -Hn`, or LimitNOFILE of its service."
        )),
        Some(files) => Fine(format!("{files} at once, for a server started as this was")),
    }
}

fn built(config: &Config) -> Finding {
    let missing = pages::missing_files(config);
    if missing.is_empty() {
        return Fine(format!("{} is complete", config.site.display()));
    }
    Wrong(format!(
        "{} lacks {}. Build it with `make build`, or give its folder with --site.",
        config.site.display(),
        missing.join(", ")
    ))
}

async fn database(path: &Path) -> Vec<(&'static str, Finding)> {
    if !path.exists() {
        return vec![
            ("database", Fine(format!("{} is made at the first start", path.display()))),
            ("clock", clock(None)),
        ];
    }
    let wrong = |unusable: database::Unusable| {
        ("database", Wrong(format!("{} {unusable}. {}", path.display(), unusable.remedy())))
    };
    if let Err(unusable) = database::check(path).await {
        return vec![wrong(unusable), ("clock", clock(None))];
    }
    let mut connection = match database::look(path).await {
        Ok(connection) => connection,
        Err(unusable) => return vec![wrong(unusable), ("clock", clock(None))],
    };
    let counted = counted(&mut connection).await;
    let newest = newest(&mut connection).await;
    // It only read.
    connection.close().await.ok();
    let sound = Fine(format!("{} is sound", path.display()));
    match (counted, newest) {
        (Ok(counted), Ok(newest)) => {
            vec![("database", sound), ("workspaces", Fine(counted)), ("clock", clock(newest))]
        }
        (Err(error), _) | (_, Err(error)) => vec![wrong(error.into()), ("clock", clock(None))],
    }
}

async fn counted(connection: &mut SqliteConnection) -> Result<String, sqlx::Error> {
    let (workspaces, changes, accounts): (i64, i64, i64) =
        sqlx::query_as("SELECT count(*), (SELECT count(*) FROM log), (SELECT count(*) FROM account) FROM workspace")
            .fetch_one(connection)
            .await?;
    Ok(format!("{workspaces}, with {changes} changes in their logs; accounts: {accounts}"))
}

/// The latest moment anything was written, Unix milliseconds. What is dated more than a day from now was, if something was written
/// since, a clock that had been wrong and is right again.
async fn newest(connection: &mut SqliteConnection) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT max(at) FROM (SELECT max(seen_ms) AS at FROM session WHERE seen_ms < ?1 \
         UNION ALL SELECT max(at_ms) FROM receipt WHERE at_ms < ?1 \
         UNION ALL SELECT min(at_ms) FROM log WHERE place IN (SELECT max(place) FROM log GROUP BY place >> 42))",
    )
    .bind(jiff::Timestamp::now().as_millisecond() + DAY_MS)
    .fetch_one(connection)
    .await
}

/// Sessions and invitations end by the clock.
fn clock(newest_ms: Option<i64>) -> Finding {
    let now = jiff::Timestamp::now();
    if now.as_millisecond() < WRITTEN_MS {
        return Wrong(format!("It says {now:.0}, which has passed. Set the machine's clock."));
    }
    match newest_ms {
        Some(newest) if newest - now.as_millisecond() > BEHIND_MS_MAX => {
            Wrong(format!("It says {now:.0}, but something was stored later than that. Set the machine's clock."))
        }
        _ => Fine(format!("{now:.0}")),
    }
}
