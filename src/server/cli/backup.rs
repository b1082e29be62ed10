//! `tidemark backup` and `tidemark restore`. A backup is an ordinary database file. A restore gives every workspace a new
//! epoch, so that devices notice and offer again what the backup lacks. Whatever goes wrong, the file that was there before
//! is still there, and a file that is not complete never has its final name.

use super::database::{self, Unusable, all_of, with_suffix};
use super::{Stopped, serve, terminal};
use crate::model::id::WorkspaceId;
use crate::server::config::Config;
use crate::server::store::sqlite::Sqlite;
use crate::server::store::{Store as _, Write as _};
use sqlx::Connection as _;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `tidemark backup --help` ends with.
pub const EXAMPLES: &str = "\
Examples:
  tidemark backup monday.db
  tidemark backup --data /var/lib/tidemark /backups/$(date +%F).db";

/// What `tidemark restore --help` ends with.
pub const RESTORE_EXAMPLES: &str = "\
Examples:
  tidemark restore monday.db
  tidemark restore --data /var/lib/tidemark /backups/2026-11-21.db";

/// Writes a copy of the database to a new file, and reads that copy through before it counts.
pub async fn backup(config: Config, to: &Path) -> Result<ExitCode, Stopped> {
    let from = config.database();
    if !from.exists() {
        return Err(Stopped(format!("There is no database at {}. Give its folder with --data.", from.display())));
    }
    if to.exists() {
        return Err(Stopped(format!("{} exists already and was left as it is. Give a new name.", to.display())));
    }
    if let Some(folder) = to.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        return Err(Stopped(format!("There is no folder {} to write to. Make it, or give another.", folder.display())));
    }
    let partial = with_suffix(to, ".partial");
    let written = write(&from, &partial).await.and_then(|()| Ok(name(&partial, to)?));
    if let Err(failure) = written {
        let left = remove(&partial).err().map_or_else(String::new, |Stopped(says)| format!(" {says}"));
        return Err(Stopped(format!("No backup was made: {failure} The database was not changed.{left}")));
    }
    let size = fs::metadata(to).map(|file| file.len() >> 10).unwrap_or_default();
    terminal::say(&format!(
        "Wrote {} ({size} KiB), and read it through: it is sound. It holds what passwords are checked against, so keep it \
         where only you can read it. `tidemark restore {}` goes back to it.",
        to.display(),
        to.display()
    ));
    Ok(ExitCode::SUCCESS)
}

/// Why there is no backup: a sentence.
#[derive(Debug, thiserror::Error)]
enum Unwritten {
    /// The database, or the copy just made of it.
    #[error("{} {unusable}.", .path.display())]
    Database { path: PathBuf, unusable: Unusable },
    /// The system did not let it be written.
    #[error("{0}.")]
    File(#[from] io::Error),
}

async fn write(from: &Path, partial: &Path) -> Result<(), Unwritten> {
    let unusable = |unusable| Unwritten::Database { path: from.to_owned(), unusable };
    let mut database = database::look(from).await.map_err(unusable)?;
    for file in all_of(partial).filter(|file| file.exists()) {
        fs::remove_file(file)?;
    }
    // Made first, so that nobody else could read it even for a moment.
    File::options().write(true).create_new(true).open(partial)?.set_permissions(Permissions::from_mode(0o600))?;
    let copied = sqlx::query("VACUUM INTO ?").bind(partial.display().to_string()).execute(&mut database).await;
    // It only read; what became of the copy is what counts.
    database.close().await.ok();
    copied.map_err(|error| unusable(error.into()))?;
    File::open(partial)?.sync_all()?;
    database::check(partial).await.map_err(|unusable| Unwritten::Database { path: partial.to_owned(), unusable })
}

/// Gives a complete file its final name, for good.
fn name(partial: &Path, to: &Path) -> io::Result<()> {
    fs::rename(partial, to)?;
    sync_folder(to)
}

/// Puts a backup in the database's place.
pub async fn restore(config: Config, from: &Path) -> Result<ExitCode, Stopped> {
    if !from.is_file() {
        return Err(Stopped(format!("There is no backup at {}. Nothing was changed.", from.display())));
    }
    let _lock = serve::lock(&config.data)?;
    let database = config.database();
    let new = database.with_extension("db.restoring");
    remove(&new)?;
    let prepared = prepare(from, &new, &ends(&database).await).await;
    if let Err(Stopped(says)) = prepared {
        remove(&new)?;
        return Err(Stopped(says));
    }
    let kept = put_in_place(&new, &database).map_err(|error| {
        Stopped(format!("The backup could not be put in place: {error}. It is at {}.", new.display()))
    })?;
    terminal::say(&format!("Restored {} from {}.", database.display(), from.display()));
    if let Some(kept) = kept {
        terminal::say(&format!("The database that was there is kept as {}.", kept.display()));
        if let Err(beside) = database::alone(&kept) {
            terminal::say(&format!("It belongs together with what lies beside it: {beside}."));
        }
    }
    terminal::say("Accounts, passwords and who is signed in are as they were when the backup was made.");
    terminal::say("Start the server: devices will notice and send again what the backup lacks.");
    Ok(ExitCode::SUCCESS)
}

/// Above which each workspace in the database that is there now must go on, as far as it can still be read: its epoch, or a
/// device would not notice, and its newest sequence number, or one number would mean two things.
async fn ends(database: &Path) -> BTreeMap<WorkspaceId, u64> {
    let Ok(looked) = database::look(database).await else { return BTreeMap::new() };
    // It only read; what can be read of the epochs is read below.
    looked.close().await.ok();
    let Ok(store) = Sqlite::open(database).await else { return BTreeMap::new() };
    let workspaces = store.workspaces().await.unwrap_or_else(|error| {
        terminal::say(&format!(
            "What is in the database that is there cannot be read ({error}); the new epochs begin with the time."
        ));
        Vec::new()
    });
    // Closing also writes the log of SQLite back into the file. Where it cannot, the log is kept beside the file.
    store.close().await.ok();
    workspaces.into_iter().map(|workspace| (workspace.id, workspace.epoch.max(workspace.head))).collect()
}

/// Copies the backup, checks the copy and gives its workspaces new epochs.
async fn prepare(from: &Path, new: &Path, ends: &BTreeMap<WorkspaceId, u64>) -> Result<(), Stopped> {
    let unusable = |why: &dyn std::fmt::Display| {
        Stopped(format!("The backup {} {why}. Nothing was changed; take another one.", from.display()))
    };
    let failed = |error: &dyn std::fmt::Display| {
        Stopped(format!("The backup {} could not be restored: {error}. Nothing was changed.", from.display()))
    };
    // Beside a file that was copied, or kept, of a server that did not stop lies what was committed last.
    let beside = fs::canonicalize(from).and_then(|from| database::alone(&from));
    if beside.is_err() {
        database::check(from).await.map_err(|error| unusable(&error))?;
        write(from, new).await.map_err(|error| {
            Stopped(format!("The backup {} could not be restored: {error} Nothing was changed.", from.display()))
        })?;
    } else {
        fs::copy(from, new).map_err(|error| failed(&error))?;
    }
    fs::set_permissions(new, Permissions::from_mode(0o600)).map_err(|error| failed(&error))?;
    database::check(new).await.map_err(|error| unusable(&error))?;
    let store = Sqlite::open(new).await.map_err(|error| failed(&error))?;
    // A database that can no longer be read does not tell where it ended. Epochs begin with the time, so the time is above it,
    // and above its sequence numbers too while fewer than a thousand changes a second were made since.
    let now = jiff::Timestamp::now().as_millisecond().unsigned_abs();
    for workspace in store.workspaces().await.map_err(|error| failed(&error))? {
        let above = ends.get(&workspace.id).copied().unwrap_or_default().max(workspace.epoch) + 1;
        let write = store.begin().await.map_err(|error| failed(&error))?;
        let epoch = write.new_epoch(workspace.id, above.max(now)).await.map_err(|error| failed(&error))?;
        terminal::say(&format!("Workspace {}: epoch {epoch}, after change {}.", workspace.name, workspace.head));
    }
    store.close().await.map_err(|error| failed(&error))?;
    database::alone(new).map_err(|error| failed(&error))?;
    File::open(new).and_then(|file| file.sync_all()).map_err(|error| failed(&error))
}

/// Gives the new file the database's name, and the one that had it another. There is one at every moment.
fn put_in_place(new: &Path, database: &Path) -> io::Result<Option<PathBuf>> {
    let kept = (1_u32..)
        .map(|number| database.with_extension(format!("db.before-restore-{number}")))
        .find(|path| all_of(path).all(|file| !file.exists()))
        .filter(|_| database.exists());
    if let Some(kept) = &kept {
        // What belongs to the old file must not meet the new one.
        for (old, aside) in all_of(database).zip(all_of(kept)).skip(1).filter(|(old, _)| old.exists()) {
            fs::rename(old, aside)?;
        }
        // Where a file cannot have two names, it changes its name, and for a moment there is none.
        fs::hard_link(database, kept).or_else(|_| fs::rename(database, kept))?;
    }
    fs::rename(new, database)?;
    sync_folder(database)?;
    Ok(kept)
}

/// A name is on disk once its folder is.
fn sync_folder(of: &Path) -> io::Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn remove(path: &Path) -> Result<(), Stopped> {
    for path in all_of(path).filter(|path| path.exists()) {
        fs::remove_file(&path)
            .map_err(|error| Stopped(format!("{} could not be removed: {error}.", path.display())))?;
    }
    Ok(())
}
