//! What every store has to pass, written against the trait alone. A second implementation calls `conformance!` with a way
//! to make a fresh, empty store, and is held to the same laws.

use super::*;
use crate::model::record::Field;
use crate::model::value::{Name, Value};
use crate::sync::op::{Class, Effect, Outcome, Receipt};
use uuid::Uuid;

/// One test per law, on a store made fresh by the given expression (a future of `(store, guard)`; the guard is dropped at the end).
macro_rules! conformance {
    ($fresh:expr) => {
        $crate::server::store::conformance::conformance!(@ $fresh;
            what_was_committed_is_read_back
            a_workspace_is_made_once
            a_commit_planned_from_another_head_writes_nothing
            the_same_ids_in_two_workspaces_never_touch
            a_transaction_writes_to_several_workspaces
            trees_are_found_whole
            the_log_comes_in_order_and_in_pages
            a_history_leads_back_through_commits_as_far_as_the_log_goes
            the_latest_of_some_scopes_come_newest_first
            a_snapshot_comes_in_order_and_in_pages
            my_tasks_follow_the_assignees
            a_later_receipt_takes_the_place_of_the_first
            held_ops_come_back_in_their_order_until_freed
            compaction_drops_what_is_old_and_nothing_else
            a_time_that_was_wrong_neither_stops_compaction_nor_ends_the_log
            an_epoch_only_grows
            a_reader_never_sees_half_a_commit
        );
    };
    (@ $fresh:expr; $($law:ident)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $law() {
            let (store, _guard) = $fresh.await;
            $crate::server::store::conformance::$law(store).await;
        }
    )*};
}
pub(crate) use conformance;

pub fn workspace_id(n: u128) -> WorkspaceId {
    WorkspaceId(Uuid::from_u128(n))
}
pub fn record_id(n: u128) -> RecordId {
    RecordId(Uuid::from_u128(n))
}
pub fn op_id(n: u128) -> OpId {
    OpId(Uuid::from_u128(n))
}
fn member_id(n: u128) -> MemberId {
    MemberId(Uuid::from_u128(n))
}

/// Everything one commit writes, owned.
#[derive(Default)]
pub struct Draft {
    pub made: Option<Workspace>,
    pub head_before: Version,
    pub head: Version,
    pub entries: Vec<(Entry, Version)>,
    pub records: Vec<Record>,
    pub receipts: Vec<Kept>,
    pub sums: Vec<ScopeState>,
    pub held: Vec<Quarantined>,
    pub freed: Vec<OpId>,
}

impl Draft {
    pub fn made(workspace: WorkspaceId) -> Self {
        let name = format!("A \"quoted\" name, {workspace}\n\u{1f30a}");
        let made = Workspace { id: workspace, name, epoch: 7, head: 0, horizon: 0, next_number: 1, created_ms: 5 };
        Self { made: Some(made), ..Self::default() }
    }
    pub fn after(head: Version) -> Self {
        Self { head_before: head, head, ..Self::default() }
    }
    /// Writes the record's fields anew, with an entry of its own.
    pub fn put(mut self, kind: Kind, id: u128, scope: Scope, fields: &[(&'static str, Value)]) -> Self {
        self.head += 1;
        let seq = self.head;
        let fields: BTreeMap<Name, Value> =
            fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect();
        let stored = fields.iter().map(|(name, value)| (name.clone(), Field { value: value.clone(), version: seq }));
        let id = record_id(id);
        self.records.push(Record { kind, id, scope, fields: stored.collect(), seq, deleted: false });
        self.enter(kind, id, scope, Effect::Put(fields))
    }
    /// Makes the record a tombstone that keeps these fields.
    pub fn delete(mut self, kind: Kind, id: u128, scope: Scope, fields: &[(&'static str, Value)]) -> Self {
        self.head += 1;
        let seq = self.head;
        let kept =
            |(name, value): &(&'static str, Value)| (Name::new(name), Field { value: value.clone(), version: 1 });
        let id = record_id(id);
        let fields = fields.iter().map(kept).collect();
        self.records.push(Record { kind, id, scope, fields, seq, deleted: true });
        self.enter(kind, id, scope, Effect::Delete)
    }
    fn enter(mut self, kind: Kind, record: RecordId, scope: Scope, effect: Effect) -> Self {
        let seq = self.head;
        let at_ms = i64::try_from(seq).unwrap() * 1000;
        let entry = Entry { seq, scope, kind, record, effect, by: None, device: None, op: Some(op_id(900)), at_ms };
        self.entries.push((entry, seq));
        self
    }
    /// All entries so far are one intent.
    pub fn one_intent(mut self) -> Self {
        for (_, until) in &mut self.entries {
            *until = self.head;
        }
        self
    }
    pub fn receipt(mut self, op: u128, digest: u64, outcome: Outcome) -> Self {
        self.receipts.push(kept(op, digest, outcome, self.head));
        self
    }
    pub fn sum(mut self, scope: Scope, checksum: u64, count: u64) -> Self {
        self.sums.push(ScopeState { scope, head: self.head, checksum, count });
        self
    }
    pub fn changes(&self) -> Changes<'_> {
        Changes {
            made: self.made.as_ref(),
            head_before: self.head_before,
            head: self.head,
            next_number: 1,
            entries: self.entries.iter().map(|(entry, until)| (entry, *until)).collect(),
            records: self.records.iter().collect(),
            receipts: self.receipts.iter().collect(),
            sums: self.sums.iter().collect(),
            held: self.held.iter().collect(),
            freed: self.freed.clone(),
        }
    }
    pub async fn commit<S: Store>(&self, store: &S, workspace: WorkspaceId) -> Result<(), StoreError> {
        let write = store.begin().await?;
        write.commit(&BTreeMap::from([(workspace, self.changes())])).await
    }
}

fn kept(op: u128, digest: u64, outcome: Outcome, seq: Version) -> Kept {
    let receipt =
        Receipt { op: op_id(op), outcome, class: Class::Plain, seq, reason: None, conflict: None, at_ms: 1000 };
    Kept { receipt, digest }
}

const WHOLE: Page = Page { count_max: 1000, bytes_max: usize::MAX };
const PROJECT: u128 = 10;

fn project_scope() -> Scope {
    Scope::Project(record_id(PROJECT))
}

/// A project with a phase, a step and two tasks: sequence numbers 1 to 5.
fn tree(workspace: WorkspaceId) -> Draft {
    let scope = project_scope();
    let under = |field: &'static str, id: u128| (field, Value::from(record_id(id)));
    Draft::made(workspace)
        .put(Kind::Project, PROJECT, scope, &[("title", "House".into())])
        .put(Kind::Phase, 20, scope, &[("title", "Ground".into()), under("project", PROJECT)])
        .put(Kind::Step, 30, scope, &[("title", "Slab".into()), under("phase", 20)])
        .put(Kind::Task, 40, scope, &[("title", "Pour \"it\" \u{0}\u{1f30a}".into()), under("step", 30)])
        .put(Kind::Task, 41, scope, &[("title", "Cure it".into()), under("step", 30)])
        .one_intent()
        .receipt(100, u64::MAX, Outcome::Applied)
        .sum(scope, u64::MAX - 1, 5)
}

async fn load<S: Store>(store: &S, workspace: WorkspaceId, needs: &[Need]) -> Vec<Found> {
    store.begin().await.unwrap().load(workspace, needs).await.unwrap()
}
async fn log<S: Store>(store: &S, workspace: WorkspaceId, scope: Scope, above: Version, page: Page) -> Paged<Line> {
    store.log(workspace, &BTreeMap::from([(scope, above)]), Version::MAX, page).await.unwrap()
}
fn ids(records: &[Record]) -> Vec<u128> {
    records.iter().map(|record| record.id.0.as_u128()).collect()
}
fn seqs(lines: &Paged<Line>) -> Vec<Version> {
    lines.rows.iter().map(|line| line.entry.seq).collect()
}

pub async fn what_was_committed_is_read_back(store: impl Store) {
    let workspace = workspace_id(1);
    let draft = tree(workspace);
    draft.commit(&store, workspace).await.unwrap();

    let stored = store.workspace(workspace).await.unwrap().unwrap();
    assert_eq!(stored.name, draft.made.as_ref().unwrap().name);
    assert_eq!((stored.epoch, stored.head, stored.horizon), (7, 5, 0));
    assert_eq!(store.workspaces().await.unwrap(), vec![stored.clone()]);
    let (opened, sums) = store.begin().await.unwrap().open(workspace).await.unwrap().unwrap();
    assert_eq!((opened, sums), (stored, draft.sums.clone()));

    let read = store.records(workspace, &Select::Kind(Kind::Task), WHOLE).await.unwrap();
    assert_eq!(read.rows, draft.records.iter().filter(|record| record.kind == Kind::Task).cloned().collect::<Vec<_>>());
    let keys = draft.records.iter().map(Record::key).chain([Key::new(Kind::Note, record_id(99))]).collect();
    assert_eq!(store.records(workspace, &Select::Keys(keys), WHOLE).await.unwrap().rows, draft.records);
    let under = Select::Under(Key::new(Kind::Step, record_id(30)));
    assert_eq!(ids(&store.records(workspace, &under, WHOLE).await.unwrap().rows), [40, 41]);

    let lines = log(&store, workspace, project_scope(), 0, WHOLE).await;
    assert_eq!(lines.rows.iter().map(|line| (line.entry.clone(), line.until)).collect::<Vec<_>>(), draft.entries);
    assert_eq!(
        store.history(workspace, Key::new(Kind::Task, record_id(40)), 9).await.unwrap(),
        vec![draft.entries[3].0.clone()]
    );

    let found = load(&store, workspace, &[Need::Receipt(op_id(100)), Need::Receipt(op_id(101))]).await;
    let expected = [Found::Receipt(op_id(100), Some(draft.receipts[0].clone())), Found::Receipt(op_id(101), None)];
    assert_eq!(found, expected);
    let found = load(&store, workspace, &[Need::Wrote(3), Need::Wrote(6)]).await;
    let wrote = Wrote { by: None, device: None, op: Some(op_id(900)), at_ms: 3000 };
    assert_eq!(found, [Found::Wrote(3, Some(wrote)), Found::Wrote(6, None)]);
    assert!(store.workspace(workspace_id(2)).await.unwrap().is_none());
    assert!(store.begin().await.unwrap().open(workspace_id(2)).await.unwrap().is_none());
}

pub async fn a_workspace_is_made_once(store: impl Store) {
    let workspace = workspace_id(1);
    tree(workspace).commit(&store, workspace).await.unwrap();
    assert!(Draft::made(workspace).commit(&store, workspace).await.is_err());
    assert_eq!(store.workspace(workspace).await.unwrap().unwrap().head, 5);
}

pub async fn a_commit_planned_from_another_head_writes_nothing(store: impl Store) {
    let workspace = workspace_id(1);
    tree(workspace).commit(&store, workspace).await.unwrap();
    let stale = Draft::after(4).put(Kind::Note, 50, Scope::Workspace, &[]).receipt(101, 0, Outcome::Applied);
    assert!(matches!(stale.commit(&store, workspace).await, Err(StoreError::Overtaken)));
    assert_eq!(store.workspace(workspace).await.unwrap().unwrap().head, 5);
    assert!(store.records(workspace, &Select::Kind(Kind::Note), WHOLE).await.unwrap().rows.is_empty());
    assert_eq!(load(&store, workspace, &[Need::Receipt(op_id(101))]).await, [Found::Receipt(op_id(101), None)]);
    let next = Draft::after(5).put(Kind::Note, 50, Scope::Workspace, &[]);
    next.commit(&store, workspace).await.unwrap();
}

pub async fn the_same_ids_in_two_workspaces_never_touch(store: impl Store) {
    let (one, two) = (workspace_id(1), workspace_id(2));
    tree(one).commit(&store, one).await.unwrap();
    let other = tree(two).receipt(100, 3, Outcome::Rejected);
    other.commit(&store, two).await.unwrap();
    let gone = Draft::after(5).delete(Kind::Task, 40, project_scope(), &[("step", record_id(30).into())]);
    gone.sum(project_scope(), 1, 4).commit(&store, one).await.unwrap();

    let tasks = store.records(two, &Select::Kind(Kind::Task), WHOLE).await.unwrap().rows;
    assert_eq!(tasks, other.records.iter().filter(|record| record.kind == Kind::Task).cloned().collect::<Vec<_>>());
    assert_eq!(seqs(&log(&store, two, project_scope(), 0, WHOLE).await), [1, 2, 3, 4, 5]);
    assert_eq!(store.history(two, Key::new(Kind::Task, record_id(40)), 9).await.unwrap().len(), 1);
    let found = load(&store, one, &[Need::Receipt(op_id(100))]).await;
    assert_eq!(found, [Found::Receipt(op_id(100), Some(kept(100, u64::MAX, Outcome::Applied, 5)))]);
    let found = load(&store, two, &[Need::Below(Key::new(Kind::Step, record_id(30)))]).await;
    assert!(matches!(&found[..], [Found::Below(_, records)] if records.len() == 2));
    let (_, sums) = store.begin().await.unwrap().open(two).await.unwrap().unwrap();
    assert_eq!(sums, other.sums);
}

pub async fn a_transaction_writes_to_several_workspaces(store: impl Store) {
    let (one, two) = (workspace_id(1), workspace_id(2));
    let (first, second) = (tree(one), tree(two));
    let both = BTreeMap::from([(one, first.changes()), (two, second.changes())]);
    store.begin().await.unwrap().commit(&both).await.unwrap();
    assert_eq!(store.workspaces().await.unwrap().len(), 2);
    let (good, stale) = (Draft::after(5).put(Kind::Note, 50, Scope::Workspace, &[]), Draft::after(4));
    let both = BTreeMap::from([(one, good.changes()), (two, stale.changes())]);
    assert!(store.begin().await.unwrap().commit(&both).await.is_err());
    assert_eq!(store.workspace(one).await.unwrap().unwrap().head, 5);
}

pub async fn trees_are_found_whole(store: impl Store) {
    let workspace = workspace_id(1);
    tree(workspace).commit(&store, workspace).await.unwrap();
    let key = |kind, id| Key::new(kind, record_id(id));

    let found = load(&store, workspace, &[Need::Record(key(Kind::Task, 40)), Need::Record(key(Kind::Task, 77))]).await;
    let mut loaded: BTreeMap<Key, bool> = BTreeMap::new();
    for found in found {
        let Found::Record(key, record) = found else { panic!("{found:?}") };
        assert!(record.as_ref().is_none_or(|record| record.key() == key));
        loaded.insert(key, record.is_some());
    }
    let above = [(Kind::Project, PROJECT), (Kind::Phase, 20), (Kind::Step, 30), (Kind::Task, 40)];
    let mut expected: BTreeMap<Key, bool> = above.into_iter().map(|(kind, id)| (key(kind, id), true)).collect();
    expected.insert(key(Kind::Task, 77), false);
    assert_eq!(loaded, expected);

    let below = |found: &[Found]| match found {
        [Found::Below(_, records) | Found::Buried(_, records)] => {
            let mut ids = ids(records);
            ids.sort_unstable();
            ids
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(below(&load(&store, workspace, &[Need::Below(key(Kind::Project, PROJECT))]).await), [20, 30, 40, 41]);

    // One task is deleted first, by itself; then the phase, which takes the rest with it.
    let scope = project_scope();
    let step = [("step", Value::from(record_id(30)))];
    let alone = Draft::after(5).delete(Kind::Task, 41, scope, &step);
    alone.commit(&store, workspace).await.unwrap();
    let cascade = Draft::after(6)
        .delete(Kind::Phase, 20, scope, &[("project", record_id(PROJECT).into())])
        .delete(Kind::Step, 30, scope, &[("phase", record_id(20).into())])
        .delete(Kind::Task, 40, scope, &step);
    cascade.commit(&store, workspace).await.unwrap();
    assert_eq!(below(&load(&store, workspace, &[Need::Buried(key(Kind::Phase, 20))]).await), [30, 40]);
    assert_eq!(below(&load(&store, workspace, &[Need::Below(key(Kind::Project, PROJECT))]).await), [0; 0]);
    let all = load(&store, workspace, &[Need::All(Kind::Task), Need::All(Kind::Project)]).await;
    assert!(matches!(&all[..], [Found::All(Kind::Task, tasks), Found::All(Kind::Project, projects)]
        if tasks.is_empty() && projects.len() == 1));
}

pub async fn the_log_comes_in_order_and_in_pages(store: impl Store) {
    let workspace = workspace_id(1);
    let mut draft = Draft::made(workspace);
    for n in 0..20 {
        let scope = if n % 3 == 0 { Scope::Workspace } else { project_scope() };
        draft = draft.put(Kind::Note, 100 + n, scope, &[("title", "x".repeat(100).into())]);
    }
    draft.commit(&store, workspace).await.unwrap();
    let both = BTreeMap::from([(Scope::Workspace, 4), (project_scope(), 9)]);
    let read = |to, page| store.log(workspace, &both, to, page);
    let whole = read(Version::MAX, WHOLE).await.unwrap();
    // In the workspace 1, 4, 7, 10 …; elsewhere the rest.
    assert_eq!(seqs(&whole), [7, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20]);
    assert!(!whole.more);
    let some = read(Version::MAX, Page { count_max: 4, ..WHOLE }).await.unwrap();
    assert_eq!((seqs(&some), some.more), (vec![7, 10, 11, 12], true));
    let exact = read(12, Page { count_max: 4, ..WHOLE }).await.unwrap();
    assert_eq!((seqs(&exact), exact.more), (vec![7, 10, 11, 12], false));
    let few_bytes = read(Version::MAX, Page { bytes_max: 1, ..WHOLE }).await.unwrap();
    assert_eq!((seqs(&few_bytes), few_bytes.more), (vec![7], true));
    assert!(store.log(workspace, &BTreeMap::new(), Version::MAX, WHOLE).await.unwrap().rows.is_empty());
}

pub async fn a_history_leads_back_through_commits_as_far_as_the_log_goes(store: impl Store) {
    let workspace = workspace_id(1);
    let title = |title: &'static str| [("title", Value::from(title)), ("step", record_id(30).into())];
    tree(workspace).commit(&store, workspace).await.unwrap();
    let edited = Draft::after(5).put(Kind::Task, 40, project_scope(), &title("Second"));
    edited.put(Kind::Task, 41, project_scope(), &title("Another")).commit(&store, workspace).await.unwrap();
    let twice = Draft::after(7).put(Kind::Task, 40, project_scope(), &title("Third"));
    twice.put(Kind::Task, 40, project_scope(), &title("Fourth")).commit(&store, workspace).await.unwrap();
    let gone = Draft::after(9).delete(Kind::Task, 40, project_scope(), &title("Fourth"));
    gone.commit(&store, workspace).await.unwrap();

    let store = &store;
    let history = |kind, count_max| async move {
        let entries = store.history(workspace, Key::new(kind, record_id(40)), count_max).await.unwrap();
        entries.iter().map(|entry| entry.seq).collect::<Vec<_>>()
    };
    assert_eq!(history(Kind::Task, 9).await, [10, 9, 8, 6, 4]);
    assert_eq!(history(Kind::Task, 2).await, [10, 9]);
    assert!(history(Kind::Note, 9).await.is_empty());
    let what = Compaction { entries_max: 100, log_before_ms: 7000, receipts_before_ms: 0, wrong_from_ms: i64::MAX };
    assert_eq!(store.begin().await.unwrap().compact(workspace, what, drop).await.unwrap(), 6);
    assert_eq!(history(Kind::Task, 9).await, [10, 9, 8]);
}

pub async fn the_latest_of_some_scopes_come_newest_first(store: impl Store) {
    let (workspace, other) = (workspace_id(1), workspace_id(2));
    let title = |title: &'static str| [("title", Value::from(title))];
    tree(workspace).commit(&store, workspace).await.unwrap();
    tree(other).commit(&store, other).await.unwrap();
    let elsewhere = Scope::Project(record_id(99));
    let more = Draft::after(5)
        .put(Kind::Note, 60, Scope::Workspace, &title("Note"))
        .put(Kind::Phase, 61, elsewhere, &title("Elsewhere"))
        .delete(Kind::Task, 40, project_scope(), &title("Pour it"))
        .put(Kind::Note, 60, Scope::Workspace, &title("Note again"))
        .put(Kind::Task, 40, project_scope(), &title("Pour it"));
    more.commit(&store, workspace).await.unwrap();

    let store = &store;
    let latest = |scopes: Vec<Scope>, count_max| async move {
        let latest = store.latest(workspace, &scopes, count_max).await.unwrap();
        latest.iter().map(|latest| (latest.entry.seq, latest.before)).collect::<Vec<_>>()
    };
    let both = || vec![Scope::Workspace, project_scope()];
    let newest = [(10, Before::Deleted), (9, Before::There), (8, Before::There), (6, Before::Nowhere)];
    assert_eq!(latest(both(), 4).await, newest);
    assert_eq!(latest(both(), 1).await, newest[..1]);
    assert_eq!(latest(both(), 99).await.len(), 9);
    assert_eq!(latest(vec![elsewhere], 9).await, [(7, Before::Nowhere)]);
    assert_eq!(latest(vec![], 9).await, []);
    // An entry whose record is older than the log was there before.
    let what = Compaction { entries_max: 100, log_before_ms: 10_000, receipts_before_ms: 0, wrong_from_ms: i64::MAX };
    store.begin().await.unwrap().compact(workspace, what, drop).await.unwrap();
    assert_eq!(latest(both(), 9).await, [(10, Before::There)]);
}

pub async fn a_snapshot_comes_in_order_and_in_pages(store: impl Store) {
    let workspace = workspace_id(1);
    let scope = project_scope();
    tree(workspace).commit(&store, workspace).await.unwrap();
    let more = Draft::after(5).put(Kind::Comment, 1, scope, &[("task", record_id(40).into())]);
    more.put(Kind::Task, 2, Scope::Workspace, &[]).commit(&store, workspace).await.unwrap();
    let gone = Draft::after(7).delete(Kind::Task, 41, scope, &[("step", record_id(30).into())]);
    gone.commit(&store, workspace).await.unwrap();

    let (mut after, mut chunks) = (None, Vec::new());
    loop {
        let page = Page { count_max: 2, ..WHOLE };
        let read = store.records(workspace, &Select::Scope { scope, after }, page).await.unwrap();
        chunks.push(ids(&read.rows));
        let last = read.rows.last().unwrap();
        after = Some((last.kind.spec().priority, last.id));
        if !read.more {
            break;
        }
    }
    // Project (1), then phase, step and task (2) in order of id, then the comment (4).
    assert_eq!(chunks, [vec![PROJECT, 20], vec![30, 40], vec![1]]);

    // No place lies between two records of different kinds with one id.
    let twins = Draft::after(8).put(Kind::Task, 30, scope, &[("step", record_id(30).into())]);
    twins.commit(&store, workspace).await.unwrap();
    let page = Page { count_max: 3, ..WHOLE };
    let read = store.records(workspace, &Select::Scope { scope, after: None }, page).await.unwrap();
    assert_eq!((ids(&read.rows), read.more), (vec![PROJECT, 20, 30, 30], true));
}

pub async fn my_tasks_follow_the_assignees(store: impl Store) {
    let workspace = workspace_id(1);
    let scope = project_scope();
    let assigned = |members: &[u128]| {
        let members: Vec<Value> = members.iter().map(|id| member_id(*id).into()).collect();
        ("assignees", Value::List(members))
    };
    let first = tree(workspace).put(Kind::Task, 42, scope, &[assigned(&[1, 2])]);
    first.put(Kind::Task, 43, scope, &[assigned(&[2])]).commit(&store, workspace).await.unwrap();
    let mine = |member| {
        let (store, select) = (&store, Select::AssignedTo(member_id(member)));
        async move {
            let mut ids = ids(&store.records(workspace, &select, WHOLE).await.unwrap().rows);
            ids.sort_unstable();
            ids
        }
    };
    assert_eq!((mine(1).await, mine(2).await, mine(3).await), (vec![42], vec![42, 43], vec![]));
    let next = Draft::after(7).put(Kind::Task, 42, scope, &[assigned(&[3])]);
    next.delete(Kind::Task, 43, scope, &[assigned(&[2])]).commit(&store, workspace).await.unwrap();
    assert_eq!((mine(1).await, mine(2).await, mine(3).await), (vec![], vec![], vec![42]));
}

pub async fn a_later_receipt_takes_the_place_of_the_first(store: impl Store) {
    let workspace = workspace_id(1);
    tree(workspace).commit(&store, workspace).await.unwrap();
    let again = Draft::after(5).receipt(100, 9, Outcome::Rejected);
    again.commit(&store, workspace).await.unwrap();
    let found = load(&store, workspace, &[Need::Receipt(op_id(100))]).await;
    assert_eq!(found, [Found::Receipt(op_id(100), Some(again.receipts[0].clone()))]);
}

pub async fn held_ops_come_back_in_their_order_until_freed(store: impl Store) {
    let workspace = workspace_id(1);
    let held = |op: u128, place: u32, at_ms: i64| Quarantined {
        op: op_id(op),
        member: member_id(1),
        device: DeviceId(Uuid::from_u128(2)),
        intent: IntentId(Uuid::from_u128(op % 2)),
        place,
        at_ms,
        bytes: vec![0, 255, u8::try_from(op).unwrap()],
    };
    let draft = Draft { held: vec![held(3, 1, 5), held(2, 0, 5), held(1, 0, 6)], ..Draft::made(workspace) };
    draft.commit(&store, workspace).await.unwrap();
    let read =
        async |of: WorkspaceId, which: SelectHeld, count_max| store.quarantined(of, &which, count_max).await.unwrap();
    let all = [held(2, 0, 5), held(3, 1, 5), held(1, 0, 6)];
    assert_eq!(read(workspace, SelectHeld::after(None), 9).await, all);
    assert_eq!(read(workspace, SelectHeld::after(None), 2).await, all[..2]);
    assert_eq!(read(workspace, SelectHeld::after(Some(&all[1])), 2).await, all[2..]);
    for (ops, intents) in [(vec![1], &all[1..]), (vec![2, 88], &all[..1]), (vec![2, 3], &all[..]), (vec![], &[])] {
        let ops = ops.into_iter().map(op_id).collect();
        assert_eq!(read(workspace, SelectHeld::WithIntentsOf(ops), 9).await, intents);
    }
    assert_eq!((store.held_count(workspace).await.unwrap(), store.held_count(workspace_id(2)).await.unwrap()), (3, 0));
    let freed = Draft { freed: vec![op_id(2), op_id(77)], ..Draft::default() };
    freed.commit(&store, workspace).await.unwrap();
    assert_eq!(read(workspace, SelectHeld::after(None), 9).await, all[1..]);
    assert!(read(workspace_id(2), SelectHeld::after(None), 9).await.is_empty());
}

pub async fn compaction_drops_what_is_old_and_nothing_else(store: impl Store) {
    let workspace = workspace_id(1);
    tree(workspace).commit(&store, workspace).await.unwrap();
    let gone = Draft::after(5).delete(Kind::Task, 41, project_scope(), &[("step", record_id(30).into())]);
    gone.sum(project_scope(), 3, 4).commit(&store, workspace).await.unwrap();
    let young =
        Draft::after(6).put(Kind::Note, 50, Scope::Workspace, &[]).delete(Kind::Note, 51, Scope::Workspace, &[]);
    young.sum(Scope::Workspace, 4, 1).commit(&store, workspace).await.unwrap();
    let (_, before) = store.begin().await.unwrap().open(workspace).await.unwrap().unwrap();

    // Entries land a second apart, so everything up to sequence number 6 is older than this.
    let what = |entries_max| Compaction {
        entries_max,
        log_before_ms: 6001,
        receipts_before_ms: 2000,
        wrong_from_ms: i64::MAX,
    };
    let store = &store;
    let compact = |what| async move { store.begin().await.unwrap().compact(workspace, what, drop).await.unwrap() };
    assert_eq!(compact(what(4)).await, 4);
    assert_eq!(compact(what(4)).await, 6);
    assert_eq!(compact(what(4)).await, 6);

    let (opened, after) = store.begin().await.unwrap().open(workspace).await.unwrap().unwrap();
    assert_eq!((opened.head, opened.horizon, &after), (8, 6, &before));
    assert!(log(store, workspace, project_scope(), 0, WHOLE).await.rows.is_empty());
    assert_eq!(seqs(&log(store, workspace, Scope::Workspace, 0, WHOLE).await), [7, 8]);
    let keys = Select::Keys(vec![
        Key::new(Kind::Task, record_id(40)),
        Key::new(Kind::Task, record_id(41)),
        Key::new(Kind::Note, record_id(51)),
    ]);
    assert_eq!(ids(&store.records(workspace, &keys, WHOLE).await.unwrap().rows), [40, 51]);
    assert_eq!(load(store, workspace, &[Need::Receipt(op_id(100))]).await, [Found::Receipt(op_id(100), None)]);
    // With everything old, the horizon is the head and no further.
    let all = Compaction { entries_max: 100, log_before_ms: i64::MAX, receipts_before_ms: 0, wrong_from_ms: i64::MAX };
    assert_eq!(compact(all).await, 8);
}

pub async fn a_time_that_was_wrong_neither_stops_compaction_nor_ends_the_log(store: impl Store) {
    let workspace = workspace_id(1);
    let mut tree = tree(workspace);
    // The third of five was written while the clock was years ahead.
    tree.entries[2].0.at_ms = 1_000_000;
    tree.commit(&store, workspace).await.unwrap();
    let store = &store;
    let compact = |log_before_ms| async move {
        let what = Compaction { entries_max: 100, log_before_ms, receipts_before_ms: 0, wrong_from_ms: 100_000 };
        store.begin().await.unwrap().compact(workspace, what, drop).await.unwrap()
    };
    assert_eq!(compact(3_000).await, 2);
    assert_eq!(compact(4_001).await, 4);
    let mut late =
        Draft::after(5).put(Kind::Note, 50, Scope::Workspace, &[]).put(Kind::Note, 51, Scope::Workspace, &[]);
    late.entries.iter_mut().for_each(|(entry, _)| entry.at_ms = 1_000_000);
    late.commit(store, workspace).await.unwrap();
    assert_eq!(compact(50_000).await, 5);
    assert_eq!(compact(50_000).await, 5);
    let young = Draft::after(7).put(Kind::Note, 52, Scope::Workspace, &[]);
    young.commit(store, workspace).await.unwrap();
    assert_eq!(compact(8_000).await, 5);
    assert_eq!(compact(8_001).await, 8);
}

pub async fn an_epoch_only_grows(store: impl Store) {
    let workspace = workspace_id(1);
    tree(workspace).commit(&store, workspace).await.unwrap();
    let head = async || store.workspace(workspace).await.unwrap().unwrap().head;
    assert_eq!(head().await, 5);
    assert_eq!(store.begin().await.unwrap().new_epoch(workspace, 3).await.unwrap(), 8);
    assert_eq!(head().await, 8);
    assert_eq!(store.begin().await.unwrap().new_epoch(workspace, 100).await.unwrap(), 100);
    assert_eq!(store.workspace(workspace).await.unwrap().unwrap().epoch, 100);
    // No number means two things: what comes next is above whatever the history that was lost can have given.
    assert_eq!(head().await, 100);
    let note = Draft::after(100).put(Kind::Note, 60, Scope::Workspace, &[("title", "after".into())]);
    note.commit(&store, workspace).await.unwrap();
    assert_eq!(seqs(&log(&store, workspace, Scope::Workspace, 8, WHOLE).await), [101]);
    // What was passed over takes no steps to compact.
    let all = Compaction { entries_max: 4, log_before_ms: i64::MAX, receipts_before_ms: 0, wrong_from_ms: i64::MAX };
    let mut horizons = Vec::new();
    for _ in 0..3 {
        horizons.push(store.begin().await.unwrap().compact(workspace, all, drop).await.unwrap());
    }
    assert_eq!(horizons, [4, 101, 101]);
}

pub async fn a_reader_never_sees_half_a_commit(store: impl Store) {
    const COMMITS: u64 = 60;
    const SIZE: u64 = 5;
    let workspace = workspace_id(1);
    Draft::made(workspace).commit(&store, workspace).await.unwrap();
    let writing = async {
        for commit in 0..COMMITS {
            let mut draft = Draft::after(commit * SIZE);
            for n in 0..SIZE {
                // The same five records every time, so that a reader of records sees versions of one commit only.
                draft = draft.put(Kind::Note, u128::from(n), Scope::Workspace, &[("title", "x".into())]);
            }
            draft.commit(&store, workspace).await.unwrap();
        }
    };
    let reading = async {
        let mut last = 0;
        while last < COMMITS * SIZE {
            let seen = log(&store, workspace, Scope::Workspace, 0, WHOLE).await;
            last = seen.rows.last().map_or(0, |line| line.entry.seq);
            assert_eq!(last % SIZE, 0);
            assert_eq!(seqs(&seen), (1..=last).collect::<Vec<_>>());
            let notes = store.records(workspace, &Select::Kind(Kind::Note), WHOLE).await.unwrap().rows;
            let commits: std::collections::BTreeSet<u64> = notes.iter().map(|note| (note.seq - 1) / SIZE).collect();
            assert!(commits.len() <= 1, "{commits:?}");
        }
    };
    tokio::join!(writing, reading);
}
