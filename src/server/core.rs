//! The server's core: the one writer that settles what devices push, and everything that is read from what it wrote.
//! Pushes that wait at the same time are settled one after the other and committed together, with one sync to disk;
//! only then does anybody see them and is anybody answered. Sessions and sockets are not its business: whoever calls
//! has checked who is asking.

mod ahead;
mod live;
mod planned;
mod system;
#[cfg(test)]
mod tests;
mod writer;

use crate::model::choice::Role;
use crate::model::id::{DeviceId, IntentId, MemberId, OpId, WorkspaceId};
use crate::model::permission::Actor;
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::server::hub::{Hub, Subscriber, Subscription};
use crate::server::store::sqlite::Sqlite;
use crate::server::store::{Latest, Line, Page, Paged, Quarantined, Select, SelectHeld, Store, StoreError};
use crate::sync::op::{Class, Code, Entry, Outcome, Reason, Receipt};
use crate::sync::schema::Schema;
use crate::sync::settle::{Author, FrozenOp, Kept, intents};
use crate::sync::wire::{
    Frame, Hello, NIL_OP, PROTOCOL, PULL_ENTRIES_MAX, PUSH_OPS_MAX, Pull, Pulled, Push, Pushed, Refusal, SCOPES_MAX,
    SNAPSHOT_RECORDS_MAX, ScopeState, SnapshotChunk, SnapshotWanted, Welcome, decode,
};
use ahead::{Ahead, Place};
use live::{Live, Lives, Standing};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use writer::{Answer, JOBS_MAX, Job, Writer};

/// Bytes of one page as stored, so that the page and its largest record stay below the limit of a message.
const PAGE_BYTES_MAX: usize = 512 << 10;
/// Bytes of the head of a frame, which each scope that is asked for has in the answer.
const FRAME_HEAD_BYTES: usize = 50;
/// Assigned records looked at to tell a new device where to begin.
const ASSIGNED_MAX: usize = 500;
/// Scopes whose newest entries are put together into one list: what changed last is in those that changed last.
const SCOPES_LATEST_MAX: usize = 50;
/// Milliseconds in a day.
const DAY_MS: i64 = 86_400_000;

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// Unix milliseconds.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now_ms(&self) -> i64 {
        jiff::Timestamp::now().as_millisecond()
    }
}

/// Why the core did not do what was asked. The text is for people; what is behind a `Store` is for logs.
#[derive(Debug, thiserror::Error)]
pub enum CoreError {
    /// There is no such workspace.
    #[error(
        "This workspace does not exist on this server. Nothing was changed; edits that wait are kept on your device."
    )]
    NoWorkspace,
    /// The member does not belong to the workspace, or no longer.
    #[error("You do not belong to this workspace. Nothing was changed; edits that wait are kept on your device.")]
    NotAMember,
    /// The member may not see or do this.
    #[error("You may not do this in this workspace. Nothing was changed. Ask an admin.")]
    Forbidden,
    /// There is one already.
    #[error("This exists already. Nothing was changed.")]
    Exists,
    /// The change is not allowed as things stand; in words.
    #[error("{0}")]
    Refused(String),
    /// There is no such thing.
    #[error("This does not exist, or no longer. Nothing was changed.")]
    Missing,
    /// More than one message may carry.
    #[error("This was too much at once. Nothing was changed; send it in smaller parts.")]
    TooMuch,
    /// The server is stopping.
    #[error("The server is stopping. Nothing was acknowledged that is not stored; your device will send it again.")]
    Stopping,
    /// The store failed.
    #[error(
        "The server could not store this. Nothing was acknowledged that is not stored; your device will send it again."
    )]
    Store(#[from] StoreError),
}

impl CoreError {
    /// The same for a device.
    pub fn refusal(&self) -> Refusal {
        match self {
            Self::NotAMember => Refusal::Revoked,
            Self::TooMuch => Refusal::Malformed,
            Self::Stopping => Refusal::Stopping,
            Self::Store(StoreError::Full) => Refusal::Full,
            Self::NoWorkspace | Self::Forbidden | Self::Exists | Self::Refused(_) | Self::Missing | Self::Store(_) => {
                Refusal::Failed
            }
        }
    }
}

/// A workspace about to be made, with the member who owns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewWorkspace {
    /// Its id, minted by the caller.
    pub id: WorkspaceId,
    /// What people call it.
    pub name: String,
    /// Its first member, who owns it.
    pub owner: MemberId,
    /// What people call them.
    pub owner_name: String,
}

/// A change the server makes itself, in a member's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SystemChange {
    /// Somebody accepted an invitation. A member who had left comes back with this role.
    Join {
        /// Who.
        member: MemberId,
        /// What people call them.
        name: String,
        /// To be what.
        role: Role,
    },
    /// A member does not belong any longer.
    Leave {
        /// Who.
        member: MemberId,
    },
    /// A device was heard of. Writes at most once an hour.
    DeviceSeen {
        /// Whose.
        member: MemberId,
        /// Which.
        device: DeviceId,
        /// What its person calls it.
        name: String,
        /// What its browser says it is.
        agent: String,
    },
    /// Something worth auditing happened.
    Audit {
        /// Who did it.
        by: MemberId,
        /// What, in words.
        says: String,
    },
}

/// The core. Cheap to clone; all clones are one core.
pub struct Core<S: Store = Sqlite>(Arc<Inner<S>>);

struct Inner<S: Store> {
    store: Arc<S>,
    hub: Hub,
    clock: Arc<dyn Clock>,
    schema: Schema,
    lives: Lives,
    threads: Threads,
    ahead: Ahead,
    /// The way to the writer; gone once the core is stopping.
    jobs: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// Whether others can work while one does: the writer has a thread of its own then, and pages are read ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threads {
    /// The simulator's: one for everything, so that a seed is the same history every time.
    One,
    Many,
}

impl<S: Store> Clone for Core<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Store> Core<S> {
    /// Starts the writer on the current runtime. There may be one core for a store.
    ///
    /// The writer settles, writes and waits for the disk without handing anything to another thread in between, so it has a
    /// thread of its own; only where the runtime has one thread for everything, as the simulator's has, it shares that.
    pub fn start(store: S, clock: impl Clock) -> Self {
        Self::of_build(store, clock, Schema::CURRENT)
    }
    /// The same as a build of another schema would run it.
    pub fn of_build(store: S, clock: impl Clock, schema: Schema) -> Self {
        let (store, hub, clock, lives) = (Arc::new(store), Hub::default(), Arc::new(clock), Lives::default());
        let clock: Arc<dyn Clock> = clock;
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let runtime = Handle::current();
        let threads = match runtime.runtime_flavor() {
            RuntimeFlavor::CurrentThread => Threads::One,
            _ => Threads::Many,
        };
        let writer = Writer::new(Arc::clone(&store), hub.clone(), Arc::clone(&clock), schema, lives.clone());
        let writer = match threads {
            Threads::One => tokio::spawn(writer.run(waiting)),
            Threads::Many => tokio::task::spawn_blocking(move || runtime.block_on(writer.run(waiting))),
        };
        Self(Arc::new(Inner {
            store,
            hub,
            clock,
            schema,
            lives,
            threads,
            ahead: Ahead::default(),
            jobs: Mutex::new(Some(jobs)),
            writer: Mutex::new(Some(writer)),
        }))
    }
    /// The store, for what is not the core's: accounts, backup, doctor.
    pub fn store(&self) -> &S {
        &self.0.store
    }
    /// The live hub.
    pub fn hub(&self) -> &Hub {
        &self.0.hub
    }
    /// The clock everything here goes by.
    pub fn now_ms(&self) -> i64 {
        self.0.clock.now_ms()
    }

    /// Makes a workspace with its owner.
    ///
    /// # Errors
    /// `Exists`, `Stopping`, `Store`; nothing was made then.
    pub async fn create_workspace(&self, new: NewWorkspace) -> Result<(), CoreError> {
        self.ask(|answer| Job::Create { new, answer }).await
    }
    /// Makes changes of the server's own in one transaction, up to the first that is refused. Returns the workspace's head
    /// afterwards.
    ///
    /// # Errors
    /// `NoWorkspace`, `Stopping`, `Store`: nothing was changed. `Refused`: the last owner cannot leave.
    pub async fn system(&self, workspace: WorkspaceId, changes: Vec<SystemChange>) -> Result<Version, CoreError> {
        self.ask(|answer| Job::System { workspace, changes, answer }).await
    }

    /// Settles what a device pushed. When this returns, what is acknowledged is on disk.
    ///
    /// # Errors
    /// `NoWorkspace`, `TooMuch`, `Stopping`, `Store`; nothing was acknowledged then, and the device sends it again.
    pub async fn push(&self, workspace: WorkspaceId, author: &Author, push: Push) -> Result<Pushed, CoreError> {
        if push.ops.len() > PUSH_OPS_MAX {
            return Err(CoreError::TooMuch);
        }
        let batch = push.batch;
        let mut read = ReadPush::of(push, &self.0.schema);
        self.answer_again(workspace, &mut read.unread).await?;
        if read.frozen.is_empty() {
            let live = self.live(workspace).await?;
            let (epoch, head) = {
                let standing = live.read();
                (standing.epoch, standing.head)
            };
            return Ok(Pushed { batch, epoch, receipts: answers(read.unread, Vec::new(), head, self.now_ms()) });
        }
        let ReadPush { frozen, bytes, unread } = read;
        let (author, intents) = (*author, intents(frozen));
        let came = self.ask(|answer| Job::Push { workspace, author, intents, bytes, answer }).await?;
        let head = came.receipts.iter().map(|receipt| receipt.seq).max().unwrap_or(0);
        Ok(Pushed { batch, epoch: came.epoch, receipts: answers(unread, came.receipts, head, self.now_ms()) })
    }

    /// An op that can no longer be read may have been settled when it could: its answer stays the one it got.
    async fn answer_again(
        &self,
        workspace: WorkspaceId,
        unread: &mut BTreeMap<usize, Unread>,
    ) -> Result<(), CoreError> {
        let ops: Vec<OpId> = unread.values().map(|unread| unread.op).filter(|op| *op != NIL_OP).collect();
        if ops.is_empty() {
            return Ok(());
        }
        let known = self.ask(|answer| Job::Known { workspace, ops, answer }).await?;
        for unread in unread.values_mut() {
            let same = |kept: &&Kept| kept.receipt.op == unread.op && kept.digest == unread.digest;
            unread.answered = known.iter().find(same).map(|kept| kept.receipt.clone());
        }
        Ok(())
    }

    /// What is newer than the tidemarks, in the scopes the member may see. Others are simply absent from the answer, which
    /// says nothing about them.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `TooMuch`, `Store`.
    pub async fn pull(&self, workspace: WorkspaceId, member: MemberId, pull: &Pull) -> Result<Pulled, CoreError> {
        if pull.tidemarks.len() > SCOPES_MAX {
            return Err(CoreError::TooMuch);
        }
        let live = self.live(workspace).await?;
        let (epoch, head, asked, changed, mut gone) = {
            let standing = live.read();
            let actor = standing.member(member)?;
            let (mut asked, mut changed, mut gone) = (Vec::new(), BTreeMap::new(), Vec::new());
            for (scope, tidemark) in &pull.tidemarks {
                if !standing.sees(&actor, *scope) {
                    continue;
                }
                let newest = standing.state(*scope).head;
                // A tidemark the server has not reached belongs to a history that was replaced.
                if *tidemark > standing.head || (*tidemark < standing.horizon && *tidemark < newest) {
                    gone.push(*scope);
                    continue;
                }
                asked.push((*scope, *tidemark));
                if *tidemark < newest {
                    changed.insert(*scope, *tidemark);
                }
            }
            (standing.epoch, standing.head, asked, changed, gone)
        };
        let heads = FRAME_HEAD_BYTES * pull.tidemarks.len();
        let page = Page { count_max: PULL_ENTRIES_MAX, bytes_max: PAGE_BYTES_MAX.saturating_sub(heads) };
        let (mut to, mut more, mut by_scope) = (head, false, BTreeMap::<Scope, Vec<Entry>>::new());
        if !changed.is_empty() {
            let mut read = self.0.store.log(workspace, &changed, head, page).await?;
            more = read.more;
            if more {
                let cut = cut(&read.rows);
                to = read.rows.get(cut.saturating_sub(1)).map_or(to, |last| last.entry.seq);
                read.rows.truncate(cut);
            }
            for line in read.rows {
                by_scope.entry(line.entry.scope).or_default().push(line.entry);
            }
        }
        // What was compacted while this was read is missing from it.
        let horizon = live.read().horizon;
        let (asked, lost): (Vec<_>, Vec<_>) =
            asked.into_iter().partition(|(scope, tidemark)| *tidemark >= horizon || !changed.contains_key(scope));
        gone.extend(lost.into_iter().map(|(scope, _)| scope));
        let frame = |(scope, from): (Scope, Version)| {
            // A scope that is further than this page stays where it is.
            Frame { scope, from, to: to.max(from), entries: by_scope.remove(&scope).unwrap_or_default() }
        };
        Ok(Pulled { epoch, head, frames: asked.into_iter().map(frame).collect(), gone, more })
    }

    /// A chunk of a scope's snapshot.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Forbidden` for a scope the member may not see, `Store`.
    pub async fn snapshot(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        wanted: &SnapshotWanted,
    ) -> Result<SnapshotChunk, CoreError> {
        let scope = wanted.scope;
        let live = self.live(workspace).await?;
        let (epoch, head, count) = {
            let standing = live.read();
            let actor = standing.member(member)?;
            if !standing.sees(&actor, scope) {
                return Err(CoreError::Forbidden);
            }
            (standing.epoch, standing.head, standing.state(scope).count)
        };
        let at = wanted.at.unwrap_or(head).min(head);
        let place = Place { workspace, epoch, scope, at, after: wanted.after };
        let read_ahead = match self.0.ahead.take(&place) {
            // A task that was cut short read nothing.
            Some(reading) => reading.await.ok(),
            None => None,
        };
        let read = match read_ahead {
            Some(read) => read?,
            None => page_of(&*self.0.store, &place).await?,
        };
        let last = read.rows.last().map(|record| (record.kind.spec().priority, record.id));
        let next = last.filter(|_| read.more);
        if next.is_some() && self.0.threads == Threads::Many {
            let (store, place) = (Arc::clone(&self.0.store), Place { after: next, ..place });
            self.0.ahead.keep(place, tokio::spawn(async move { page_of(&*store, &place).await }));
        }
        Ok(SnapshotChunk { epoch, schema: self.0.schema.version, scope, at, records: read.rows, next, count })
    }

    /// Whether this server and a device of that build understand each other; if not, what to tell it.
    pub fn misfit(&self, hello: &Hello) -> Option<(Refusal, &'static str)> {
        let schema = &self.0.schema;
        if hello.protocol < PROTOCOL || hello.schema < schema.oldest() {
            let says = "This copy of Tidemark is too old for the server. Your edits are kept; reload the page to get the current version.";
            return Some((Refusal::UpdateNeeded, says));
        }
        if hello.protocol > PROTOCOL || hello.schema > schema.version {
            let says = "This copy of Tidemark is newer than the server. Your edits are kept and are sent when the server has been updated.";
            return Some((Refusal::ServerOlder, says));
        }
        None
    }

    /// Answers a hello that is no `misfit`: every scope the member may see and where it stands.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn welcome(&self, workspace: WorkspaceId, member: MemberId, hello: &Hello) -> Result<Welcome, CoreError> {
        let live = self.live(workspace).await?;
        tracing::debug!(device = %hello.device, schema = hello.schema, "a device said hello");
        let mut welcome = {
            let standing = live.read();
            let actor = standing.member(member)?;
            Welcome {
                protocol: PROTOCOL,
                schema: self.0.schema.version,
                workspace,
                member,
                epoch: standing.epoch,
                head: standing.head,
                horizon: standing.horizon,
                now_ms: self.now_ms(),
                scopes: standing.scopes_of(&actor).into_iter().map(|scope| standing.state(scope)).collect(),
                assigned: BTreeSet::new(),
            }
        };
        let lacks = |state: &ScopeState| !hello.tidemarks.contains_key(&state.scope);
        if welcome.scopes.iter().any(lacks) {
            let page = Page { count_max: ASSIGNED_MAX, bytes_max: PAGE_BYTES_MAX };
            let assigned = self.0.store.records(workspace, &Select::AssignedTo(member), page).await?;
            let assigned: BTreeSet<Scope> = assigned.rows.into_iter().map(|record| record.scope).collect();
            // Something may be assigned to somebody who may no longer see it.
            let lacked = welcome.scopes.iter().filter(|state| lacks(state)).map(|state| state.scope);
            welcome.assigned = lacked.filter(|scope| assigned.contains(scope)).collect();
        }
        Ok(welcome)
    }

    /// Follows, of these scopes, those the member may see, from now on. Subscribe first and pull afterwards: then nothing
    /// falls in between, and entries that come twice do no harm.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn subscribe(&self, who: Subscriber, scopes: &BTreeSet<Scope>) -> Result<Subscription, CoreError> {
        let live = self.live(who.workspace).await?;
        let standing = live.read();
        let visible = visible(&standing, who.member, scopes)?;
        Ok(self.0.hub.subscribe(who, &visible, standing.head))
    }
    /// Follows more scopes on a connection: those of them the member may see.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn follow(&self, subscription: &Subscription, scopes: &BTreeSet<Scope>) -> Result<(), CoreError> {
        let live = self.live(subscription.who().workspace).await?;
        let standing = live.read();
        let visible = visible(&standing, subscription.who().member, scopes)?;
        self.0.hub.follow(subscription, &visible);
        Ok(())
    }
    /// Queues a beat on a connection, with every scope the member may see and where it stands: whoever missed that one came
    /// or went finds out.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn beat(&self, subscription: &Subscription) -> Result<(), CoreError> {
        let live = self.live(subscription.who().workspace).await?;
        // Held until the beat is queued, so that the checksums are those at the head it names.
        let standing = live.read();
        let actor = standing.member(subscription.who().member)?;
        let scopes = standing.scopes_of(&actor).into_iter().map(|scope| standing.state(scope));
        subscription.beat(self.now_ms(), scopes.collect());
        Ok(())
    }

    /// Records the member may see, for pages rendered here; at most so many. Of several scopes, those the member may not
    /// see are left out.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn records_of(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        select: &Select,
        count_max: usize,
    ) -> Result<Vec<Record>, CoreError> {
        let live = self.live(workspace).await?;
        live.read().member(member)?;
        let page = Page { count_max, bytes_max: usize::MAX };
        let mut records = self.0.store.records(workspace, select, page).await?.rows;
        let standing = live.read();
        let actor = standing.member(member)?;
        records.retain(|record| standing.sees(&actor, record.scope));
        Ok(records)
    }
    /// The scopes the member may see.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn scopes(&self, workspace: WorkspaceId, member: MemberId) -> Result<BTreeSet<Scope>, CoreError> {
        let live = self.live(workspace).await?;
        let standing = live.read();
        Ok(standing.scopes_of(&standing.member(member)?))
    }
    /// What the member may do; `None` if they do not belong, or no longer.
    ///
    /// # Errors
    /// `NoWorkspace`, `Store`.
    pub async fn role(&self, workspace: WorkspaceId, member: MemberId) -> Result<Option<Role>, CoreError> {
        Ok(self.live(workspace).await?.read().actor(member).map(|actor| actor.role))
    }
    /// The workspace's newest sequence number.
    ///
    /// # Errors
    /// `NoWorkspace`, `Store`.
    pub async fn head(&self, workspace: WorkspaceId) -> Result<Version, CoreError> {
        Ok(self.live(workspace).await?.read().head)
    }
    /// What happened to a record, newest first, as far back as the log goes.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`. A record the member may not see has no history.
    pub async fn history(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        key: Key,
        count_max: usize,
    ) -> Result<Vec<Entry>, CoreError> {
        let live = self.live(workspace).await?;
        live.read().member(member)?;
        let mut entries = self.0.store.history(workspace, key, count_max).await?;
        let standing = live.read();
        let actor = standing.member(member)?;
        entries.retain(|entry| standing.sees(&actor, entry.scope));
        Ok(entries)
    }

    /// What happened last in the scopes the member may see, anybody's own left out, newest first: of the `SCOPES_LATEST_MAX` that
    /// changed last.
    ///
    /// # Errors
    /// `NoWorkspace`, `NotAMember`, `Store`.
    pub async fn latest(
        &self,
        workspace: WorkspaceId,
        member: MemberId,
        count_max: usize,
    ) -> Result<Vec<Latest>, CoreError> {
        let live = self.live(workspace).await?;
        let scopes: Vec<Scope> = {
            let standing = live.read();
            let visible = standing.scopes_of(&standing.member(member)?);
            let shared = visible.into_iter().filter(|scope| !matches!(scope, Scope::Personal(_)));
            let mut by_head: Vec<(Version, Scope)> = shared.map(|scope| (standing.state(scope).head, scope)).collect();
            by_head.sort_unstable_by(|left, right| right.cmp(left));
            by_head.into_iter().take(SCOPES_LATEST_MAX).map(|(_, scope)| scope).collect()
        };
        let mut latest = self.0.store.latest(workspace, &scopes, count_max).await?;
        let standing = live.read();
        let actor = standing.member(member)?;
        latest.retain(|latest| standing.sees(&actor, latest.entry.scope));
        Ok(latest)
    }

    /// How many ops are held because their author may no longer write. Owners and admins may know.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Store`.
    pub async fn held_count(&self, workspace: WorkspaceId, member: MemberId) -> Result<u64, CoreError> {
        match self.role(workspace, member).await? {
            Some(Role::Owner | Role::Admin) => Ok(self.0.store.held_count(workspace).await?),
            _ => Err(CoreError::Forbidden),
        }
    }

    /// Ops held because their author may no longer write, oldest first, at most `count_max`. Only owners may read them.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Store`.
    pub async fn quarantined(
        &self,
        workspace: WorkspaceId,
        owner: MemberId,
        which: &SelectHeld,
        count_max: usize,
    ) -> Result<Vec<Quarantined>, CoreError> {
        if self.role(workspace, owner).await? != Some(Role::Owner) {
            return Err(CoreError::Forbidden);
        }
        Ok(self.0.store.quarantined(workspace, which, count_max).await?)
    }
    /// Settles held ops under their author's name, by the owner's right. All held ops of an intent go together, also those
    /// that were not named.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Missing`, `Stopping`, `Store`.
    pub async fn release(
        &self,
        workspace: WorkspaceId,
        owner: MemberId,
        ops: &[OpId],
    ) -> Result<Vec<Receipt>, CoreError> {
        let ops = self.held(workspace, owner, ops).await?;
        let says = format!("Released {} quarantined edits", ops.len());
        let receipts = self.ask(|answer| Job::Release { workspace, owner, ops, answer }).await?;
        self.system(workspace, vec![SystemChange::Audit { by: owner, says }]).await?;
        Ok(receipts)
    }
    /// Refuses held ops for good, with all held ops of their intents; their receipts say so from then on. Returns those of the ops that
    /// nobody had decided about meanwhile.
    ///
    /// # Errors
    /// `NoWorkspace`, `Forbidden`, `Missing` where there are none, `Stopping`, `Store`.
    pub async fn discard(
        &self,
        workspace: WorkspaceId,
        owner: MemberId,
        ops: &[OpId],
    ) -> Result<Vec<Receipt>, CoreError> {
        let ops = self.held(workspace, owner, ops).await?;
        let receipts = self.ask(|answer| Job::Discard { workspace, ops, answer }).await?;
        if receipts.is_empty() {
            return Err(CoreError::Missing);
        }
        let says = format!("Discarded {} quarantined edits", receipts.len());
        self.system(workspace, vec![SystemChange::Audit { by: owner, says }]).await?;
        Ok(receipts)
    }
    /// The held ops of the intents these belong to.
    async fn held(&self, workspace: WorkspaceId, owner: MemberId, ops: &[OpId]) -> Result<Vec<Quarantined>, CoreError> {
        let held = self.quarantined(workspace, owner, &SelectHeld::WithIntentsOf(ops.to_vec()), usize::MAX).await?;
        if held.is_empty() { Err(CoreError::Missing) } else { Ok(together(held)) }
    }

    /// Drops log entries and tombstones older than this many days, and receipts older than twice as many. Returns the new
    /// horizon. Checksums stay as they are. Works in steps, so that pushes get their turn in between.
    ///
    /// # Errors
    /// `NoWorkspace`, `Stopping`, `Store`.
    pub async fn compact(&self, workspace: WorkspaceId, keep_days: u32) -> Result<Version, CoreError> {
        let keep_ms = i64::from(keep_days) * DAY_MS;
        let mut before = self.live(workspace).await?.read().horizon;
        loop {
            let horizon = self.ask(|answer| Job::Compact { workspace, keep_ms, answer }).await?;
            if horizon == before {
                return Ok(horizon);
            }
            before = horizon;
        }
    }
    /// Gives the workspace a new epoch, after its history was replaced, and sends every device away to compare.
    ///
    /// # Errors
    /// `NoWorkspace`, `Stopping`, `Store`.
    pub async fn new_epoch(&self, workspace: WorkspaceId) -> Result<u64, CoreError> {
        self.live(workspace).await?;
        self.ask(|answer| Job::NewEpoch { workspace, answer }).await
    }
    /// Lets the writer finish what waits and refuses what comes later. Connections are drained by `Hub::drain`.
    pub async fn stop(&self) {
        self.0.ahead.clear();
        drop(locked(&self.0.jobs).take());
        let writer = locked(&self.0.writer).take();
        if let Some(writer) = writer
            && let Err(error) = writer.await
        {
            tracing::error!(error = %error, "the writer did not end well; everything acknowledged is stored");
        }
    }

    /// Where the workspace stands.
    async fn live(&self, workspace: WorkspaceId) -> Result<Arc<Live>, CoreError> {
        match self.0.lives.get(workspace) {
            Some(live) => Ok(live),
            None => self.ask(|answer| Job::Open { workspace, answer }).await,
        }
    }
    /// Has the writer do something, and waits for it.
    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, CoreError> {
        let (answer, came) = oneshot::channel();
        let jobs = locked(&self.0.jobs).clone().ok_or(CoreError::Stopping)?;
        jobs.send(job(answer)).await.map_err(|_| CoreError::Stopping)?;
        drop(jobs);
        came.await.map_err(|_| CoreError::Stopping)?
    }
}

/// A page of a snapshot.
async fn page_of<S: Store>(store: &S, place: &Place) -> Result<Paged<Record>, StoreError> {
    let page = Page { count_max: SNAPSHOT_RECORDS_MAX, bytes_max: PAGE_BYTES_MAX };
    store.records(place.workspace, &Select::Scope { scope: place.scope, after: place.after }, page).await
}

/// Those of the scopes that the member may see.
fn visible(standing: &Standing, member: MemberId, scopes: &BTreeSet<Scope>) -> Result<BTreeSet<Scope>, CoreError> {
    let actor: Actor = standing.member(member)?;
    Ok(scopes.iter().copied().filter(|scope| standing.sees(&actor, *scope)).collect())
}

/// Where to cut a page: behind the last line at which no intent is half told. An intent larger than a page is cut anyway.
fn cut(lines: &[Line]) -> usize {
    if lines.last().is_some_and(|last| last.entry.seq == last.until) {
        return lines.len();
    }
    let ends = |pair: &[Line]| matches!(pair, [left, right] if left.until < right.entry.seq);
    lines.windows(2).rposition(ends).map_or(lines.len(), |before| before + 1)
}

/// A push, read as far as it can be.
struct ReadPush {
    frozen: Vec<FrozenOp>,
    bytes: Vec<(OpId, Vec<u8>)>,
    /// By place in the push. Every other place is an op of `frozen`, in order.
    unread: BTreeMap<usize, Unread>,
}

/// An op that is not settled.
struct Unread {
    /// Under which id it is answered.
    op: OpId,
    digest: u64,
    /// Why.
    reason: Reason,
    /// What it was answered before, when it could be read.
    answered: Option<Receipt>,
}

/// What can be told of an op that cannot be read: enough to answer it in its place.
#[derive(Deserialize)]
struct Outline {
    #[serde(rename = "i")]
    id: OpId,
    #[serde(rename = "t")]
    intent: IntentId,
    #[serde(rename = "v")]
    schema: u16,
}

impl ReadPush {
    fn of(push: Push, schema: &Schema) -> Self {
        let (mut read, mut unread, mut broken) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        for (place, bytes) in push.ops.into_iter().enumerate() {
            let bytes = bytes.into_vec();
            let known = FrozenOp::read(&bytes).ok();
            if let Some(Ok(frozen)) = known.map(|frozen| frozen.upcast(schema)) {
                read.push((place, frozen, bytes));
                continue;
            }
            let outline: Option<Outline> = decode(&bytes).ok();
            broken.extend(outline.as_ref().map(|outline| outline.intent));
            let elsewhen = outline.and_then(|outline| Some((outline.id, schema.refuses(outline.schema)?)));
            let broken = || (NIL_OP, refusal(Code::Malformed, "This edit could not be read. It is kept in your tray."));
            let (op, reason) = elsewhen.unwrap_or_else(broken);
            unread.insert(place, Unread { op, digest: FrozenOp::digest_of(&bytes), reason, answered: None });
        }
        let (mut frozen, mut kept) = (Vec::new(), Vec::new());
        for (place, op, bytes) in read {
            if broken.contains(&op.op.intent) {
                let says = "Another edit made together with this one could not be read. It is kept in your tray.";
                let reason = refusal(Code::Intent, says);
                unread.insert(place, Unread { op: op.op.id, digest: op.digest, reason, answered: None });
            } else {
                kept.push((op.op.id, bytes));
                frozen.push(op);
            }
        }
        Self { frozen, bytes: kept, unread }
    }
}

fn refusal(code: Code, says: &str) -> Reason {
    Reason { code, field: None, says: says.to_owned() }
}

/// The answers in the order of the push.
fn answers(unread: BTreeMap<usize, Unread>, settled: Vec<Receipt>, head: Version, now_ms: i64) -> Vec<Receipt> {
    let mut settled = settled.into_iter();
    let mut receipts = Vec::new();
    let answer = |Unread { op, reason, answered, .. }| {
        let (reason, outcome, class) = (Some(reason), Outcome::Rejected, Class::Rejected);
        answered.unwrap_or(Receipt { op, outcome, class, seq: head, reason, conflict: None, at_ms: now_ms })
    };
    for (place, unread) in unread {
        receipts.extend(settled.by_ref().take(place.saturating_sub(receipts.len())));
        receipts.push(answer(unread));
    }
    receipts.extend(settled);
    receipts
}

/// The guard, also when a thread panicked while it held it: what it guards is replaced whole.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Held ops with those of one intent beside each other, where its first one stood: pushes of several people that were settled at
/// once lie among each other, and what is one intent is settled whole.
fn together(mut held: Vec<Quarantined>) -> Vec<Quarantined> {
    let mut firsts: BTreeMap<(MemberId, IntentId), usize> = BTreeMap::new();
    for (place, one) in held.iter().enumerate() {
        firsts.entry((one.member, one.intent)).or_insert(place);
    }
    held.sort_by_key(|one| firsts.get(&(one.member, one.intent)).copied());
    held
}
