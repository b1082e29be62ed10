//! The one writer. It takes every job that waits, settles them one after the other, commits them in one transaction with
//! one sync to disk, and only then lets anybody see or know. Whatever goes wrong before the commit is forgotten as if it
//! had not been; nobody was told it had happened.

use super::live::{Live, Lives, Standing};
use super::planned::Planned;
use super::system::Mint;
use super::{Clock, CoreError, DAY_MS, NewWorkspace, SystemChange};
use crate::model::choice::Role;
use crate::model::id::{MemberId, OpId, WorkspaceId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Version};
use crate::model::scope::Scope;
use crate::server::hub::Hub;
use crate::server::store::{Changes, Compaction, Found, Quarantined, Store, StoreError, Workspace, Write};
use crate::sync::mutant::{Mutant, planted};
use crate::sync::op::{Outcome, Receipt};
use crate::sync::schema::Schema;
use crate::sync::settle::{Author, Authority, FrozenOp, Kept, Need, Working, discarded, intents, settle, wants};
use crate::sync::wire::ScopeState;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait for the writer; more wait outside, in their connections. Two full batches.
pub(super) const JOBS_MAX: usize = 512;
/// Jobs in one transaction: beyond this a larger batch saves nothing and makes its first job wait.
const BATCH_JOBS_MAX: usize = 256;
/// Bytes of ops in one transaction, so that one batch never needs much memory.
const BATCH_BYTES_MAX: usize = 16 << 20;
/// Records the writer remembers over all workspaces, a few KiB each, before it forgets them and loads again.
const REMEMBERED_MAX: usize = 30_000;
/// Receipts and authors of entries it remembers of one workspace, before it forgets those. Few are asked for twice.
const ANSWERS_MAX: usize = 20_000;
/// When the clock stands further than this below the latest time it gave, it had been wrong and is followed again.
const BEHIND_MS_MAX: i64 = 5 * 60 * 1000;
/// Log entries dropped in one transaction of a compaction.
const COMPACTION_ENTRIES_MAX: u64 = 20_000;

/// Where a job's answer goes.
pub(super) type Answer<T> = oneshot::Sender<Result<T, CoreError>>;

/// Something for the writer to do.
pub(super) enum Job {
    /// Settle intents of one author.
    Push {
        workspace: WorkspaceId,
        author: Author,
        intents: Vec<Vec<FrozenOp>>,
        bytes: Vec<(OpId, Vec<u8>)>,
        answer: Answer<Settlement>,
    },
    /// Make changes of the server's own.
    System { workspace: WorkspaceId, changes: Vec<SystemChange>, answer: Answer<Version> },
    /// Make a workspace.
    Create { new: NewWorkspace, answer: Answer<()> },
    /// Settle held ops by an owner's right.
    Release { workspace: WorkspaceId, owner: MemberId, ops: Vec<Quarantined>, answer: Answer<Vec<Receipt>> },
    /// Refuse held ops for good.
    Discard { workspace: WorkspaceId, ops: Vec<Quarantined>, answer: Answer<Vec<Receipt>> },
    /// Read what ops were answered that cannot be settled again.
    Known { workspace: WorkspaceId, ops: Vec<OpId>, answer: Answer<Vec<Kept>> },
    /// Read where a workspace stands.
    Open { workspace: WorkspaceId, answer: Answer<Arc<Live>> },
    /// Drop what is old.
    Compact { workspace: WorkspaceId, keep_ms: i64, answer: Answer<Version> },
    /// Say that the history was replaced.
    NewEpoch { workspace: WorkspaceId, answer: Answer<u64> },
}

/// What a push came to.
#[derive(Debug)]
pub(super) struct Settlement {
    pub epoch: u64,
    pub receipts: Vec<Receipt>,
}

/// What a job came to, told once its batch is on disk.
enum Came {
    Receipts(Vec<Receipt>),
    Known(Vec<Kept>),
    Nothing,
}

/// Why a batch stopped.
enum Trouble {
    /// The store failed: nobody's job was done.
    Store(StoreError),
    /// Settling this job brought the code down. The others can do without it.
    Job(usize),
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// One job's turn in a batch.
struct Turn<'a, W> {
    write: &'a mut W,
    planned: &'a mut Planned,
    workspace: WorkspaceId,
    /// Its place in the batch.
    at: usize,
    now_ms: i64,
}

/// The writer's own state.
pub(super) struct Writer<S: Store> {
    store: Arc<S>,
    hub: Hub,
    clock: Arc<dyn Clock>,
    schema: Schema,
    lives: Lives,
    /// What has been loaded of each workspace, with everything settled since. Nobody else writes, so it stays true until a
    /// commit fails.
    loaded: HashMap<WorkspaceId, Working>,
    /// How many records that is.
    remembered: usize,
    /// The latest time given to an entry. Time in the log runs backwards only by more than `BEHIND_MS_MAX`.
    latest_ms: i64,
}

impl<S: Store> Writer<S> {
    pub fn new(store: Arc<S>, hub: Hub, clock: Arc<dyn Clock>, schema: Schema, lives: Lives) -> Self {
        Self { store, hub, clock, schema, lives, loaded: HashMap::new(), remembered: 0, latest_ms: 0 }
    }

    /// Works until nobody can send a job any more.
    pub async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        let mut taken = Vec::new();
        while jobs.recv_many(&mut taken, BATCH_JOBS_MAX).await > 0 {
            let mut waiting: VecDeque<Job> = taken.drain(..).collect();
            while let Some(job) = waiting.pop_front() {
                match job {
                    Job::Compact { workspace, keep_ms, answer } => tell(answer, self.compact(workspace, keep_ms).await),
                    Job::NewEpoch { workspace, answer } => tell(answer, self.new_epoch(workspace).await),
                    first => {
                        let mut bytes = first.bytes();
                        let mut batch = vec![first];
                        while bytes < BATCH_BYTES_MAX
                            && let Some(next) = waiting.pop_front_if(|job| job.shares())
                        {
                            bytes += next.bytes();
                            batch.push(next);
                        }
                        self.batch(batch).await;
                    }
                }
            }
        }
    }

    /// Does a batch, all of it or nothing. A job that brings the code down is left out and the rest done again.
    async fn batch(&mut self, mut jobs: Vec<Job>) {
        while !jobs.is_empty() {
            match self.attempt(&jobs).await {
                Ok(came) => {
                    for (job, came) in jobs.into_iter().zip(came) {
                        self.answer(job, came);
                    }
                    return;
                }
                Err(Trouble::Job(at)) => {
                    self.forget();
                    tracing::error!(
                        "settling a push failed; nothing of it was stored and its device will send it again"
                    );
                    let left_out = if at < jobs.len() { jobs.remove(at) } else { jobs.remove(0) };
                    left_out.fail(CoreError::Store(StoreError::Damaged("settling failed".to_owned())));
                }
                Err(Trouble::Store(error)) => {
                    self.forget();
                    tracing::error!(error = %error, jobs = jobs.len(), "a batch was not stored; nothing of it was acknowledged");
                    for job in jobs.drain(..) {
                        job.fail(CoreError::Store(error.again()));
                    }
                }
            }
        }
    }

    /// Forgets everything that was loaded, because it may hold what was never written. Where workspaces stand is read
    /// again too: a commit that failed late may have reached the disk after all.
    fn forget(&mut self) {
        self.loaded.clear();
        self.remembered = 0;
        self.lives.clear();
    }

    async fn attempt(&mut self, jobs: &[Job]) -> Result<Vec<Result<Came, CoreError>>, Trouble> {
        let now_ms = match self.clock.now_ms() {
            set_right if set_right.saturating_add(BEHIND_MS_MAX) < self.latest_ms => set_right,
            now_ms => now_ms.max(self.latest_ms),
        };
        let mut write = self.store.begin().await?;
        let mut plans: BTreeMap<WorkspaceId, Planned> = BTreeMap::new();
        for job in jobs {
            if !plans.contains_key(&job.workspace())
                && let Some(planned) = self.open(&mut write, job, now_ms).await?
            {
                plans.insert(job.workspace(), planned);
            }
        }
        self.load_ahead(&mut write, jobs).await?;
        let mut came = Vec::with_capacity(jobs.len());
        for (at, job) in jobs.iter().enumerate() {
            let workspace = job.workspace();
            came.push(match plans.get_mut(&workspace) {
                None => Err(CoreError::NoWorkspace),
                Some(planned) => self.job(Turn { write: &mut write, planned, workspace, at, now_ms }, job).await?,
            });
        }
        for (workspace, planned) in &mut plans {
            planned.add_up(self.loaded.get(workspace).map_or(planned.head_before, Working::head));
        }
        match self.commit(write, &plans).await {
            Err(Trouble::Store(StoreError::Full)) if planted(Mutant::AnswerUnstored) => {}
            committed => committed?,
        }
        self.latest_ms = now_ms;
        for (workspace, planned) in plans {
            if let Some(working) = self.loaded.get_mut(&workspace) {
                planned.show(workspace, working, &self.lives, &self.hub);
                working.forget_answers_above(ANSWERS_MAX);
            }
        }
        let reviewed = jobs.iter().any(|job| matches!(job, Job::Discard { .. }));
        if reviewed || self.remembered > REMEMBERED_MAX {
            // What was discarded has another receipt now than the one that may be loaded.
            self.loaded.clear();
            self.remembered = 0;
        }
        Ok(came)
    }

    /// Opens the job's workspace, if it exists.
    async fn open(&mut self, write: &mut S::Write, job: &Job, now_ms: i64) -> Result<Option<Planned>, Trouble> {
        let workspace = job.workspace();
        let live = self.lives.get(workspace);
        if let (Some(live), Some(working)) = (&live, self.loaded.get(&workspace)) {
            return Ok(Some(Planned::new(Arc::clone(live), working.head(), None)));
        }
        if let Some((stored, scopes)) = write.open(workspace).await? {
            let projects = scopes.iter().filter(|state| matches!(state.scope, Scope::Project(_))).count();
            let mut working = Working::new(stored.head, stored.next_number).with_projects(projects);
            let live = match live {
                Some(live) => live,
                None => Arc::new(Live::new(stand(write, &stored, scopes, &mut working).await?)),
            };
            self.loaded.insert(workspace, working);
            return Ok(Some(Planned::new(live, stored.head, None)));
        }
        let Job::Create { new, .. } = job else { return Ok(None) };
        let made = Workspace {
            id: workspace,
            name: new.name.clone(),
            epoch: now_ms.unsigned_abs().max(1),
            head: 0,
            horizon: 0,
            next_number: 1,
            created_ms: now_ms,
        };
        let live = Arc::new(Live::new(Standing::at(made.epoch, 0, 0)));
        self.loaded.insert(workspace, Working::new(0, made.next_number));
        Ok(Some(Planned::new(live, 0, Some(made))))
    }

    /// Loads in one go what the batch certainly needs.
    async fn load_ahead(&mut self, write: &mut S::Write, jobs: &[Job]) -> Result<(), Trouble> {
        let mut needs: BTreeMap<WorkspaceId, BTreeSet<Need>> = BTreeMap::new();
        for job in jobs {
            let Job::Push { workspace, author, intents, .. } = job else { continue };
            let Some(working) = self.loaded.get(workspace) else { continue };
            let of_this = needs.entry(*workspace).or_default();
            of_this.extend(intents.iter().flat_map(|intent| wants(working, author, intent)));
        }
        for (workspace, needs) in needs {
            match self.load(write, workspace, needs.into_iter().collect()).await {
                // Whichever job asks for it finds out again, and fails alone.
                Ok(()) | Err(Trouble::Store(StoreError::Damaged(_))) => {}
                failed => return failed,
            }
        }
        Ok(())
    }

    async fn load(&mut self, write: &mut S::Write, workspace: WorkspaceId, needs: Vec<Need>) -> Result<(), Trouble> {
        if needs.is_empty() {
            return Ok(());
        }
        let found = write.load(workspace, &needs).await?;
        if let Some(working) = self.loaded.get_mut(&workspace) {
            let before = working.records_held();
            for found in found {
                found.supply(working);
            }
            self.remembered += working.records_held() - before;
        }
        Ok(())
    }

    /// Settles one intent, loading what it asks for.
    async fn settle(
        &mut self,
        turn: &mut Turn<'_, S::Write>,
        author: &Author,
        intent: &[FrozenOp],
    ) -> Result<Vec<Receipt>, Trouble> {
        let mut asked: BTreeSet<Need> = BTreeSet::new();
        while let Some(working) = self.loaded.get_mut(&turn.workspace) {
            let before = working.records_held();
            let settled = catch_unwind(AssertUnwindSafe(|| settle(working, author, intent, turn.now_ms)));
            match settled.map_err(|_| Trouble::Job(turn.at))? {
                Ok(settled) => {
                    self.remembered += working.records_held() - before;
                    return Ok(turn.planned.add(settled));
                }
                Err(needs) => {
                    // Each round brings something new, so there is a last one; asking for the same again would go on for ever.
                    let before = asked.len();
                    asked.extend(needs.iter().copied());
                    if asked.len() == before {
                        break;
                    }
                    match self.load(turn.write, turn.workspace, needs).await {
                        Err(Trouble::Store(StoreError::Damaged(what))) => {
                            tracing::error!(workspace.id = %turn.workspace, what, "A stored record or receipt cannot be read.");
                            return Err(Trouble::Job(turn.at));
                        }
                        loaded => loaded?,
                    }
                }
            }
        }
        Err(Trouble::Job(turn.at))
    }

    /// Settles a job. Its answer waits for the commit.
    async fn job(&mut self, mut turn: Turn<'_, S::Write>, job: &Job) -> Result<Result<Came, CoreError>, Trouble> {
        match job {
            Job::Push { author, intents, bytes, .. } => {
                let mut receipts = Vec::with_capacity(bytes.len());
                for intent in intents {
                    receipts.append(&mut self.settle(&mut turn, author, intent).await?);
                }
                turn.planned.hold(author.member, intents.iter().flatten(), bytes, turn.now_ms);
                Ok(Ok(Came::Receipts(receipts)))
            }
            Job::System { changes, .. } => self.system(&mut turn, changes).await,
            Job::Create { new, .. } => {
                if turn.planned.made.is_none() {
                    return Ok(Err(CoreError::Exists));
                }
                let join = SystemChange::Join { member: new.owner, name: new.owner_name.clone(), role: Role::Owner };
                self.system(&mut turn, &[join]).await
            }
            Job::Release { owner, ops, .. } => {
                let mut receipts = Vec::new();
                // What another owner discarded in this very batch is decided.
                let undecided = |held: &&Quarantined| turn.planned.decided(held.op).is_none();
                let ops: Vec<&Quarantined> = ops.iter().filter(undecided).collect();
                for of_one in ops.chunk_by(|left, right| left.member == right.member) {
                    let Some(first) = of_one.first() else { continue };
                    let author = Author { member: first.member, authority: Authority::Released(*owner) };
                    let read = |held: &&Quarantined| FrozenOp::read(&held.bytes).ok()?.upcast(&self.schema).ok();
                    for intent in intents(of_one.iter().filter_map(read).collect()) {
                        receipts.append(&mut self.settle(&mut turn, &author, &intent).await?);
                    }
                }
                let settled = receipts.iter().filter(|receipt| receipt.outcome != Outcome::Quarantined);
                turn.planned.freed.extend(settled.map(|receipt| receipt.op));
                Ok(Ok(Came::Receipts(receipts)))
            }
            Job::Discard { ops, .. } => {
                let needs: Vec<Need> = ops.iter().map(|held| Need::Receipt(held.op)).collect();
                let mut receipts = Vec::new();
                for found in turn.write.load(turn.workspace, &needs).await? {
                    let Found::Receipt(op, Some(stored)) = found else { continue };
                    // Another owner was quicker.
                    if turn.planned.decided(op).is_some() || stored.receipt.outcome != Outcome::Quarantined {
                        continue;
                    }
                    let kept = discarded(&stored, turn.now_ms);
                    receipts.push(kept.receipt.clone());
                    turn.planned.kept.push(kept);
                    turn.planned.freed.push(op);
                }
                Ok(Ok(Came::Receipts(receipts)))
            }
            Job::Known { ops, .. } => {
                let needs: Vec<Need> = ops.iter().map(|op| Need::Receipt(*op)).collect();
                let found = turn.write.load(turn.workspace, &needs).await?;
                let kept = found.into_iter().filter_map(|found| match found {
                    Found::Receipt(_, kept) => kept,
                    _ => None,
                });
                Ok(Ok(Came::Known(kept.collect())))
            }
            Job::Open { .. } => Ok(Ok(Came::Nothing)),
            Job::Compact { .. } | Job::NewEpoch { .. } => Ok(Err(CoreError::Missing)),
        }
    }

    /// Makes changes of the server's own, up to the first that is refused.
    async fn system(
        &mut self,
        turn: &mut Turn<'_, S::Write>,
        changes: &[SystemChange],
    ) -> Result<Result<Came, CoreError>, Trouble> {
        for (place, change) in changes.iter().enumerate() {
            let head = self.loaded.get(&turn.workspace).map_or(0, Working::head);
            let mint = Mint { workspace: turn.workspace, at: turn.at, place, now_ms: turn.now_ms, head };
            let (author, key) = mint.subject(change);
            self.load(turn.write, turn.workspace, vec![Need::Record(key)]).await?;
            let record = self.loaded.get(&turn.workspace).and_then(|working| working.record(key));
            let Some(action) = mint.action(change, record) else { continue };
            let Ok(frozen) = mint.op(key, change, action) else { return Err(Trouble::Job(turn.at)) };
            let receipts = self.settle(turn, &author, &[frozen]).await?;
            if let Some(reason) = receipts.into_iter().find_map(|receipt| receipt.reason) {
                return Ok(Err(CoreError::Refused(reason.says)));
            }
        }
        Ok(Ok(Came::Nothing))
    }

    async fn commit(&self, write: S::Write, plans: &BTreeMap<WorkspaceId, Planned>) -> Result<(), Trouble> {
        let mut changes: BTreeMap<WorkspaceId, Changes<'_>> = BTreeMap::new();
        for (workspace, planned) in plans {
            if let Some(working) = self.loaded.get(workspace)
                && !planned.is_empty()
            {
                changes.insert(*workspace, planned.changes(working));
            }
        }
        if !changes.is_empty() {
            write.commit(&changes).await?;
        }
        Ok(())
    }

    fn answer(&self, job: Job, came: Result<Came, CoreError>) {
        let live = self.lives.get(job.workspace());
        let (epoch, head) = live.as_ref().map_or((0, 0), |live| {
            let standing = live.read();
            (standing.epoch, standing.head)
        });
        match (job, came) {
            (job, Err(error)) => job.fail(error),
            (Job::Push { answer, .. }, Ok(Came::Receipts(receipts))) => {
                tell(answer, Ok(Settlement { epoch, receipts }))
            }
            (Job::Release { answer, .. } | Job::Discard { answer, .. }, Ok(Came::Receipts(receipts))) => {
                tell(answer, Ok(receipts));
            }
            (Job::Known { answer, .. }, Ok(Came::Known(kept))) => tell(answer, Ok(kept)),
            (Job::System { answer, .. }, Ok(Came::Nothing)) => tell(answer, Ok(head)),
            (Job::Create { answer, .. }, Ok(Came::Nothing)) => tell(answer, Ok(())),
            (Job::Open { answer, .. }, Ok(Came::Nothing)) => tell(answer, live.ok_or(CoreError::NoWorkspace)),
            (job, Ok(_)) => job.fail(CoreError::Missing),
        }
    }

    /// Compacts in steps, so that pushes that wait get their turn between calls.
    async fn compact(&mut self, workspace: WorkspaceId, keep_ms: i64) -> Result<Version, CoreError> {
        let now_ms = self.clock.now_ms();
        let what = Compaction {
            entries_max: COMPACTION_ENTRIES_MAX,
            log_before_ms: now_ms.saturating_sub(keep_ms),
            receipts_before_ms: now_ms.saturating_sub(keep_ms.saturating_mul(2)),
            wrong_from_ms: now_ms.saturating_add(DAY_MS),
        };
        let live = self.lives.get(workspace);
        // Before anything is gone, so that whoever reads the log meanwhile learns of it. One that is then not reached costs devices
        // that come back a snapshot instead of a few entries.
        let announce = move |horizon| {
            if let Some(live) = live {
                live.write().horizon = horizon;
            }
        };
        let compacted = self.store.begin().await?.compact(workspace, what, announce).await;
        // Tombstones and receipts that were loaded may be gone now.
        self.loaded.remove(&workspace);
        Ok(compacted?)
    }

    async fn new_epoch(&mut self, workspace: WorkspaceId) -> Result<u64, CoreError> {
        let at_least = self.clock.now_ms().unsigned_abs();
        let epoch = self.store.begin().await?.new_epoch(workspace, at_least).await?;
        self.forget();
        self.hub.disconnect_workspace(workspace);
        Ok(epoch)
    }
}

/// Reads where a workspace stands and who may see what in it.
async fn stand<W: Write>(
    write: &mut W,
    stored: &Workspace,
    scopes: Vec<ScopeState>,
    working: &mut Working,
) -> Result<Standing, StoreError> {
    // Projects by their scopes, so that deleted ones are among them: their conflicts still concern the same people.
    let project = |state: &ScopeState| match state.scope {
        Scope::Project(id) => Some(Need::Record(Key::new(Kind::Project, id))),
        Scope::Workspace | Scope::Personal(_) => None,
    };
    let needs: Vec<Need> = scopes.iter().filter_map(project).chain([Need::All(Kind::Member)]).collect();
    let mut standing = Standing::at(stored.epoch, stored.head, stored.horizon);
    standing.scopes = scopes.into_iter().map(|state| (state.scope, state)).collect();
    for found in write.load(stored.id, &needs).await? {
        found.records().for_each(|record| standing.learn(record));
        found.supply(working);
    }
    Ok(standing)
}

impl Job {
    fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Push { workspace, .. }
            | Self::System { workspace, .. }
            | Self::Release { workspace, .. }
            | Self::Discard { workspace, .. }
            | Self::Known { workspace, .. }
            | Self::Open { workspace, .. }
            | Self::Compact { workspace, .. }
            | Self::NewEpoch { workspace, .. } => *workspace,
            Self::Create { new, .. } => new.id,
        }
    }
    /// Whether it may share a transaction with others.
    fn shares(&self) -> bool {
        !matches!(self, Self::Compact { .. } | Self::NewEpoch { .. })
    }
    /// Bytes of its ops.
    fn bytes(&self) -> usize {
        match self {
            Self::Push { bytes, .. } => bytes.iter().map(|(_, bytes)| bytes.len()).sum(),
            Self::Release { ops, .. } | Self::Discard { ops, .. } => ops.iter().map(|held| held.bytes.len()).sum(),
            _ => 0,
        }
    }
    fn fail(self, error: CoreError) {
        match self {
            Self::Push { answer, .. } => tell(answer, Err(error)),
            Self::System { answer, .. } | Self::Compact { answer, .. } => tell(answer, Err(error)),
            Self::Create { answer, .. } => tell(answer, Err(error)),
            Self::Release { answer, .. } | Self::Discard { answer, .. } => tell(answer, Err(error)),
            Self::Known { answer, .. } => tell(answer, Err(error)),
            Self::Open { answer, .. } => tell(answer, Err(error)),
            Self::NewEpoch { answer, .. } => tell(answer, Err(error)),
        }
    }
}

/// Answers. Whoever asked may have left meanwhile; what was stored stays, and a resend gets the same receipts.
fn tell<T>(answer: Answer<T>, what: Result<T, CoreError>) {
    drop(answer.send(what));
}
