//! `tidemark backup` and `tidemark restore`. A backup is an ordinary database file. A restore gives every workspace a new
//! epoch, so that devices notice and offer again what the backup lacks.

use super::{Stopped, serve, terminal};
use crate::server::config::Config;
use crate::server::store::sqlite::Sqlite;
use crate::server::store::{Store as _, StoreError, Write as _};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes a copy of the database to a new file.
pub async fn backup(config: Config, to: &Path) -> Result<ExitCode, Stopped> {
    let database = config.database();
    if !database.exists() {
        return Err(Stopped(format!("There is no database at {}. Give its folder with --data.", database.display())));
    }
    if to.exists() {
        return Err(Stopped(format!("{} exists already and was left as it is. Give a new name.", to.display())));
    }
    let failed = |error: StoreError| Stopped(format!("No backup was made: {error}. The database was not changed."));
    let store = Sqlite::open(&database).await.map_err(failed)?;
    let copied = store.backup(to).await;
    store.close().await;
    copied.map_err(failed)?;
    let size = fs::metadata(to).map(|file| file.len() >> 10).unwrap_or_default();
    terminal::say(&format!(
        "Wrote {} ({size} KiB). `tidemark restore {}` goes back to it.",
        to.display(),
        to.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Puts a backup in the database's place.
pub async fn restore(config: Config, from: &Path) -> Result<ExitCode, Stopped> {
    let _lock = serve::lock(&config.data)?;
    let database = config.database();
    let new = database.with_extension("db.restoring");
    remove(&new)?;
    fs::copy(from, &new).map_err(|error| {
        Stopped(format!("The backup {} cannot be read: {error}. Nothing was changed.", from.display()))
    })?;
    let epochs = epochs(&database).await;
    let prepared = prepare(&new, &epochs).await;
    if let Err(Stopped(says)) = prepared {
        remove(&new)?;
        return Err(Stopped(says));
    }
    let kept = set_aside(&database)?;
    fs::rename(&new, &database).map_err(|error| {
        Stopped(format!("The backup could not be put in place: {error}. It is at {}.", new.display()))
    })?;
    terminal::say(&format!("Restored {} from {}.", database.display(), from.display()));
    if let Some(kept) = kept {
        terminal::say(&format!("The database that was there is kept as {}.", kept.display()));
    }
    terminal::say("Start the server: devices will notice and send again what the backup lacks.");
    Ok(ExitCode::SUCCESS)
}

/// The epoch of each workspace in the database that is there now, as far as it can still be read: the new ones must be above
/// them, or a device would not notice.
async fn epochs(database: &Path) -> BTreeMap<crate::model::id::WorkspaceId, u64> {
    if !database.exists() {
        return BTreeMap::new();
    }
    let Ok(store) = Sqlite::open(database).await else { return BTreeMap::new() };
    let workspaces = store.workspaces().await.unwrap_or_default();
    // Closing also writes the log of SQLite back into the file, which is about to be renamed.
    store.close().await;
    workspaces.into_iter().map(|workspace| (workspace.id, workspace.epoch)).collect()
}

/// Checks the copy of the backup and gives its workspaces new epochs.
async fn prepare(copy: &Path, epochs: &BTreeMap<crate::model::id::WorkspaceId, u64>) -> Result<(), Stopped> {
    let failed = |error: StoreError| Stopped(format!("This is not a usable backup: {error}. Nothing was changed."));
    let store = Sqlite::open(copy).await.map_err(failed)?;
    let found = store.check().await.map_err(failed)?;
    if let Some(first) = found.first() {
        return Err(Stopped(format!("The backup is damaged ({first}). Nothing was changed; take another one.")));
    }
    for workspace in store.workspaces().await.map_err(failed)? {
        let above = epochs.get(&workspace.id).copied().unwrap_or_default().max(workspace.epoch) + 1;
        let epoch = store.begin().await.map_err(failed)?.new_epoch(workspace.id, above).await.map_err(failed)?;
        terminal::say(&format!("Workspace {}: epoch {epoch}, {} changes.", workspace.name, workspace.head));
    }
    store.close().await;
    Ok(())
}

/// Renames the database that is there, and what SQLite keeps beside it.
fn set_aside(database: &Path) -> Result<Option<PathBuf>, Stopped> {
    if !database.exists() {
        return Ok(None);
    }
    let kept =
        (1..).map(|number| database.with_extension(format!("db.before-restore-{number}"))).find(|path| !path.exists());
    let Some(kept) = kept else { return Ok(None) };
    for beside in ["", "-wal", "-shm"] {
        let (old, new) = (with_suffix(database, beside), with_suffix(&kept, beside));
        if old.exists() {
            fs::rename(&old, &new)
                .map_err(|error| Stopped(format!("{} could not be set aside: {error}.", old.display())))?;
        }
    }
    Ok(Some(kept))
}

fn remove(path: &Path) -> Result<(), Stopped> {
    for beside in ["", "-wal", "-shm"] {
        let path = with_suffix(path, beside);
        if path.exists() {
            fs::remove_file(&path)
                .map_err(|error| Stopped(format!("{} could not be removed: {error}.", path.display())))?;
        }
    }
    Ok(())
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
