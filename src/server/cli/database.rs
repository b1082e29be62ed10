//! Looking at a database file before anything is done with it: whether it is one, whether Tidemark made it, and whether this
//! version understands it. The file is opened for reading only, so that nobody else's is ever changed and looking at the
//! database of an older version does not bring it up to date.

use crate::server::store::sqlite::MIGRATIONS;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, SqliteConnection};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long to wait for a server that is just writing.
const BUSY_MAX: Duration = Duration::from_secs(10);

/// Why a file is not a database that this version of Tidemark can use. Reads as the rest of a sentence that begins with the
/// file's name.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Nothing is in it yet. A server that was cut short at its first start leaves such a one.
    #[error("holds nothing")]
    Empty,
    /// It is some other file.
    #[error("is not a database")]
    NotOne,
    /// Another program's tables are in it.
    #[error("is the database of another program")]
    Foreign,
    /// A newer version has changed its tables.
    #[error("was written by a newer version of Tidemark than this one, {}", env!("CARGO_PKG_VERSION"))]
    Newer,
    /// Part of it is not as it was written.
    #[error("is damaged ({0})")]
    Damaged(String),
    /// The system, or the database library, does not let it be read.
    #[error("cannot be read or copied: {0}")]
    Unreadable(String),
}

impl Unusable {
    /// What to do about it where the server's own database is in this state.
    pub fn remedy(&self) -> &'static str {
        match self {
            Self::Empty | Self::NotOne | Self::Damaged(_) => {
                "Go back to a backup with `tidemark restore`, or give another folder with --data."
            }
            Self::Foreign => "Give the folder of Tidemark's own database with --data.",
            Self::Newer => "Install that version, or a later one.",
            Self::Unreadable(_) => "Check the path and who owns the file.",
        }
    }
}

impl From<sqlx::Error> for Unusable {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::Database(inner) => inner.code().map(|code| code.into_owned()),
            _ => None,
        };
        // Result codes of SQLite: SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB.
        match code.as_deref() {
            Some("11") => Self::Damaged("a page of it cannot be read".to_owned()),
            Some("13") => Self::Unreadable("the disk is full".to_owned()),
            Some("26") => Self::NotOne,
            _ => Self::Unreadable(match error {
                sqlx::Error::Database(inner) => inner.message().to_owned(),
                other => other.to_string(),
            }),
        }
    }
}

/// What SQLite keeps beside a database while it is open, or after its program was killed.
const BESIDE: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A database file, then what SQLite keeps beside it.
pub fn all_of(path: &Path) -> impl Iterator<Item = PathBuf> {
    let beside = BESIDE.map(|suffix| with_suffix(path, suffix));
    std::iter::once(path.to_owned()).chain(beside)
}

/// The path with something after its last letter.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Refuses a database beside which SQLite still keeps something: moved without it, it would lack what was committed last.
///
/// # Errors
/// Names what lies beside it.
pub fn alone(path: &Path) -> io::Result<()> {
    match all_of(path).skip(1).find(|file| file.exists()) {
        Some(beside) => Err(io::Error::other(format!("{} was not written back into the database", beside.display()))),
        None => Ok(()),
    }
}

/// Opens the file for reading, once it is known to be Tidemark's.
///
/// # Errors
/// In words about the file.
pub async fn look(path: &Path) -> Result<SqliteConnection, Unusable> {
    // A library's "unable to open" says less than the system does.
    std::fs::File::open(path).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    let options = SqliteConnectOptions::new().filename(path).read_only(true).busy_timeout(BUSY_MAX);
    let mut connection = options.disable_statement_logging().connect().await?;
    match whose(&mut connection).await {
        Ok(()) => Ok(connection),
        Err(unusable) => {
            // What was found out counts; a connection that only read has nothing left to do.
            connection.close().await.ok();
            Err(unusable)
        }
    }
}

/// Finds out by the migrations that were run, which carry their own checksums.
async fn whose(connection: &mut SqliteConnection) -> Result<(), Unusable> {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT name FROM sqlite_schema WHERE type = 'table'").fetch_all(&mut *connection).await?;
    if tables.is_empty() {
        return Err(Unusable::Empty);
    }
    if !tables.iter().any(|name| name == "_sqlx_migrations") {
        return Err(Unusable::Foreign);
    }
    let run: Vec<(i64, Vec<u8>)> =
        sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
            .fetch_all(&mut *connection)
            .await?;
    if run.is_empty() {
        return Err(if tables.len() == 1 { Unusable::Empty } else { Unusable::Foreign });
    }
    for (at, (version, checksum)) in run.iter().enumerate() {
        match MIGRATIONS.iter().find(|known| known.version == *version) {
            Some(known) if *known.checksum == **checksum => {}
            None if at > 0 => return Err(Unusable::Newer),
            Some(_) | None => return Err(Unusable::Foreign),
        }
    }
    Ok(())
}

/// Reads the whole file and says whether it is sound.
///
/// # Errors
/// In words about the file.
pub async fn check(path: &Path) -> Result<(), Unusable> {
    let mut connection = look(path).await?;
    let found: Result<Vec<String>, sqlx::Error> =
        sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_all(&mut connection).await;
    connection.close().await.ok();
    match found?.into_iter().find(|line| line != "ok") {
        Some(first) => Err(Unusable::Damaged(first.replace('\n', " "))),
        None => Ok(()),
    }
}
