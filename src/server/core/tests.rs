//! The core on a store: what a device may rely on. Written against any store; `laws!` runs them all on one.

use super::*;
use crate::model::choice::ProjectState;
use crate::model::id::RecordId;
use crate::model::kinds::Kind;
use crate::model::record::Field;
use crate::model::value::{Name, Value};
use crate::server::store::sqlite::tests::{Scratch, on_disk};
use crate::sync::checksum::Sum;
use crate::sync::op::{Action, Change, Class, Effect, Op, SCHEMA};
use crate::sync::settle::Authority;
use crate::sync::wire::{FromServer, ScopeState, encode};
use serde_bytes::ByteBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use uuid::Uuid;

macro_rules! laws {
    ($fresh:expr; $($law:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $law() {
            let (store, _guard) = $fresh.await;
            super::$law(store).await;
        }
    )*};
}

mod sqlite {
    use super::*;

    laws!(on_disk();
        a_new_workspace_has_its_owner
        a_tree_made_in_one_push_is_settled_logged_and_summed
        a_resend_gets_the_same_answer_and_changes_nothing
        what_cannot_be_read_is_answered_in_its_place
        pushes_from_many_tasks_take_their_places_without_gaps
        a_private_project_is_simply_absent_for_others
        everything_committed_reaches_those_who_follow
        who_may_see_more_or_less_is_told
        who_takes_too_little_is_told_to_pull
        a_member_who_left_is_cut_off_and_their_edits_are_held
        of_owners_who_decide_at_once_one_decides
        a_snapshot_and_the_log_after_it_make_the_whole
        chunks_that_were_read_ahead_and_the_log_make_the_whole
        a_long_absence_is_read_in_pages_that_split_no_intent
        a_restart_forgets_nothing
        what_was_made_before_a_restore_has_seen_nothing_after_it
        two_workspaces_with_the_same_ids_never_touch
        a_new_device_is_told_where_something_is_assigned
        a_stopped_core_acknowledges_nothing
        a_clock_that_was_wrong_for_a_moment_is_followed_again
    );

    #[tokio::test]
    async fn a_pull_that_a_compaction_overtakes_is_sent_for_a_snapshot() {
        let (store, _guard) = on_disk().await;
        let house = House::new(store.clone()).await;
        house.apply(house.tree()).await;
        house.apply((0..40).map(|n| house.task(house.intent(), 5_000 + n)).collect()).await;
        let head = house.core.head(WORKSPACE).await.unwrap();
        // It has looked how far the log goes back, and waits to read it.
        let held = store.hold_pages();
        let tidemarks = [(project(), 3), (Scope::Workspace, head)];
        let mut pulling = Box::pin(house.pull(OWNER, &tidemarks));
        assert!(futures::poll!(&mut pulling).is_pending());
        assert_eq!(house.core.compact(WORKSPACE, 0).await.unwrap(), head);
        drop(held);
        let pulled = pulling.await;
        assert_eq!(pulled.gone, [project()]);
        let frames: Vec<_> = pulled.frames.iter().map(|frame| (frame.scope, frame.from)).collect();
        assert_eq!(frames, [(Scope::Workspace, head)]);
    }

    #[tokio::test]
    async fn a_record_that_cannot_be_read_fails_its_own_push_alone() {
        let (store, _guard) = on_disk().await;
        let house = House::new(store.clone()).await;
        house.apply(house.tree()).await;
        house.apply(vec![house.task(house.intent(), 5_000)]).await;
        let whole = house.set(Kind::Task, 5_000, "title", "Better".into()).await;
        let broken = house.set(Kind::Task, 1_003, "title", "Worse".into()).await;
        let house = house.restarted(&store).await;
        let damage = "UPDATE record SET fields = '!' WHERE kind = 'task' AND id = ?";
        let damaged = sqlx::query(damage).bind(uuid(1_003)).execute(store.writer()).await.unwrap();
        assert_eq!(damaged.rows_affected(), 1);
        let author = Author { member: OWNER, authority: Authority::Own };
        let push = |ops| house.core.push(WORKSPACE, &author, Push { batch: 9, ops });
        let (failed, done) = tokio::join!(push(vec![broken]), push(vec![whole]));
        let failed = failed.unwrap_err();
        assert!(matches!(failed, CoreError::Store(StoreError::Damaged(_))), "{failed:?}");
        assert_eq!(done.unwrap().receipts[0].outcome, Outcome::Applied);
        assert_eq!(house.core.head(WORKSPACE).await.unwrap(), house.states().await[&project()].head);
    }

    #[tokio::test]
    async fn a_deleted_project_outlives_a_compaction_as_long_as_a_conflict_waits_in_it() {
        let (store, _guard) = on_disk().await;
        let house = House::new(store.clone()).await;
        house.apply(house.tree()).await;
        house.apply(vec![house.make(house.intent(), Kind::Project, 2_000, &[("title", "Shed".into())])]).await;
        let late = house.set(Kind::Task, 1_003, "title", "Late".into()).await;
        for gone in [PROJECT, 2_000] {
            let delete = Action::Delete { seen: Version::MAX >> 1 };
            house.push(vec![house.op(house.intent(), Kind::Project, gone, delete)]).await;
        }
        assert!(house.push_as(ANA, vec![late]).await[0].conflict.is_some());
        house.core.compact(WORKSPACE, 0).await.unwrap();
        let house = house.restarted(&store).await;
        let scopes = house.core.scopes(WORKSPACE, ANA).await.unwrap();
        assert!(scopes.contains(&project()) && !scopes.contains(&Scope::Project(id(2_000))), "{scopes:?}");
        assert!(house.snapshot(project()).await.0.0.keys().any(|key| key.kind == Kind::Conflict));
    }
}

/// A clock that is one second further whenever it is read.
#[derive(Clone)]
struct Ticks(Arc<AtomicI64>);

impl Ticks {
    fn new() -> Self {
        Self(Arc::new(AtomicI64::new(1_800_000_000_000)))
    }
}
impl Clock for Ticks {
    fn now_ms(&self) -> i64 {
        self.0.fetch_add(1000, Ordering::Relaxed)
    }
}

fn uuid(n: u128) -> Uuid {
    Uuid::from_u128(n)
}
fn id(n: u128) -> RecordId {
    RecordId(uuid(n))
}

const OWNER: MemberId = MemberId(Uuid::from_u128(1));
const ANA: MemberId = MemberId(Uuid::from_u128(2));
const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(77));
const PROJECT: u128 = 1000;
const STEP: u128 = 1002;

/// A workspace with an owner, and one more member.
struct House<S: Store> {
    core: Core<S>,
    workspace: WorkspaceId,
    next: AtomicU64,
}

impl<S: Store> House<S> {
    async fn new(store: S) -> Self {
        let core = Core::start(store, Ticks::new());
        let house = Self { core, workspace: WORKSPACE, next: AtomicU64::new(1) };
        house.create(WORKSPACE).await;
        house
    }
    /// The same house, of which nothing is in memory any more.
    async fn restarted(self, store: &S) -> Self
    where
        S: Clone,
    {
        self.core.stop().await;
        Self { core: Core::start(store.clone(), Ticks::new()), ..self }
    }
    async fn create(&self, id: WorkspaceId) {
        let new = NewWorkspace { id, name: "Yard".into(), owner: OWNER, owner_name: "Olga".into() };
        self.core.create_workspace(new).await.unwrap();
        let join = SystemChange::Join { member: ANA, name: "Ana".into(), role: Role::Member };
        self.core.system(id, vec![join]).await.unwrap();
    }
    /// The frozen bytes of an op; ops of one intent share the number.
    fn op(&self, intent: u64, kind: Kind, record: u128, action: Action) -> ByteBuf {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let op = Op {
            id: OpId(uuid(1 << 64 | u128::from(n))),
            device: DeviceId(uuid(5)),
            incarnation: 1,
            counter: n,
            intent: IntentId(uuid(1 << 65 | u128::from(intent))),
            after: Vec::new(),
            schema: SCHEMA,
            kind,
            record: id(record),
            action,
            claimed_ms: 0,
            offset_ms: 0,
        };
        ByteBuf::from(encode(&op).unwrap())
    }
    fn intent(&self) -> u64 {
        self.next.fetch_add(1, Ordering::Relaxed)
    }
    fn make(&self, intent: u64, kind: Kind, record: u128, fields: &[(&'static str, Value)]) -> ByteBuf {
        let fields = fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
        self.op(intent, kind, record, Action::Create { fields })
    }
    fn task(&self, intent: u64, record: u128) -> ByteBuf {
        self.make(intent, Kind::Task, record, &[("title", "A task".into()), ("step", id(STEP).into())])
    }
    fn tree(&self) -> Vec<ByteBuf> {
        let one = self.intent();
        vec![
            self.make(one, Kind::Project, PROJECT, &[("title", "House".into())]),
            self.make(one, Kind::Phase, 1001, &[("title", "Ground".into()), ("project", id(PROJECT).into())]),
            self.make(one, Kind::Step, STEP, &[("title", "Slab".into()), ("phase", id(1001).into())]),
            self.task(one, 1003),
        ]
    }
    /// Sets a field as somebody who has just seen it.
    async fn set(&self, kind: Kind, record: u128, field: &'static str, now: Value) -> ByteBuf {
        let select = Select::Keys(vec![Key::new(kind, id(record))]);
        let seen = self.core.records_of(self.workspace, OWNER, &select, 1).await.unwrap();
        let seen = seen.first().expect("the record is there");
        let change = Change { base: seen.version(field), was: seen.get(field).clone(), now };
        let changes = BTreeMap::from([(Name::new(field), change)]);
        self.op(self.intent(), kind, record, Action::Set { changes })
    }
    async fn push_as(&self, member: MemberId, ops: Vec<ByteBuf>) -> Vec<Receipt> {
        let author = Author { member, authority: Authority::Own };
        let pushed = self.core.push(self.workspace, &author, Push { batch: 9, ops }).await.unwrap();
        assert_eq!(pushed.batch, 9);
        pushed.receipts
    }
    async fn push(&self, ops: Vec<ByteBuf>) -> Vec<Receipt> {
        self.push_as(OWNER, ops).await
    }
    /// Pushes what must be taken as it is.
    async fn apply(&self, ops: Vec<ByteBuf>) {
        let receipts = self.push(ops).await;
        assert!(receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied), "{receipts:?}");
    }
    async fn welcome(&self, member: MemberId) -> Result<Welcome, CoreError> {
        self.welcome_with(member, BTreeMap::new()).await
    }
    async fn welcome_with(&self, member: MemberId, tidemarks: BTreeMap<Scope, Version>) -> Result<Welcome, CoreError> {
        let (device, incarnation) = (DeviceId(uuid(5)), 1);
        let hello = Hello { protocol: PROTOCOL, schema: SCHEMA, device, incarnation, epoch: None, tidemarks };
        self.core.welcome(self.workspace, member, &hello).await
    }
    /// Where the scopes the owner sees stand.
    async fn states(&self) -> BTreeMap<Scope, ScopeState> {
        let welcome = self.welcome(OWNER).await.unwrap();
        welcome.scopes.into_iter().map(|state| (state.scope, state)).collect()
    }
    async fn pull(&self, member: MemberId, tidemarks: &[(Scope, Version)]) -> Pulled {
        let pull = Pull { tidemarks: tidemarks.iter().copied().collect() };
        self.core.pull(self.workspace, member, &pull).await.unwrap()
    }
    /// A copy of a scope made from snapshot chunks.
    async fn snapshot(&self, scope: Scope) -> (Copy, Version) {
        let mut copy = Copy::default();
        let mut wanted = SnapshotWanted { scope, at: None, after: None };
        loop {
            let chunk = self.core.snapshot(self.workspace, OWNER, &wanted).await.unwrap();
            copy.0.extend(chunk.records.into_iter().map(|record| (record.key(), record)));
            wanted = SnapshotWanted { scope, at: Some(chunk.at), after: chunk.next };
            if chunk.next.is_none() {
                return (copy, chunk.at);
            }
        }
    }
    async fn subscribe(&self, member: MemberId, scopes: &[Scope]) -> Subscription {
        let who = Subscriber { workspace: self.workspace, member, device: DeviceId(uuid(5)), session: [0; 32] };
        self.core.subscribe(who, &scopes.iter().copied().collect()).await.unwrap()
    }
}

async fn next(subscription: &mut Subscription) -> FromServer {
    let waited = tokio::time::timeout(std::time::Duration::from_secs(20), subscription.next()).await;
    decode(&waited.expect("a message comes").expect("the connection stays")).unwrap()
}

fn project() -> Scope {
    Scope::Project(id(PROJECT))
}

/// What a device makes of entries.
#[derive(Debug, Clone, Default, PartialEq)]
struct Copy(BTreeMap<Key, Record>);

impl Copy {
    fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            let fresh = || Record {
                kind: entry.kind,
                id: entry.record,
                scope: entry.scope,
                fields: BTreeMap::new(),
                seq: 0,
                deleted: false,
            };
            match &entry.effect {
                Effect::Put(fields) => {
                    let record = self.0.entry(entry.key()).or_insert_with(fresh);
                    for (name, value) in fields {
                        if entry.seq > record.version(name.as_str()) {
                            record.fields.insert(name.clone(), Field { value: value.clone(), version: entry.seq });
                        }
                    }
                    record.seq = record.seq.max(entry.seq);
                }
                Effect::Delete => {
                    if self.0.get(&entry.key()).is_some_and(|record| entry.seq > record.seq) {
                        self.0.remove(&entry.key());
                    }
                }
            }
        }
    }
    fn sum(&self) -> Sum {
        self.0.values().map(Sum::of).sum()
    }
}

fn sum(state: &ScopeState) -> Sum {
    Sum { count: state.count, checksum: state.checksum }
}

async fn a_new_device_is_told_where_something_is_assigned(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let project = Scope::Project(id(PROJECT));
    assert!(house.welcome(ANA).await.unwrap().assigned.is_empty());
    let to_ana = Value::List(vec![RecordId(ANA.0).into()]);
    house.apply(vec![house.set(Kind::Task, 1003, "assignees", to_ana).await]).await;
    assert_eq!(house.welcome(ANA).await.unwrap().assigned, BTreeSet::from([project]));
    assert!(house.welcome(OWNER).await.unwrap().assigned.is_empty());
    // Who has the project need not be told, and who may not see it is not.
    let tidemarks = BTreeMap::from([(Scope::Workspace, 0), (Scope::Personal(ANA), 0), (project, 0)]);
    assert!(house.welcome_with(ANA, tidemarks).await.unwrap().assigned.is_empty());
    house.apply(vec![house.set(Kind::Project, PROJECT, "private", true.into()).await]).await;
    let welcome = house.welcome(ANA).await.unwrap();
    assert!(welcome.assigned.is_empty() && welcome.scopes.iter().all(|state| state.scope != project));
}

async fn a_new_workspace_has_its_owner(store: impl Store) {
    let house = House::new(store).await;
    let welcome = house.welcome(OWNER).await.unwrap();
    let scopes: Vec<Scope> = welcome.scopes.iter().map(|state| state.scope).collect();
    assert_eq!(scopes, [Scope::Workspace, Scope::Personal(OWNER)]);
    assert_eq!(house.core.role(WORKSPACE, OWNER).await.unwrap(), Some(Role::Owner));
    assert_eq!(house.core.role(WORKSPACE, ANA).await.unwrap(), Some(Role::Member));
    let members = house.core.records_of(WORKSPACE, ANA, &Select::Kind(Kind::Member), 9).await.unwrap();
    assert_eq!(members.iter().map(|member| member.text("name")).collect::<Vec<_>>(), ["Olga", "Ana"]);
    let again = NewWorkspace { id: WORKSPACE, name: "Yard".into(), owner: ANA, owner_name: "Ana".into() };
    assert!(matches!(house.core.create_workspace(again).await, Err(CoreError::Exists)));
    assert!(matches!(house.welcome(MemberId(uuid(3))).await, Err(CoreError::NotAMember)));
    let nowhere = WorkspaceId(uuid(78));
    assert!(matches!(house.core.head(nowhere).await, Err(CoreError::NoWorkspace)));

    // Heard of again within the hour, a device writes nothing.
    let (device, name, agent) = (DeviceId(uuid(9)), "Phone".to_owned(), "Firefox".to_owned());
    let seen = SystemChange::DeviceSeen { member: ANA, device, name, agent };
    let first = house.core.system(WORKSPACE, vec![seen.clone()]).await.unwrap();
    assert_eq!(house.core.system(WORKSPACE, vec![seen]).await.unwrap(), first);
    let (name, agent) = ("Mine".to_owned(), "Other".to_owned());
    let claimed = SystemChange::DeviceSeen { member: OWNER, device, name, agent };
    assert_eq!(house.core.system(WORKSPACE, vec![claimed]).await.unwrap(), first, "nobody claims another's device");
    let leave = vec![SystemChange::Leave { member: OWNER }];
    assert!(matches!(house.core.system(WORKSPACE, leave).await, Err(CoreError::Refused(_))), "the last owner stays");
}

async fn a_tree_made_in_one_push_is_settled_logged_and_summed(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let states = house.states().await;
    let tidemarks: Vec<(Scope, Version)> = states.keys().map(|scope| (*scope, 0)).collect();
    let pulled = house.pull(OWNER, &tidemarks).await;
    assert_eq!((pulled.head, pulled.more, pulled.gone.len()), (house.core.head(WORKSPACE).await.unwrap(), false, 0));
    assert_eq!(pulled.frames.len(), states.len());
    for frame in &pulled.frames {
        assert_eq!((frame.from, frame.to), (0, pulled.head));
        let mut copy = Copy::default();
        copy.apply(&frame.entries);
        let state = &states[&frame.scope];
        assert_eq!(copy.sum(), sum(state), "{}", frame.scope);
        assert_eq!(frame.entries.last().map_or(0, |entry| entry.seq), state.head);
        assert_eq!(copy, house.snapshot(frame.scope).await.0);
    }
    assert!(states[&project()].count >= 4);
    let key = Key::new(Kind::Task, id(1003));
    assert_eq!(house.core.history(WORKSPACE, ANA, key, 9).await.unwrap().last().unwrap().by, Some(OWNER));
}

async fn a_resend_gets_the_same_answer_and_changes_nothing(store: impl Store) {
    let house = House::new(store).await;
    let tree = house.tree();
    let first = house.push(tree.clone()).await;
    let head = house.core.head(WORKSPACE).await.unwrap();
    let (again, at_once) = tokio::join!(house.push(tree.clone()), house.push(tree.clone()));
    assert_eq!((&again, &at_once), (&first, &first));
    assert_eq!(house.core.head(WORKSPACE).await.unwrap(), head);
    // The same op id with other bytes is another op, and refused.
    let mut other: Op = decode(&tree[3]).unwrap();
    other.claimed_ms += 1;
    let receipts = house.push(vec![ByteBuf::from(encode(&other).unwrap())]).await;
    assert_eq!(receipts[0].reason.as_ref().unwrap().code, Code::Reused);
    assert_eq!(house.push(tree).await, first);
}

async fn what_cannot_be_read_is_answered_in_its_place(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let code = |receipt: &Receipt| receipt.reason.as_ref().map(|reason| reason.code);
    let newer = |bytes: ByteBuf| {
        let mut op: Op = decode(&bytes).unwrap();
        op.schema = SCHEMA + 1;
        (op.id, ByteBuf::from(encode(&op).unwrap()))
    };
    let shared = house.intent();
    let (later_id, later) = newer(house.task(shared, 2000));
    let ops = vec![
        ByteBuf::from(vec![0xc1, 1, 2]),
        house.task(house.intent(), 2001),
        later,
        house.task(shared, 2002),
        house.task(house.intent(), 2003),
    ];
    let receipts = house.push(ops).await;
    let codes: Vec<Option<Code>> = receipts.iter().map(code).collect();
    assert_eq!(codes, [Some(Code::Malformed), None, Some(Code::Schema), Some(Code::Intent), None]);
    assert_eq!((receipts[0].op, receipts[2].op), (NIL_OP, later_id));
    let receipts = house.push(vec![ByteBuf::new()]).await;
    assert_eq!(receipts.iter().map(code).collect::<Vec<_>>(), [Some(Code::Malformed)]);
    let author = Author { member: OWNER, authority: Authority::Own };
    let many = Push { batch: 1, ops: vec![ByteBuf::new(); PUSH_OPS_MAX + 1] };
    assert!(matches!(house.core.push(WORKSPACE, &author, many).await, Err(CoreError::TooMuch)));
}

async fn pushes_from_many_tasks_take_their_places_without_gaps(store: impl Store) {
    const TASKS: u128 = 12;
    const OPS: u128 = 15;
    let house = Arc::new(House::new(store).await);
    house.apply(house.tree()).await;
    let pushing = (0..TASKS).map(|task| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            let mut seqs = Vec::new();
            for n in 0..OPS {
                let receipts = house.push(vec![house.task(house.intent(), 10_000 + task * 100 + n)]).await;
                assert_eq!(receipts[0].outcome, Outcome::Applied);
                seqs.push(receipts[0].seq);
                assert!(house.core.head(WORKSPACE).await.unwrap() >= receipts[0].seq, "what is acknowledged is there");
            }
            assert!(seqs.is_sorted_by(|left, right| left < right));
        })
    });
    for task in pushing.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    let states = house.states().await;
    let tidemarks: Vec<(Scope, Version)> =
        states.keys().map(|scope| (*scope, 0)).chain([(Scope::Personal(ANA), 0)]).collect();
    let mut seqs: Vec<Version> = Vec::new();
    for frame in house.pull(OWNER, &tidemarks).await.frames {
        seqs.extend(frame.entries.iter().map(|entry| entry.seq));
        let mut copy = Copy::default();
        copy.apply(&frame.entries);
        assert_eq!(copy.sum(), sum(&states[&frame.scope]));
    }
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=house.core.head(WORKSPACE).await.unwrap()).collect::<Vec<_>>());
    let tasks = house.core.records_of(WORKSPACE, OWNER, &Select::Kind(Kind::Task), 1000).await.unwrap();
    let mut numbers: Vec<i64> = tasks.iter().filter_map(|task| task.int("number")).collect();
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), tasks.len(), "no number is given twice");
}

async fn a_private_project_is_simply_absent_for_others(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    assert!(house.core.scopes(WORKSPACE, ANA).await.unwrap().contains(&project()));
    house.apply(vec![house.set(Kind::Project, PROJECT, "private", true.into()).await]).await;

    assert!(!house.core.scopes(WORKSPACE, ANA).await.unwrap().contains(&project()));
    let pulled = house.pull(ANA, &[(project(), 0), (Scope::Workspace, 0), (Scope::Personal(OWNER), 0)]).await;
    assert_eq!(pulled.frames.iter().map(|frame| frame.scope).collect::<Vec<_>>(), [Scope::Workspace]);
    assert!(pulled.gone.is_empty());
    let wanted = SnapshotWanted { scope: project(), at: None, after: None };
    assert!(matches!(house.core.snapshot(WORKSPACE, ANA, &wanted).await, Err(CoreError::Forbidden)));
    assert!(house.core.records_of(WORKSPACE, ANA, &Select::Kind(Kind::Task), 9).await.unwrap().is_empty());
    let key = Key::new(Kind::Task, id(1003));
    assert!(house.core.history(WORKSPACE, ANA, key, 9).await.unwrap().is_empty());
    assert!(house.core.snapshot(WORKSPACE, OWNER, &wanted).await.is_ok());
}

async fn everything_committed_reaches_those_who_follow(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let (mut copy, at) = house.snapshot(project()).await;
    let mut mine = house.subscribe(OWNER, &[project(), Scope::Workspace]).await;
    let mut hers = house.subscribe(ANA, &[project(), Scope::Personal(OWNER)]).await;
    for n in 0..5 {
        house.apply(vec![house.task(house.intent(), 3000 + n)]).await;
    }
    let mut tidemark = at;
    for _ in 0..5 {
        let FromServer::Frame(frame) = next(&mut mine).await else { panic!("a frame comes") };
        assert_eq!(frame.scope, project());
        assert!(frame.from <= tidemark && frame.to > tidemark);
        tidemark = frame.to;
        copy.apply(&frame.entries);
        let FromServer::Frame(same) = next(&mut hers).await else { panic!("the same frame comes") };
        assert_eq!(same, frame);
    }
    assert_eq!(copy, house.snapshot(project()).await.0);
    house.core.beat(&mine).await.unwrap();
    let FromServer::Beat { head, scopes, .. } = next(&mut mine).await else { panic!("a beat comes") };
    assert_eq!(head, tidemark);
    let of_project = scopes.iter().find(|state| state.scope == project()).map(sum);
    assert_eq!(of_project, Some(copy.sum()));
    // A beat names what its member may see: whoever did not hear of a scope that came or went finds out.
    house.core.beat(&hers).await.unwrap();
    let FromServer::Beat { scopes, .. } = next(&mut hers).await else { panic!("a beat comes") };
    let named: BTreeSet<Scope> = scopes.iter().map(|state| state.scope).collect();
    assert_eq!(named, BTreeSet::from([Scope::Workspace, Scope::Personal(ANA), project()]));
}

async fn who_may_see_more_or_less_is_told(store: impl Store) {
    let house = House::new(store).await;
    let mut hers = house.subscribe(ANA, &[Scope::Workspace]).await;
    house.apply(house.tree()).await;
    assert_eq!(next(&mut hers).await, FromServer::ScopeJoin(project()));
    house.core.follow(&hers, &BTreeSet::from([project()])).await.unwrap();
    house.apply(vec![house.set(Kind::Project, PROJECT, "private", true.into()).await]).await;
    assert_eq!(next(&mut hers).await, FromServer::ScopeLeave(project()));
    house.apply(vec![house.task(house.intent(), 3000)]).await;
    let members = Value::List(vec![ANA.into()]);
    house.apply(vec![house.set(Kind::Project, PROJECT, "members", members).await]).await;
    // Nothing of what happened meanwhile came in between.
    assert_eq!(next(&mut hers).await, FromServer::ScopeJoin(project()));
}

async fn who_takes_too_little_is_told_to_pull(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let mut slow = house.subscribe(ANA, &[project()]).await;
    let mut steady = house.subscribe(OWNER, &[project()]).await;
    for n in 0..crate::server::hub::QUEUE_MESSAGES_MAX as u128 + 1 {
        house.apply(vec![house.task(house.intent(), 3000 + n)]).await;
        assert!(matches!(next(&mut steady).await, FromServer::Frame(_)));
    }
    let FromServer::Refused { refusal, .. } = next(&mut slow).await else { panic!("it is told at once") };
    assert_eq!(refusal, Refusal::TooSlow);
    assert!(slow.next().await.is_none());
    drop(slow);
    assert_eq!(house.core.hub().connections(), 1);
}

async fn a_member_who_left_is_cut_off_and_their_edits_are_held(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let mut hers = house.subscribe(ANA, &[project()]).await;
    house.core.system(WORKSPACE, vec![SystemChange::Leave { member: ANA }]).await.unwrap();
    let mut last = next(&mut hers).await;
    while matches!(last, FromServer::ScopeLeave(_)) {
        last = next(&mut hers).await;
    }
    assert!(matches!(last, FromServer::Refused { refusal: Refusal::Revoked, .. }), "{last:?}");
    assert!(matches!(house.welcome(ANA).await, Err(CoreError::NotAMember)));

    let (kept, dropped) = (house.task(house.intent(), 4000), house.task(house.intent(), 4001));
    let receipts = house.push_as(ANA, vec![kept.clone(), dropped.clone()]).await;
    assert!(receipts.iter().all(|receipt| receipt.outcome == Outcome::Quarantined));
    let held = async |by| house.core.quarantined(WORKSPACE, by, &SelectHeld::after(None), 9).await;
    assert!(matches!(held(ANA).await, Err(CoreError::Forbidden)));
    let found = held(OWNER).await.unwrap();
    assert_eq!(found.iter().map(|one| &one.bytes).collect::<Vec<_>>(), [&kept.to_vec(), &dropped.to_vec()]);
    assert!(found.iter().all(|one| one.member == ANA));

    let released = house.core.release(WORKSPACE, OWNER, &[receipts[0].op]).await.unwrap();
    assert_eq!(released.iter().map(|receipt| receipt.outcome).collect::<Vec<_>>(), [Outcome::Applied]);
    let refused = house.core.discard(WORKSPACE, OWNER, &[receipts[1].op]).await.unwrap();
    assert_eq!(refused.iter().map(|receipt| receipt.outcome).collect::<Vec<_>>(), [Outcome::Rejected]);
    assert!(held(OWNER).await.unwrap().is_empty());
    assert!(matches!(house.core.release(WORKSPACE, OWNER, &[receipts[1].op]).await, Err(CoreError::Missing)));
    let again = house.push_as(ANA, vec![kept, dropped]).await;
    assert_eq!(again.iter().map(|receipt| receipt.outcome).collect::<Vec<_>>(), [Outcome::Applied, Outcome::Rejected]);
    let tasks = house.core.records_of(WORKSPACE, OWNER, &Select::Kind(Kind::Task), 9).await.unwrap();
    assert_eq!(tasks.iter().map(|task| task.id.0.as_u128()).collect::<Vec<_>>(), [1003, 4000]);
    let history = house.core.history(WORKSPACE, OWNER, Key::new(Kind::Task, id(4000)), 9).await.unwrap();
    assert_eq!(history.last().unwrap().by, Some(ANA), "under its author's name");
}

async fn of_owners_who_decide_at_once_one_decides(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    house.core.system(WORKSPACE, vec![SystemChange::Leave { member: ANA }]).await.unwrap();
    for n in 0..60 {
        let op = house.task(house.intent(), 4000 + n);
        let held = [house.push_as(ANA, vec![op.clone()]).await[0].op];
        let (release, discard) =
            (house.core.release(WORKSPACE, OWNER, &held), house.core.discard(WORKSPACE, OWNER, &held));
        let (released, discarded) = if n % 2 == 0 {
            tokio::join!(release, discard)
        } else {
            let (discarded, released) = tokio::join!(discard, release);
            (released, discarded)
        };
        let outcome = house.push_as(ANA, vec![op]).await[0].outcome;
        let select = Select::Keys(vec![Key::new(Kind::Task, id(4000 + n))]);
        let there = !house.core.records_of(WORKSPACE, OWNER, &select, 1).await.unwrap().is_empty();
        assert_eq!(outcome, if there { Outcome::Applied } else { Outcome::Rejected }, "{released:?} {discarded:?}");
        assert_eq!(discarded.is_ok(), !there, "who is told that it was done has done it");
    }
}

async fn a_snapshot_and_the_log_after_it_make_the_whole(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    for n in 0..6 {
        house.apply(vec![house.task(house.intent(), 5000 + n)]).await;
    }
    house.apply(vec![house.set(Kind::Task, 5001, "title", "Another".into()).await]).await;
    let deletes = [(Kind::Task, 5002), (Kind::Step, STEP)];
    let mut snapshots = vec![house.snapshot(project()).await];
    for (kind, record) in deletes {
        let delete = house.op(house.intent(), kind, record, Action::Delete { seen: Version::MAX >> 1 });
        house.push(vec![delete]).await;
        snapshots.push(house.snapshot(project()).await);
    }
    house.apply(vec![house.op(house.intent(), Kind::Step, STEP, Action::Restore)]).await;
    house.apply(vec![house.set(Kind::Task, 5003, "status", "done".into()).await]).await;

    let whole = &house.pull(OWNER, &[(project(), 0)]).await.frames[0].entries;
    let mut folded = Copy::default();
    folded.apply(whole);
    let state = house.states().await[&project()].clone();
    assert_eq!(folded.sum(), sum(&state));
    assert_eq!(folded, house.snapshot(project()).await.0);
    // From every place in the log: the state there and the rest, even when the rest comes twice.
    for s in 0..=whole.len() {
        let mut copy = Copy::default();
        copy.apply(&whole[..s]);
        copy.apply(&whole[s..]);
        copy.apply(&whole[s..]);
        assert_eq!(copy.sum(), folded.sum());
    }
    for (mut copy, at) in snapshots {
        let after = house.pull(OWNER, &[(project(), at)]).await.frames.remove(0);
        assert_eq!(after.from, at);
        copy.apply(&after.entries);
        assert_eq!(copy, folded);
    }

    let before = house.states().await;
    let old = house.pull(OWNER, &[(project(), 3)]).await;
    assert!(old.gone.is_empty());
    let horizon = house.core.compact(WORKSPACE, 0).await.unwrap();
    assert_eq!(horizon, house.core.head(WORKSPACE).await.unwrap());
    assert_eq!(house.states().await, before);
    assert_eq!(house.snapshot(project()).await.0, folded);
    let pulled = house.pull(OWNER, &[(project(), 3), (Scope::Workspace, horizon)]).await;
    assert_eq!((pulled.gone, pulled.frames.len()), (vec![project()], 1));
    house.apply(vec![house.task(house.intent(), 6000)]).await;
    assert_eq!(house.snapshot(project()).await.0.sum(), sum(&house.states().await[&project()]));
    let ahead = house.pull(OWNER, &[(project(), Version::MAX)]).await;
    assert_eq!(ahead.gone, [project()], "a tidemark from another history takes a new snapshot");
}

async fn chunks_that_were_read_ahead_and_the_log_make_the_whole(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    for first in (0..1_200).step_by(100) {
        let intent = house.intent();
        house.apply((first..first + 100).map(|n| house.task(intent, 5_000 + n)).collect()).await;
    }
    let mut copy = Copy::default();
    let mut wanted = SnapshotWanted { scope: project(), at: None, after: None };
    loop {
        let chunk = house.core.snapshot(WORKSPACE, OWNER, &wanted).await.unwrap();
        copy.0.extend(chunk.records.into_iter().map(|record| (record.key(), record)));
        wanted = SnapshotWanted { at: Some(chunk.at), after: chunk.next, ..wanted };
        // The next chunk is being read, or was. What happens now in it is in the log, and what is new may be in neither order.
        house.apply(vec![house.set(Kind::Task, 6_199, "title", format!("After {}", copy.0.len()).into()).await]).await;
        let delete = house.op(house.intent(), Kind::Task, 6_198, Action::Delete { seen: Version::MAX >> 1 });
        house.push(vec![delete]).await;
        house.apply(vec![house.op(house.intent(), Kind::Task, 6_198, Action::Restore)]).await;
        let Some(_) = wanted.after else { break };
    }
    let at = wanted.at.unwrap();
    for frame in house.pull(OWNER, &[(project(), at)]).await.frames {
        copy.apply(&frame.entries);
    }
    assert_eq!(copy, house.snapshot(project()).await.0);
    assert_eq!(copy.sum(), sum(&house.states().await[&project()]));
    // Another device begins later, and gets no page that is older than its beginning.
    assert_eq!(house.snapshot(project()).await.0, copy);
}

async fn a_long_absence_is_read_in_pages_that_split_no_intent(store: impl Store) {
    const EACH: u128 = 450;
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    let mut ends = BTreeSet::from([house.core.head(WORKSPACE).await.unwrap()]);
    for push in 0..5 {
        let one = house.intent();
        house.apply((0..EACH).map(|n| house.task(one, 7000 + push * EACH + n)).collect()).await;
        ends.insert(house.core.head(WORKSPACE).await.unwrap());
    }
    let (mut copy, mut tidemark, mut pages) = (Copy::default(), 0, 0);
    loop {
        let pulled = house.pull(OWNER, &[(project(), tidemark)]).await;
        let frame = &pulled.frames[0];
        assert_eq!(frame.from, tidemark);
        assert!(encode(&FromServer::Pulled(pulled.clone())).is_ok(), "a page fits into a message");
        copy.apply(&frame.entries);
        tidemark = frame.to;
        pages += 1;
        assert!(ends.contains(&tidemark), "{tidemark} is not where an intent ends: {ends:?}");
        if !pulled.more {
            break;
        }
    }
    assert!(pages > 1);
    assert_eq!(tidemark, house.core.head(WORKSPACE).await.unwrap());
    assert_eq!(copy, house.snapshot(project()).await.0);
}

async fn a_restart_forgets_nothing(store: impl Store + Clone) {
    let house = House::new(store.clone()).await;
    let tree = house.tree();
    let first = house.push(tree.clone()).await;
    let before = (house.states().await, house.core.head(WORKSPACE).await.unwrap());
    let next = house.restarted(&store).await;
    assert_eq!((next.states().await, next.core.head(WORKSPACE).await.unwrap()), before);
    assert_eq!(next.push(tree).await, first);
    next.apply(vec![next.task(next.intent(), 8000)]).await;
    assert_eq!(next.snapshot(project()).await.0.sum(), sum(&next.states().await[&project()]));
    // A deleted project still concerns the people who saw it, also after a restart.
    let delete = next.op(next.intent(), Kind::Project, PROJECT, Action::Delete { seen: Version::MAX >> 1 });
    next.push(vec![delete]).await;
    let scopes = next.core.scopes(WORKSPACE, ANA).await.unwrap();
    let epoch = next.core.new_epoch(WORKSPACE).await.unwrap();
    assert_eq!(next.core.scopes(WORKSPACE, ANA).await.unwrap(), scopes);
    assert!(scopes.contains(&project()));
    assert_eq!(next.welcome(ANA).await.unwrap().epoch, epoch);
}

async fn what_was_made_before_a_restore_has_seen_nothing_after_it(store: impl Store) {
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    // Written in the history that is lost, far beyond what the backup has.
    let seen = house.core.head(WORKSPACE).await.unwrap() + 1_000;
    let change = Change { base: seen, was: "lost".into(), now: "mine".into() };
    let changes = BTreeMap::from([(Name::new("title"), change)]);
    let mine = house.op(house.intent(), Kind::Task, 1003, Action::Set { changes });
    house.core.new_epoch(WORKSPACE).await.unwrap();
    let theirs = house.set(Kind::Task, 1003, "title", "theirs".into()).await;
    house.apply(vec![theirs]).await;
    let receipt = house.push_as(ANA, vec![mine]).await.remove(0);
    assert_ne!(receipt.class, Class::Plain, "it met what others wrote since: {receipt:?}");
}

async fn two_workspaces_with_the_same_ids_never_touch(store: impl Store) {
    let mut house = House::new(store).await;
    let tree = house.tree();
    house.apply(tree.clone()).await;
    let before = house.states().await;
    let (mut mine, other) = (house.subscribe(OWNER, &[project()]).await, WorkspaceId(uuid(79)));
    house.create(other).await;
    house.workspace = other;
    house.apply(tree).await;
    house.apply(vec![house.set(Kind::Project, PROJECT, "state", ProjectState::OnHold.into()).await]).await;
    house.workspace = WORKSPACE;
    assert_eq!(house.states().await, before);
    house.core.beat(&mine).await.unwrap();
    assert!(matches!(next(&mut mine).await, FromServer::Beat { .. }), "nothing came but the beat");
}

async fn a_stopped_core_acknowledges_nothing(store: impl Store) {
    let house = House::new(store).await;
    let mut mine = house.subscribe(OWNER, &[Scope::Workspace]).await;
    house.core.stop().await;
    let author = Author { member: OWNER, authority: Authority::Own };
    let push = Push { batch: 1, ops: house.tree() };
    assert!(matches!(house.core.push(WORKSPACE, &author, push).await, Err(CoreError::Stopping)));
    let drained = tokio::spawn({
        let hub = house.core.hub().clone();
        async move { hub.drain().await }
    });
    assert!(matches!(next(&mut mine).await, FromServer::Refused { refusal: Refusal::Stopping, .. }));
    drop(mine);
    drained.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tree_of_twenty_thousand_goes_at_once_and_comes_back_whole() {
    const PUSHES: u128 = 40;
    let (store, _scratch): (Sqlite, Scratch) = on_disk().await;
    let house = House::new(store).await;
    house.apply(house.tree()).await;
    for push in 0..PUSHES {
        let one = house.intent();
        let each = PUSH_OPS_MAX as u128;
        house.apply((0..each).map(|n| house.task(one, 20_000 + push * each + n)).collect()).await;
    }
    let whole = house.states().await[&project()].clone();
    assert_eq!(whole.count, 4 + PUSHES as u64 * PUSH_OPS_MAX as u64);

    let mut mine = house.subscribe(OWNER, &[project()]).await;
    let before = house.core.head(WORKSPACE).await.unwrap();
    let delete = house.op(house.intent(), Kind::Project, PROJECT, Action::Delete { seen: before });
    house.apply(vec![delete]).await;
    let head = house.core.head(WORKSPACE).await.unwrap();
    assert_eq!(house.states().await[&project()].count, 0);
    // Too much for one message: it comes in several that leave nothing out, or the device is told to pull.
    let (mut tidemark, mut deleted) = (before, 0);
    while tidemark < head {
        match next(&mut mine).await {
            FromServer::Frame(frame) => {
                assert!(frame.from <= tidemark && frame.to > tidemark, "({}, {}]", frame.from, frame.to);
                deleted += frame.entries.iter().filter(|entry| entry.effect == Effect::Delete).count() as u64;
                tidemark = frame.to;
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(deleted, whole.count);

    house.apply(vec![house.op(house.intent(), Kind::Project, PROJECT, Action::Restore)]).await;
    let again = house.states().await[&project()].clone();
    assert_eq!(again.count, whole.count);
    let (mut from, mut seen) = (head, 0);
    loop {
        let pulled = house.pull(OWNER, &[(project(), from)]).await;
        assert!(encode(&FromServer::Pulled(pulled.clone())).is_ok(), "a page fits into a message");
        seen += pulled.frames[0].entries.len() as u64;
        from = pulled.frames[0].to;
        if !pulled.more {
            break;
        }
    }
    assert!(seen >= whole.count);
    assert_eq!(house.snapshot(project()).await.0.sum(), sum(&again));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_op_of_an_older_build_lands_in_the_form_of_the_newer() {
    // A build whose predecessor wrote titles without their last word.
    fn upcast(mut op: Op) -> Op {
        if let Action::Create { fields } = &mut op.action {
            fields.entry(Name::new("title")).and_modify(|title| {
                *title = format!("{} (made before)", title.as_text().unwrap_or_default()).into();
            });
        }
        op
    }
    let (store, _scratch): (Sqlite, Scratch) = on_disk().await;
    let schema = Schema::new(SCHEMA + 1, &[upcast]);
    let old = House::new(store.clone()).await;
    old.apply(old.tree()).await;
    old.core.stop().await;
    let core = Core::of_build(store, Ticks::new(), schema);
    let house = House { core, workspace: WORKSPACE, next: AtomicU64::new(500) };
    let title = async |record| {
        let select = Select::Keys(vec![Key::new(Kind::Task, id(record))]);
        house.core.records_of(WORKSPACE, OWNER, &select, 1).await.unwrap()[0].text("title").to_owned()
    };
    let pushed = vec![house.task(house.intent(), 9100)];
    house.apply(pushed.clone()).await;
    assert_eq!(title(9100).await, "A task (made before)");
    assert_eq!(house.push(pushed.clone()).await, house.push(pushed).await, "a resend of the same bytes is a resend");

    // The same for what was held and is released.
    house.core.system(WORKSPACE, vec![SystemChange::Leave { member: ANA }]).await.unwrap();
    let held = house.push_as(ANA, vec![house.task(house.intent(), 9101)]).await;
    assert_eq!(held[0].outcome, Outcome::Quarantined);
    house.core.release(WORKSPACE, OWNER, &[held[0].op]).await.unwrap();
    assert_eq!(title(9101).await, "A task (made before)");

    let hello = |schema| Hello {
        protocol: PROTOCOL,
        schema,
        device: DeviceId(uuid(5)),
        incarnation: 1,
        epoch: None,
        tidemarks: BTreeMap::new(),
    };
    let misfit = |schema: u16| house.core.misfit(&hello(schema)).map(|(refusal, _)| refusal);
    assert_eq!([SCHEMA, SCHEMA + 1].map(misfit), [None, None]);
    assert_eq!([SCHEMA - 1, SCHEMA + 2].map(misfit), [Some(Refusal::UpdateNeeded), Some(Refusal::ServerOlder)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_build_no_longer_understands_keeps_the_answer_it_got() {
    let (store, _scratch): (Sqlite, Scratch) = on_disk().await;
    let old = House::new(store.clone()).await;
    let tree = old.tree();
    let before = old.push(tree.clone()).await;
    old.core.stop().await;
    let core = Core::of_build(store, Ticks::new(), Schema::new(SCHEMA + 2, &[|op| op]));
    let house = House { core, workspace: WORKSPACE, next: AtomicU64::new(500) };
    let late = house.task(house.intent(), 9100);
    let mut again = house.push([tree, vec![late]].concat()).await;
    let late = again.pop().unwrap();
    assert_eq!(again, before);
    assert_eq!((late.outcome, late.reason.map(|reason| reason.code)), (Outcome::Rejected, Some(Code::Schema)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_acknowledges_nothing_and_recovers() {
    let (store, _scratch): (Sqlite, Scratch) = on_disk().await;
    let house = House::new(store.clone()).await;
    house.apply(house.tree()).await;
    let before = (house.states().await, house.core.head(WORKSPACE).await.unwrap());
    store.pragma("PRAGMA max_page_count = 1").await;
    let one = house.intent();
    let long = "x".repeat(15_000);
    let step = ("step", id(STEP).into());
    let large = |n| {
        house.make(one, Kind::Task, n, &[("title", "Long".into()), step.clone(), ("description", long.as_str().into())])
    };
    let ops: Vec<ByteBuf> = (9000..9020).map(large).collect();
    let author = Author { member: OWNER, authority: Authority::Own };
    let push = || house.core.push(WORKSPACE, &author, Push { batch: 1, ops: ops.clone() });
    let (one, two) = tokio::join!(push(), push());
    assert!(matches!(one, Err(CoreError::Store(StoreError::Full))), "{one:?}");
    assert!(matches!(two, Err(CoreError::Store(StoreError::Full))), "{two:?}");
    assert_eq!((house.states().await, house.core.head(WORKSPACE).await.unwrap()), before);
    let one = one.unwrap_err();
    assert_eq!(one.refusal(), Refusal::Full);
    assert!(one.to_string().contains("Nothing was acknowledged"));

    store.pragma("PRAGMA max_page_count = 100000").await;
    house.apply(ops.clone()).await;
    assert_eq!(house.snapshot(project()).await.0.sum(), sum(&house.states().await[&project()]));
}

#[test]
fn held_ops_of_one_intent_stand_together_where_the_first_stood() {
    let held = |op: u128, member: MemberId, intent: u128| Quarantined {
        op: OpId(uuid(op)),
        member,
        device: DeviceId(uuid(5)),
        intent: IntentId(uuid(intent)),
        place: 0,
        at_ms: 0,
        bytes: vec![],
    };
    let mixed = [(1, OWNER, 8), (2, ANA, 9), (3, OWNER, 8), (4, ANA, 7), (5, ANA, 9)];
    let ordered = together(mixed.map(|(op, member, intent)| held(op, member, intent)).into());
    assert_eq!(ordered.iter().map(|one| one.op.0.as_u128()).collect::<Vec<_>>(), [1, 3, 2, 5, 4]);
}

async fn a_clock_that_was_wrong_for_a_moment_is_followed_again<S: Store>(store: S) {
    let clock = Ticks::new();
    let core = Core::start(store, clock.clone());
    let house = House { core, workspace: WORKSPACE, next: AtomicU64::new(1) };
    house.create(WORKSPACE).await;
    let start = clock.0.load(Ordering::Relaxed);
    let landed = async |at_ms: i64| {
        clock.0.store(at_ms, Ordering::Relaxed);
        let made =
            house.make(house.intent(), Kind::Note, 9_000 + u128::from(house.intent()), &[("title", "Now".into())]);
        house.push(vec![made]).await[0].at_ms - start
    };
    let year = 365 * DAY_MS;
    assert!(landed(start + year).await >= year);
    // A little back is no reason to run backwards.
    assert!(landed(start + year - 60_000).await >= year);
    assert!((0..60_000).contains(&landed(start).await));
    assert!((0..120_000).contains(&landed(start + 60_000).await));
}
