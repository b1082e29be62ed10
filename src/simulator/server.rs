//! The real server core on a real SQLite store, without sockets: messages go in and come out as bytes. It can end at once
//! and start again on what it had stored, be copied, and be replaced by the copy.

use crate::model::choice::Role;
use crate::model::id::{MemberId, OpId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record, Version};
use crate::server::core::{Clock, Core, CoreError, NewWorkspace, SystemChange};
use crate::server::hub::{Subscriber, Subscription};
use crate::server::store::sqlite::Sqlite;
use crate::server::store::{Compaction, Page, Select, SelectHeld, Store, StoreError, Write};
use crate::simulator::build::{UPDATES_MAX, build};
use crate::simulator::oracle::{Broken, Invariant, Truth, broken};
use crate::simulator::world::minted;
use crate::sync::op::{Entry, Receipt};
use crate::sync::replica::Identity;
use crate::sync::settle::{Author, Authority};
use crate::sync::wire::{self, FromDevice, FromServer, Push, Pushed, Refusal, SnapshotWanted};
use futures::FutureExt;
use rand_chacha::ChaCha8Rng;
use sqlx::Row;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use uuid::Uuid;

/// Virtual time, shared with the server's core.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock(Arc<AtomicI64>);

impl VirtualClock {
    /// Moves time on.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many records of a kind a page shows.
const DRAWN_MAX: usize = 20;

/// Something the server's core did that no fault of the plan explains.
pub fn unexpected(error: impl std::fmt::Debug) -> Broken {
    Broken { invariant: Invariant::World, says: format!("the server failed: {error:?}") }
}

/// Where a world's database is. Files cost a sync to disk for each commit, so only worlds that copy them have any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// In memory, gone with the world.
    InMemory,
    /// In a temporary folder, removed with the world.
    InFiles,
}

/// A folder that no other world has, not even one that lives through the same seed at the same time. In memory where there
/// is such a folder: worlds end processes, not the power, so nothing depends on what a sync to disk costs.
fn folder() -> PathBuf {
    static WORLDS: AtomicU64 = AtomicU64::new(0);
    let world = WORLDS.fetch_add(1, Ordering::Relaxed);
    let memory = PathBuf::from("/dev/shm");
    let folder = if memory.is_dir() { memory } else { std::env::temp_dir() };
    folder.join(format!("tidemark-simulator-{}-{world}", std::process::id()))
}

/// Where a process ends that is about to end over a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Brink {
    /// Before anything of it is stored.
    Before,
    /// Between two statements of its transaction: when this table is written.
    Amid(&'static str),
    /// On disk, before anybody is told.
    After,
}

impl Brink {
    /// Every place, in the order in which a transaction passes them.
    const ALL: &'static [Self] = &[
        Self::Before,
        Self::Amid("UPDATE ON workspace"),
        Self::Amid("INSERT ON log"),
        Self::Amid("INSERT ON record"),
        Self::Amid("INSERT ON assigned"),
        Self::Amid("INSERT ON receipt"),
        Self::Amid("INSERT ON scope_sum"),
        Self::Amid("INSERT ON quarantine"),
        Self::After,
        Self::After,
    ];
}

/// What came of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was answered, or needs no answer.
    Whole,
    /// The process ended over it.
    Ended,
}

/// Whether a disk has room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It is full.
    None,
    /// There is more than a world needs.
    Enough,
}

/// The server of one world.
pub struct Server {
    /// Its clock.
    pub clock: VirtualClock,
    /// The one workspace.
    pub workspace: WorkspaceId,
    /// Its members; the first owns it.
    pub members: Vec<MemberId>,
    store: Sqlite,
    core: Core<Sqlite>,
    /// How often it was updated to a newer build.
    pub updates: u16,
    /// Where it is about to end.
    brink: Option<Brink>,
    /// By channel: its place in the live hub, once it said hello.
    lines: BTreeMap<u64, Option<Subscription>>,
    /// Channels to close, with a last message for each.
    closing: Vec<(u64, Vec<u8>)>,
    backup: Option<PathBuf>,
    /// Ops that an owner decided about.
    pub reviewed: BTreeSet<OpId>,
    /// See `Truth`.
    passed_over: BTreeSet<(Version, Version)>,
    /// Where copies of the database lie.
    folder: PathBuf,
    files: u32,
}

impl Server {
    /// A new workspace with its members, on an empty store.
    ///
    /// # Errors
    /// When the store cannot be made.
    pub async fn new(rng: &mut ChaCha8Rng, now_ms: i64, keeps: Keeps) -> Result<Self, Broken> {
        let clock = VirtualClock::default();
        clock.set(now_ms);
        let folder = folder();
        let store = match keeps {
            Keeps::InMemory => Sqlite::open_in_memory().await,
            Keeps::InFiles => {
                std::fs::create_dir_all(&folder).map_err(unexpected)?;
                Sqlite::open(&folder.join("0.db")).await
            }
        };
        let store = store.map_err(unexpected)?;
        let core = Core::of_build(store.clone(), clock.clone(), build(0));
        let workspace = WorkspaceId(minted(rng));
        let members: Vec<MemberId> = (0..crate::simulator::plan::MEMBERS).map(|_| MemberId(minted(rng))).collect();
        let owner =
            NewWorkspace { id: workspace, name: "Grid".to_owned(), owner: members[0], owner_name: "Owner".to_owned() };
        core.create_workspace(owner).await.map_err(unexpected)?;
        let joins = members[1..].iter().map(|member| SystemChange::Join {
            member: *member,
            name: "Member".to_owned(),
            role: Role::Member,
        });
        core.system(workspace, joins.collect()).await.map_err(unexpected)?;
        Ok(Self {
            clock,
            workspace,
            members,
            store,
            core,
            updates: 0,
            brink: None,
            lines: BTreeMap::new(),
            closing: Vec::new(),
            backup: None,
            reviewed: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            folder,
            files: 0,
        })
    }

    /// Hears one message on a channel.
    ///
    /// # Errors
    /// When the core fails in a way that no fault explains.
    pub async fn hear(&mut self, line: u64, identity: &Identity, bytes: &[u8]) -> Result<Heard, Broken> {
        let message = match wire::decode::<FromDevice>(bytes) {
            Ok(message) => message,
            Err(error) => return broken(Invariant::World, format!("a device said something unreadable: {error}")),
        };
        let (workspace, member) = (self.workspace, identity.member);
        let answer = match message {
            FromDevice::Hello(hello) if self.core.misfit(&hello).is_some() => {
                if let Some((refusal, says)) = self.core.misfit(&hello) {
                    self.say_goodbye(line, refusal, says.to_owned())?;
                }
                Ok(None)
            }
            FromDevice::Hello(hello) => match self.core.welcome(workspace, member, &hello).await {
                Ok(welcome) => {
                    let who = Subscriber {
                        workspace,
                        member,
                        device: identity.device,
                        session: [identity.device.0.as_bytes()[0]; 32],
                    };
                    let scopes = hello.tidemarks.keys().copied().collect();
                    let subscription = self.core.subscribe(who, &scopes).await.map_err(unexpected)?;
                    self.lines.insert(line, Some(subscription));
                    Ok(Some(FromServer::Welcome(welcome)))
                }
                Err(error) => Err(error),
            },
            FromDevice::Push(push) => match self.settle(member, push).await? {
                None => return Ok(Heard::Ended),
                Some(pushed) => pushed.map(|pushed| Some(FromServer::Pushed(pushed))),
            },
            FromDevice::Pull(pull) => {
                self.core.pull(workspace, member, &pull).await.map(|pulled| Some(FromServer::Pulled(pulled)))
            }
            FromDevice::Follow(pull) => {
                let scopes = pull.tidemarks.keys().copied().collect();
                if let Some(Some(subscription)) = self.lines.get(&line) {
                    self.core.follow(subscription, &scopes).await.map_err(unexpected)?;
                }
                self.core.pull(workspace, member, &pull).await.map(|pulled| Some(FromServer::Pulled(pulled)))
            }
            FromDevice::Beat => match self.lines.get(&line) {
                Some(Some(subscription)) => self.core.beat(subscription).await.map(|()| None),
                _ => Ok(None),
            },
        };
        match answer {
            Ok(Some(answer)) => {
                if let Some(Some(subscription)) = self.lines.get_mut(&line) {
                    subscription.answer(&answer);
                }
            }
            Ok(None) => {}
            Err(error) => self.refuse(line, &error)?,
        }
        Ok(Heard::Whole)
    }

    /// Settles a push; `None` where the process ended over it.
    async fn settle(&mut self, member: MemberId, push: Push) -> Result<Option<Result<Pushed, CoreError>>, Broken> {
        let author = Author { member, authority: Authority::Own };
        let Some(brink) = self.brink.take() else {
            return Ok(Some(self.core.push(self.workspace, &author, push).await));
        };
        match brink {
            Brink::Before => {}
            Brink::After => drop(self.core.push(self.workspace, &author, push).await),
            Brink::Amid(place) => {
                let trap = format!(
                    "CREATE TEMP TRIGGER brink BEFORE {place} BEGIN SELECT RAISE(ABORT, 'the process ends here'); END"
                );
                self.on_writer(trap).await?;
                drop(self.core.push(self.workspace, &author, push).await);
                self.on_writer("DROP TRIGGER brink".to_owned()).await?;
            }
        }
        self.crash();
        Ok(None)
    }

    /// Runs a statement on the one connection that writes.
    async fn on_writer(&self, statement: String) -> Result<(), Broken> {
        let statement = sqlx::raw_sql(sqlx::AssertSqlSafe(statement));
        statement.execute(self.store.writer()).await.map(drop).map_err(unexpected)
    }

    /// The process is about to end over the next push.
    pub fn totter(&mut self, dice: u64) {
        self.brink = Brink::ALL.get((dice % Brink::ALL.len() as u64) as usize).copied();
    }

    /// The disk takes nothing more, or takes everything again.
    ///
    /// # Errors
    /// When the database cannot be told.
    pub async fn room(&self, room: Room) -> Result<(), Broken> {
        let pages = match room {
            Room::None => 1,
            Room::Enough => u32::MAX - 1,
        };
        self.on_writer(format!("PRAGMA max_page_count = {pages}")).await
    }

    /// A newer build takes over.
    pub fn update(&mut self) {
        self.updates = (self.updates + 1).min(UPDATES_MAX);
        self.crash();
    }

    /// What the server draws on this member's page: some of what they may see.
    ///
    /// # Errors
    /// When the core fails in a way that no fault explains.
    pub async fn drawn(&self, member: MemberId) -> Result<Vec<Arc<Record>>, Broken> {
        let mut drawn = Vec::new();
        for kind in [Kind::Project, Kind::Phase, Kind::Step, Kind::Task, Kind::Note] {
            match self.core.records_of(self.workspace, member, &Select::Kind(kind), DRAWN_MAX).await {
                Ok(records) => drawn.extend(records.into_iter().map(Arc::new)),
                Err(CoreError::NotAMember) => return Ok(Vec::new()),
                Err(error) => return Err(unexpected(error)),
            }
        }
        Ok(drawn)
    }

    /// A change of the server's own: somebody leaves, or comes back.
    ///
    /// # Errors
    /// When the core fails in a way that no fault explains.
    pub async fn change(&mut self, change: SystemChange) -> Result<(), Broken> {
        match self.core.system(self.workspace, vec![change]).await {
            Ok(_) | Err(CoreError::Refused(_) | CoreError::Store(StoreError::Full)) => Ok(()),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// The owner applies or discards one of the ops that are held, if there are any and they may.
    ///
    /// # Errors
    /// When the core fails in a way that no fault explains.
    pub async fn review(&mut self, dice: u64) -> Result<(), Broken> {
        let (workspace, owner) = (self.workspace, self.members[0]);
        let held = match self.core.quarantined(workspace, owner, &SelectHeld::after(None), usize::MAX).await {
            Err(CoreError::Forbidden) => return Ok(()),
            held => held.map_err(unexpected)?,
        };
        let Some(one) = held.get((dice / 2) as usize % held.len().max(1)) else { return Ok(()) };
        let decided = match dice.is_multiple_of(2) {
            true => self.core.release(workspace, owner, &[one.op]).await,
            false => self.core.discard(workspace, owner, &[one.op]).await,
        };
        match decided {
            Ok(receipts) => self.reviewed.extend(receipts.iter().map(|receipt| receipt.op)),
            Err(CoreError::Store(StoreError::Full)) => {}
            Err(error) => return Err(unexpected(error)),
        }
        Ok(())
    }

    fn say_goodbye(&mut self, line: u64, refusal: Refusal, says: String) -> Result<(), Broken> {
        let refused = FromServer::Refused { refusal, says };
        self.closing.push((line, wire::encode(&refused).map_err(unexpected)?));
        self.lines.remove(&line);
        Ok(())
    }

    fn refuse(&mut self, line: u64, error: &CoreError) -> Result<(), Broken> {
        if let CoreError::Store(StoreError::Damaged(_) | StoreError::Database(_)) = error {
            return Err(unexpected(format!("{error:?}")));
        }
        self.say_goodbye(line, error.refusal(), error.to_string())
    }

    /// Answers a push that came by a request of its own: the way left to a member who no longer belongs.
    ///
    /// # Errors
    /// When the core fails in a way that no fault explains.
    pub async fn post(&mut self, identity: &Identity, bytes: &[u8]) -> Result<(Heard, Option<Vec<u8>>), Broken> {
        let push = wire::decode::<Push>(bytes).map_err(unexpected)?;
        match self.settle(identity.member, push).await? {
            None => Ok((Heard::Ended, None)),
            Some(Ok(pushed)) => {
                let answer = wire::encode(&FromServer::Pushed(pushed)).map_err(unexpected)?;
                Ok((Heard::Whole, Some(answer)))
            }
            Some(Err(CoreError::Store(StoreError::Full))) => Ok((Heard::Whole, None)),
            Some(Err(error)) => Err(unexpected(format!("{error:?}"))),
        }
    }

    /// Everything the server has to say by now, by channel; `None` closes the channel.
    pub fn says(&mut self) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut says = Vec::new();
        for (line, subscription) in &mut self.lines {
            let Some(open) = subscription else { continue };
            loop {
                // Without tokio's budget, which would make a queue look empty after many messages.
                match tokio::task::unconstrained(open.next()).now_or_never() {
                    Some(Some(message)) => says.push((*line, Some(message.to_vec()))),
                    Some(None) => {
                        says.push((*line, None));
                        *subscription = None;
                        break;
                    }
                    None => break,
                }
            }
        }
        for (line, last) in self.closing.drain(..) {
            says.push((line, Some(last)));
            says.push((line, None));
        }
        says
    }

    /// A channel is gone.
    pub fn leave(&mut self, line: u64) {
        self.lines.remove(&line);
    }

    /// A chunk of a snapshot, encoded; `None` when the member may not see the scope.
    ///
    /// # Errors
    /// When the core fails in a way that no fault explains.
    pub async fn snapshot(&mut self, member: MemberId, wanted: &SnapshotWanted) -> Result<Option<Vec<u8>>, Broken> {
        match self.core.snapshot(self.workspace, member, wanted).await {
            Ok(chunk) => wire::encode(&chunk).map(Some).map_err(unexpected),
            Err(CoreError::Forbidden | CoreError::NotAMember) => Ok(None),
            Err(error) => Err(unexpected(format!("{error:?}"))),
        }
    }

    fn next_path(&mut self) -> Result<PathBuf, Broken> {
        std::fs::create_dir_all(&self.folder).map_err(unexpected)?;
        self.files += 1;
        Ok(self.folder.join(format!("{}.db", self.files)))
    }

    fn start_again(&mut self, store: Sqlite) {
        self.lines.clear();
        self.closing.clear();
        self.core = Core::of_build(store.clone(), self.clock.clone(), build(self.updates));
        self.store = store;
    }

    /// Ends at once and starts again on what was stored.
    pub fn crash(&mut self) {
        self.start_again(self.store.clone());
    }

    /// Copies the database while it is in use.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub async fn backup(&mut self) -> Result<(), Broken> {
        let path = self.next_path()?;
        self.store.backup(&path).await.map_err(unexpected)?;
        self.backup = Some(path);
        Ok(())
    }

    /// Replaces the database by the latest copy, under a new epoch, as `tidemark restore` does.
    ///
    /// # Errors
    /// When the copy cannot be used.
    pub async fn restore(&mut self) -> Result<bool, Broken> {
        let Some(path) = self.backup.take() else { return Ok(false) };
        let lost = self.store.workspace(self.workspace).await.map_err(unexpected)?;
        let above = lost.map_or(0, |lost| lost.epoch.max(lost.head)) + 1;
        let store = Sqlite::open(&path).await.map_err(unexpected)?;
        let before = head(&store, self.workspace).await?;
        let write = store.begin().await.map_err(unexpected)?;
        write.new_epoch(self.workspace, above.max(self.clock.now_ms().unsigned_abs())).await.map_err(unexpected)?;
        self.passed_over.insert((before, head(&store, self.workspace).await?));
        self.start_again(store);
        Ok(true)
    }

    /// Forgets the log and the tombstones so far; receipts, which outlive both, stay. The core starts again on the rest.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn compact(&mut self) -> Result<(), Broken> {
        let what = Compaction {
            entries_max: u64::MAX >> 1,
            log_before_ms: self.clock.now_ms(),
            receipts_before_ms: 0,
            wrong_from_ms: i64::MAX,
        };
        let write = self.store.begin().await.map_err(unexpected)?;
        match write.compact(self.workspace, what, drop).await {
            Ok(_) | Err(StoreError::Full) => {}
            Err(error) => return Err(unexpected(error)),
        }
        self.crash();
        Ok(())
    }

    /// The scopes a member may see; none for one who does not belong any longer.
    ///
    /// # Errors
    /// When the core fails.
    pub async fn scopes(&self, member: MemberId) -> Result<Vec<crate::model::scope::Scope>, Broken> {
        match self.core.scopes(self.workspace, member).await {
            Ok(scopes) => Ok(scopes.into_iter().collect()),
            Err(CoreError::NotAMember) => Ok(Vec::new()),
            Err(error) => Err(unexpected(error)),
        }
    }

    /// Everything the database holds, read past the core.
    ///
    /// # Errors
    /// When something stored cannot be read.
    pub async fn truth(&self) -> Result<Truth, Broken> {
        let workspace = self.store.workspace(self.workspace).await.map_err(unexpected)?;
        let Some(workspace) = workspace else { return broken(Invariant::World, "the workspace is gone") };
        let mut truth = Truth {
            head: workspace.head,
            horizon: workspace.horizon,
            passed_over: self.passed_over.clone(),
            ..Truth::default()
        };
        let rows = |query: &'static str| sqlx::query(query).fetch_all(self.store.readers());
        let id = |row: &sqlx::sqlite::SqliteRow, column: &str| -> Result<Uuid, Broken> {
            Uuid::from_slice(row.get::<&[u8], _>(column)).map_err(unexpected)
        };
        let mut keys = Vec::new();
        for row in rows("SELECT kind, id FROM record").await.map_err(unexpected)? {
            let Some(kind) = Kind::from_name(row.get("kind")) else {
                return broken(Invariant::World, "a stranger's kind");
            };
            keys.push(Key::new(kind, crate::model::id::RecordId(id(&row, "id")?)));
        }
        let page = Page { count_max: keys.len(), bytes_max: usize::MAX };
        let records = self.store.records(self.workspace, &Select::Keys(keys), page).await.map_err(unexpected)?;
        truth.records = records.rows.into_iter().map(|record| (record.key(), record)).collect();
        for row in rows("SELECT body FROM log ORDER BY place").await.map_err(unexpected)? {
            truth.entries.push(wire::decode::<Entry>(row.get("body")).map_err(unexpected)?);
        }
        for row in rows("SELECT body FROM receipt").await.map_err(unexpected)? {
            let receipt = wire::decode::<Receipt>(row.get("body")).map_err(unexpected)?;
            truth.receipts.insert(receipt.op, receipt);
        }
        for row in rows("SELECT op FROM quarantine").await.map_err(unexpected)? {
            truth.quarantined.insert(OpId(id(&row, "op")?));
        }
        Ok(truth)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.folder.exists() && std::fs::remove_dir_all(&self.folder).is_err() {
            tracing::warn!("the simulator left {} behind", self.folder.display());
        }
    }
}

/// The newest sequence number the store gave.
async fn head(store: &Sqlite, workspace: WorkspaceId) -> Result<Version, Broken> {
    Ok(store.workspace(workspace).await.map_err(unexpected)?.map_or(0, |found| found.head))
}
