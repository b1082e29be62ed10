//! The SQLite store against the laws of every store, and what only a file can get wrong.

use super::direct::Arg;
use super::*;
use crate::server::store::conformance::{Draft, conformance, op_id, workspace_id};
use crate::sync::op::Outcome;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

/// A directory of a test's own, removed with everything in it when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn make() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidemark-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
    pub fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub async fn on_disk() -> (Sqlite, Scratch) {
    let scratch = Scratch::make();
    let store = Sqlite::open(&scratch.file("tidemark.db")).await.unwrap();
    (store, scratch)
}

impl Sqlite {
    /// Sets something on the connection of the core's writer.
    pub async fn pragma(&self, pragma: &'static str) {
        self.begin().await.unwrap().direct().execute(pragma, &[]).unwrap();
    }

    /// No page is read until this is dropped.
    pub fn hold_pages(&self) -> tokio::sync::OwnedSemaphorePermit {
        self.pages.hold()
    }
}

mod file {
    super::conformance!(super::on_disk());
}

mod memory {
    async fn in_memory() -> (super::Sqlite, ()) {
        (super::Sqlite::open_in_memory().await.unwrap(), ())
    }
    super::conformance!(in_memory());
}

fn note(head: Version, text: &str) -> Draft {
    let draft = if head == 0 { Draft::made(workspace_id(1)) } else { Draft::after(head) };
    let draft = draft.put(Kind::Note, u128::from(head), Scope::Workspace, &[("title", text.into())]);
    draft.receipt(u128::from(head), head, Outcome::Applied)
}

async fn notes(store: &Sqlite) -> usize {
    let page = Page { count_max: usize::MAX - 1, bytes_max: usize::MAX };
    store.records(workspace_id(1), &Select::Kind(Kind::Note), page).await.unwrap().rows.len()
}

#[tokio::test]
async fn what_is_committed_outlives_the_process_and_reaches_a_backup() {
    let (store, scratch) = on_disk().await;
    for head in 0..3 {
        note(head, "kept").commit(&store, workspace_id(1)).await.unwrap();
    }
    store.backup(&scratch.file("copy.db")).await.unwrap();
    assert!(store.backup(&scratch.file("copy.db")).await.is_err(), "a backup never overwrites");
    note(3, "after the backup").commit(&store, workspace_id(1)).await.unwrap();
    store.close().await.unwrap();

    let again = Sqlite::open(&scratch.file("tidemark.db")).await.unwrap();
    assert_eq!(notes(&again).await, 4);
    assert!(again.check().await.unwrap().is_empty());
    let copy = Sqlite::open(&scratch.file("copy.db")).await.unwrap();
    assert_eq!(notes(&copy).await, 3);
    assert!(copy.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_else_may_read_the_database_or_its_log() {
    use std::os::unix::fs::PermissionsExt as _;
    let (store, scratch) = on_disk().await;
    note(0, "mine").commit(&store, workspace_id(1)).await.unwrap();
    for name in ["tidemark.db", "tidemark.db-wal"] {
        let mode = std::fs::metadata(scratch.file(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_closed_database_is_one_file_that_can_be_moved() {
    for _ in 0..30 {
        let (store, scratch) = on_disk().await;
        note(0, "moved").commit(&store, workspace_id(1)).await.unwrap();
        assert_eq!(notes(&store).await, 1);
        store.close().await.unwrap();
        assert!(!scratch.file("tidemark.db-wal").exists(), "a connection was still open");
        std::fs::rename(scratch.file("tidemark.db"), scratch.file("moved.db")).unwrap();
        let moved = Sqlite::open(&scratch.file("moved.db")).await.unwrap();
        assert_eq!(notes(&moved).await, 1);
        moved.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_writes_nothing_and_recovers_once_there_is_room() {
    let (store, _scratch) = on_disk().await;
    note(0, "first").commit(&store, workspace_id(1)).await.unwrap();
    store.pragma("PRAGMA max_page_count = 1").await;

    let large = note(1, &"x".repeat(200_000));
    assert!(matches!(large.commit(&store, workspace_id(1)).await, Err(StoreError::Full)));
    assert_eq!((notes(&store).await, store.workspace(workspace_id(1)).await.unwrap().unwrap().head), (1, 1));
    let needs = [Need::Receipt(op_id(1))];
    let found = store.begin().await.unwrap().load(workspace_id(1), &needs).await.unwrap();
    assert_eq!(found, [Found::Receipt(op_id(1), None)]);

    store.pragma("PRAGMA max_page_count = 100000").await;
    large.commit(&store, workspace_id(1)).await.unwrap();
    assert_eq!(notes(&store).await, 2);
}

#[tokio::test]
async fn what_a_long_transaction_wrote_before_it_was_rolled_back_harms_nobody() {
    let (store, scratch) = on_disk().await;
    note(0, "first").commit(&store, workspace_id(1)).await.unwrap();
    let log_bytes = || std::fs::metadata(scratch.file("tidemark.db-wal")).unwrap().len();
    let before = log_bytes();
    // More than its connection's memory for pages, so that most of it is in the log before its commit.
    store.pragma("PRAGMA cache_size = 4").await;
    let mut write = store.begin().await.unwrap();
    let row = [Arg::Id(Uuid::nil()), Arg::Text(&"x".repeat(200_000))];
    write.direct().execute("INSERT INTO scope (workspace, scope) VALUES (?1, ?2)", &row).unwrap();
    // Nothing of it is held back: its table and its index each hold the text, but for the few pages in memory.
    assert!(log_bytes() > before + 2 * 200_000 - 6 * 4_096, "{} of {before}", log_bytes());
    drop(write);

    // Another connection, and then this one, write where that was.
    let kept = "INSERT INTO scope (workspace, scope) VALUES (zeroblob(16), 'kept')";
    sqlx::query(kept).execute(store.writer()).await.unwrap();
    note(1, &"x".repeat(200_000)).commit(&store, workspace_id(1)).await.unwrap();
    // As after a crash: from the log.
    for name in ["tidemark.db", "tidemark.db-wal"] {
        std::fs::copy(scratch.file(name), scratch.file(&name.replace("tidemark", "copy"))).unwrap();
    }
    let again = Sqlite::open(&scratch.file("copy.db")).await.unwrap();
    let scopes = "SELECT count(*) FILTER (WHERE scope = 'kept'), count(*) FROM scope";
    let scopes: (i64, i64) = sqlx::query_as(scopes).fetch_one(again.readers()).await.unwrap();
    assert_eq!((scopes, notes(&again).await), ((1, 2), 2));
    assert!(again.check().await.unwrap().is_empty());
}

#[tokio::test]
async fn a_commit_that_is_abandoned_halfway_leaves_no_transaction_behind() {
    let (store, _scratch) = on_disk().await;
    note(0, "first").commit(&store, workspace_id(1)).await.unwrap();
    let second = note(1, "second");
    for polls in 0..6 {
        let write = store.begin().await.unwrap();
        let changes = BTreeMap::from([(workspace_id(1), second.changes())]);
        let mut commit = Box::pin(write.commit(&changes));
        for _ in 0..polls {
            if futures::poll!(&mut commit).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
    }
    // The last one may still be on its way to the disk. Whoever may write next has waited for it: whether one reached
    // the disk or none did, they find a clean connection and a true head.
    drop(store.begin().await.unwrap());
    let head = store.workspace(workspace_id(1)).await.unwrap().unwrap().head;
    note(head, "next").commit(&store, workspace_id(1)).await.unwrap();
    assert_eq!(store.workspace(workspace_id(1)).await.unwrap().unwrap().head, head + 1);
}

#[tokio::test]
async fn reports_read_values_out_of_the_fields() {
    let (store, _scratch) = on_disk().await;
    let scope = Scope::Project(RecordId(Uuid::from_u128(10)));
    let draft = Draft::made(workspace_id(1)).put(
        Kind::Task,
        40,
        scope,
        &[("title", "Pour \"it\"".into()), ("status", "blocked".into()), ("estimate", 90.into())],
    );
    draft.commit(&store, workspace_id(1)).await.unwrap();
    let query = "SELECT title, status, estimate_minutes, due FROM task_report";
    let row: (String, String, i64, Option<String>) = sqlx::query_as(query).fetch_one(store.readers()).await.unwrap();
    assert_eq!(row, ("Pour \"it\"".to_owned(), "blocked".to_owned(), 90, None));
}

#[tokio::test]
async fn a_log_in_its_first_form_is_carried_over() {
    let scratch = Scratch::make();
    let path = scratch.file("tidemark.db");
    let mut first = SqliteConnectOptions::new().filename(&path).create_if_missing(true).connect().await.unwrap();
    MIGRATIONS.run_to(2, &mut first).await.unwrap();
    let texts = |n: u128| ["made", "changed", "changed again"].map(|text| format!("{text} in {n}"));
    let draft = |n: u128| {
        texts(n).iter().fold(Draft::made(workspace_id(n)), |draft, text| {
            draft.put(Kind::Note, 50, Scope::Workspace, &[("title", text.as_str().into())])
        })
    };
    // The second was made first.
    for n in [2, 1] {
        let (id, draft) = (workspace_id(n).0, draft(n));
        let workspace = "INSERT INTO workspace VALUES (?1, 'Old', 7, 3, 0, 1, ?2)";
        sqlx::query(workspace).bind(id).bind(10 - i64::try_from(n).unwrap()).execute(&mut first).await.unwrap();
        for (entry, until) in &draft.entries {
            let line = "INSERT INTO log VALUES (?1, ?2, 'workspace', ?3, ?4, ?5, ?2 - 1, ?6)";
            let line = sqlx::query(line).bind(id).bind(stored(entry.seq)).bind(entry.record.0).bind(entry.at_ms);
            let body = crate::sync::wire::encode(entry).unwrap();
            line.bind(stored(*until)).bind(body).execute(&mut first).await.unwrap();
        }
        let record = draft.records.last().unwrap();
        let row = "INSERT INTO record (workspace, kind, id, scope, priority, seq, deleted, fields)
            VALUES (?1, 'note', ?2, 'workspace', 1, 3, 0, ?3)";
        let fields = serde_json::to_string(&record.fields).unwrap();
        sqlx::query(row).bind(id).bind(record.id.0).bind(fields).execute(&mut first).await.unwrap();
    }
    first.close().await.unwrap();

    let store = Sqlite::open(&path).await.unwrap();
    let page = Page { count_max: 10, bytes_max: usize::MAX };
    for n in [1, 2] {
        let (workspace, before) = (workspace_id(n), draft(n).entries);
        note(3, "after").commit(&store, workspace).await.unwrap();
        let lines =
            store.log(workspace, &BTreeMap::from([(Scope::Workspace, 0)]), Version::MAX, page).await.unwrap().rows;
        let lines: Vec<_> = lines.into_iter().map(|line| (line.entry, line.until)).collect();
        assert_eq!((&lines[..3], lines.len()), (&before[..], 4));
        let key = Key::new(Kind::Note, RecordId(Uuid::from_u128(50)));
        let history = store.history(workspace, key, 9).await.unwrap();
        assert_eq!(history, before.iter().rev().map(|(entry, _)| entry.clone()).collect::<Vec<_>>());
        let latest = store.latest(workspace, &[Scope::Workspace], 9).await.unwrap();
        let before: Vec<Before> = latest.iter().map(|latest| latest.before).collect();
        assert_eq!(before, [Before::Nowhere, Before::There, Before::There, Before::Nowhere]);
    }
    note(0, "new").commit(&store, workspace_id(1)).await.unwrap_err();
    let new = Draft::made(workspace_id(3)).put(Kind::Note, 1, Scope::Workspace, &[]);
    new.commit(&store, workspace_id(3)).await.unwrap();
    let lines = store.log(workspace_id(3), &BTreeMap::from([(Scope::Workspace, 0)]), 1, page).await.unwrap().rows;
    assert_eq!(lines.len(), 1);
    assert!(store.check().await.unwrap().is_empty());
    store.close().await.unwrap();
}
