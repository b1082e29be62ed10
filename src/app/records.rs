//! What screens read and how they act: one signal per displayed record, memoised lists of keys, and the state of the
//! copy, the same on both faces. On the server it is filled once from the page's seed; in the browser it hydrates from the
//! same seed, and then the device feeds it. Nothing here knows about IndexedDB, sockets or requests: the device stands
//! behind the `Device` trait.

use crate::api::ApiError;
use crate::api::review::Activity;
use crate::api::seed::{Listed, Seed, Viewer};
use crate::api::workspace::Presence;
use crate::app::format;
use crate::model::catalog::Kind;
use crate::model::choice::{ConflictClass, ConflictState, Priority, Status as TaskStatus, WidgetSort};
use crate::model::id::{IntentId, MemberId, OpId};
use crate::model::kinds::{Conflict, Task, Widget};
use crate::model::permission::{Actor, may_create, may_write};
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::model::value::Value;
use crate::sync::op::Reason;
use crate::sync::replica::Missing;
pub use crate::sync::replica::{Draft, Link, Memory, Pending, PendingState, Refused, Shown, Status, Waiting};
use leptos::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Entries the list of recent changes holds: what a person reads at a glance.
const RECENT_MAX: usize = 30;
/// How many of the last deeds can be taken back: more than anybody remembers.
const UNDOS_MAX: usize = 20;

/// How much of the browser's space is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Storage {
    /// Bytes in use.
    pub used_bytes: u64,
    /// Bytes the browser allows.
    pub quota_bytes: u64,
    /// Whether the browser promised not to evict it.
    pub kept: Kept,
}

/// Whether the browser promised to keep what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Kept {
    /// It does not say.
    #[default]
    Unknown,
    /// It may evict it under pressure.
    BestEffort,
    /// It asks the person first.
    Persistent,
}

/// What a person sees of this device.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ThisDevice {
    /// Its id.
    pub id: String,
    /// Which life of it.
    pub incarnation: u32,
    /// How far it has seen, by scope.
    pub tidemarks: Vec<(Scope, u64)>,
    /// Whether this tab owns the network.
    pub role: TabRole,
}

/// What this tab does for the others of the same browser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TabRole {
    /// Another tab talks to the server for it.
    #[default]
    Follows,
    /// It talks to the server for all.
    Leads,
}

/// What the device does for the screens. The browser gives one to `Records::attach`; there is none on the server, and none in
/// the browser until its store has opened.
pub trait Device: Send + Sync {
    /// Freezes the drafts as one intent: all or none. The view changes before this returns.
    ///
    /// # Errors
    /// Reasons a person can act on; nothing was done then.
    fn act(&self, drafts: Vec<Draft>) -> Result<IntentId, Vec<Reason>>;
    /// Tries an op of the tray again as a new one, or one of the outbox now instead of at its next turn.
    fn retry(&self, op: OpId);
    /// Gives up an op of the outbox or the tray, with all that was done with it. What needs it goes to the tray, with the reason.
    fn discard(&self, op: OpId);
    /// Gives up what stands at this place of the tray and cannot be read.
    fn discard_unreadable(&self, place: u64);
    /// Offers these ops, or all of the outbox and tray if none are named, as a file to save.
    fn export(&self, ops: Vec<OpId>);
    /// Takes ops from the text of an exported file.
    fn import(&self, text: String);
    /// Asks for a scope that is not on the device.
    fn open(&self, scope: Scope);
    /// Asks the browser to keep what is stored.
    fn persist(&self);
    /// Switches to the build that waits, after drafts have been kept.
    fn update(&self);
    /// Asks the server what people did last, and hands over its answer.
    fn look_back(&self, then: Box<dyn FnOnce(Result<Activity, ApiError>)>);
    /// Asks the server who is there, and hands over its answer.
    fn look_around(&self, then: Box<dyn FnOnce(Result<Presence, ApiError>)>);
    /// Ends this person's session here; what of the outbox is still pending goes as `pending` says.
    fn sign_out(&self, pending: Leaving);
}

/// What becomes of a pending outbox when a person signs out or switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaving {
    /// It stays on this device and is sent when the same person signs in again.
    Keep,
    /// It is removed: the person has it as a file, and said so.
    Remove,
}

/// A list of keys that is kept in order as records change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum ListOf {
    Children(Key, Kind),
    Kind(Kind),
    TasksOf(MemberId),
    OpenConflicts,
    QuietConflicts,
    Recent,
}

/// Where a record stands in a list; where two stand alike, by their ids. All of one list are of one sort.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    /// By these words, which are the record's own where they are a rank.
    Words(Arc<str>),
    /// By this number.
    Number(u64),
}

/// A list someone looks at.
struct Watched<T: 'static> {
    signal: ArcRwSignal<T>,
    watchers: usize,
}

/// What one displayed record is made of.
#[derive(Clone, PartialEq, Default)]
struct Row {
    record: Option<Arc<Record>>,
    waiting: Waiting,
}

/// All records, the ordered lists, and the signals somebody watches.
#[derive(Default)]
struct Tables {
    rows: BTreeMap<Key, Row>,
    lists: BTreeMap<ListOf, BTreeSet<(Order, Key)>>,
    watched_rows: BTreeMap<Key, Watched<Row>>,
    watched_lists: BTreeMap<ListOf, Watched<Arc<Vec<Key>>>>,
}

impl Tables {
    fn list(&self, of: ListOf) -> Arc<Vec<Key>> {
        let Some(list) = self.lists.get(&of) else { return Arc::default() };
        Arc::new(match of {
            ListOf::Recent => list.iter().rev().take(RECENT_MAX).map(|(_, key)| *key).collect(),
            _ => list.iter().map(|(_, key)| *key).collect(),
        })
    }
}

/// Records, their lists and the state of the copy. Copied freely; lives as long as the application.
#[derive(Clone, Copy)]
pub struct Records {
    tables: StoredValue<Tables>,
    device: StoredValue<Option<Arc<dyn Device>>>,
    early: StoredValue<Vec<Vec<Draft>>>,
    given_up: StoredValue<bool>,
    ready: RwSignal<bool>,
    viewer: RwSignal<Option<Viewer>>,
    status: RwSignal<Status>,
    pending: RwSignal<Arc<Vec<Pending>>>,
    tray: RwSignal<Arc<Vec<Refused>>>,
    storage: RwSignal<Storage>,
    this_device: RwSignal<ThisDevice>,
    complete: RwSignal<BTreeSet<Scope>>,
    listed: Listed,
    update_ready: RwSignal<bool>,
    told: RwSignal<Option<Told>>,
    undos: StoredValue<Vec<Undo>>,
    stirred: RwSignal<u64>,
    activity: RwSignal<Option<Arc<Activity>>>,
}

/// Something to say to the person once, in a toast and to screen readers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Counts up, so that the same words twice are two.
    pub nth: u64,
    /// The words.
    pub says: String,
    /// What would undo it.
    pub undo: Option<Vec<Draft>>,
}

/// Something that can be taken back, and what was said of it.
struct Undo {
    says: String,
    drafts: Vec<Draft>,
}

/// The records of this application.
pub fn use_records() -> Records {
    // Provided by `App` around every page; without it no screen could say anything.
    use_context::<Records>().unwrap_or_else(|| Records::new(Seed::default()))
}

impl Records {
    /// Filled from a page's seed.
    pub fn new(seed: Seed) -> Self {
        let records = Self {
            tables: StoredValue::new(Tables::default()),
            device: StoredValue::new(None),
            early: StoredValue::new(Vec::new()),
            given_up: StoredValue::new(false),
            ready: RwSignal::new(false),
            viewer: RwSignal::new(seed.viewer),
            status: RwSignal::new(Status::default()),
            pending: RwSignal::new(Arc::default()),
            tray: RwSignal::new(Arc::default()),
            storage: RwSignal::new(Storage::default()),
            this_device: RwSignal::new(ThisDevice::default()),
            complete: RwSignal::new(seed.complete.into_iter().collect()),
            listed: seed.listed,
            update_ready: RwSignal::new(false),
            told: RwSignal::new(None),
            undos: StoredValue::new(Vec::new()),
            stirred: RwSignal::new(0),
            activity: RwSignal::new(seed.activity.map(Arc::new)),
        };
        records.apply(
            seed.records
                .into_iter()
                .map(|record| Shown { key: record.key(), record: Some(Arc::new(record)), waiting: Waiting::Nothing })
                .collect(),
        );
        records
    }

    // What screens read.

    /// The record, followed as it changes; `None` while it is not here.
    pub fn get(self, key: Key) -> Signal<Option<Arc<Record>>> {
        let row = self.row(key);
        Signal::derive(move || row.with(|row| row.record.clone()))
    }

    /// The record as it reads now, not followed.
    pub fn peek(self, key: Key) -> Option<Arc<Record>> {
        self.tables.with_value(|tables| tables.rows.get(&key).and_then(|row| row.record.clone()))
    }

    /// Every record that is here, not followed.
    pub fn peek_all(self) -> Vec<Arc<Record>> {
        self.tables.with_value(|tables| tables.rows.values().filter_map(|row| row.record.clone()).collect())
    }

    /// What of the record is not on the server yet.
    pub fn waiting(self, key: Key) -> Signal<Waiting> {
        let row = self.row(key);
        Signal::derive(move || row.with(|row| row.waiting.clone()))
    }

    /// Where one field stands.
    pub fn field_state(self, key: Key, field: &'static str) -> Signal<FieldState> {
        let row = self.row(key);
        Signal::derive(move || {
            row.with(|row| if row.waiting.holds(field) { FieldState::OnThisDevice } else { FieldState::OnTheServer })
        })
    }

    /// The children of one kind, by rank and then id.
    pub fn children(self, parent: Key, kind: Kind) -> Signal<Arc<Vec<Key>>> {
        self.follow(ListOf::Children(parent, kind))
    }

    /// The children as they stand now, not followed.
    pub fn peek_children(self, parent: Key, kind: Kind) -> Arc<Vec<Key>> {
        self.tables.with_value(|tables| tables.list(ListOf::Children(parent, kind)))
    }

    /// Every record of a kind, by rank or name and then id; none of tasks, comments and logged time, of which no list is kept.
    pub fn of_kind(self, kind: Kind) -> Signal<Arc<Vec<Key>>> {
        self.follow(ListOf::Kind(kind))
    }

    /// Every record of a kind as it stands now, not followed.
    pub fn peek_kind(self, kind: Kind) -> Arc<Vec<Key>> {
        self.tables.with_value(|tables| tables.list(ListOf::Kind(kind)))
    }

    /// Unfinished tasks of whoever looks: soonest due first, then most urgent.
    pub fn my_tasks(self) -> Signal<Arc<Vec<Key>>> {
        match self.viewer_id() {
            Some(member) => self.follow(ListOf::TasksOf(member)),
            None => Signal::derive(Arc::default),
        }
    }

    /// What changed last, newest first.
    pub fn recent(self) -> Signal<Arc<Vec<Key>>> {
        self.follow(ListOf::Recent)
    }

    /// Counts up whenever a record here has changed.
    pub fn stirred(self) -> Signal<u64> {
        self.stirred.into()
    }

    /// What the server told last of what people did.
    pub fn activity(self) -> Signal<Option<Arc<Activity>>> {
        self.activity.into()
    }

    /// Conflicts that wait for a person, newest first.
    pub fn conflicts(self) -> Signal<Arc<Vec<Key>>> {
        self.follow(ListOf::OpenConflicts)
    }

    /// Values a rule replaced, and conflicts that are settled, newest first.
    pub fn quiet_conflicts(self) -> Signal<Arc<Vec<Key>>> {
        self.follow(ListOf::QuietConflicts)
    }

    /// Who looks.
    pub fn viewer(self) -> Signal<Option<Viewer>> {
        self.viewer.into()
    }

    /// As whom they look, not followed.
    pub fn viewer_id(self) -> Option<MemberId> {
        self.viewer.with_untracked(|viewer| viewer.as_ref().map(|viewer| viewer.member))
    }

    /// Whoever looks, for questions of permission; `None` while they are not known here.
    pub fn actor(self) -> Signal<Option<Actor>> {
        let Some(member) = self.viewer_id() else {
            return Signal::derive(|| None);
        };
        let row = self.row(Key::new(Kind::Member, member.into()));
        Signal::derive(move || row.with(|row| row.record.as_deref().and_then(Actor::of)))
    }

    /// Whether whoever looks may only read this record.
    pub fn locked(self, key: Key) -> Signal<bool> {
        let actor = self.actor();
        let row = self.row(key);
        Signal::derive(move || {
            let Some(actor) = actor.get() else { return true };
            row.with(|row| row.record.as_deref().is_none_or(|record| !may_write(&actor, record)))
        })
    }

    /// Whether whoever looks may make records of this kind in this scope.
    pub fn may_make(self, kind: Kind, scope: Scope) -> Signal<bool> {
        let actor = self.actor();
        Signal::derive(move || actor.get().is_some_and(|actor| may_create(&actor, kind.spec(), scope)))
    }

    /// Under which name unfinished text is kept in this browser: apart for every person, so that nobody meets another's.
    pub fn draft_name(self, of: &str) -> String {
        let member = self.viewer_id();
        format!("tidemark.unfinished.{}.{of}", member.map(|member| member.to_string()).unwrap_or_default())
    }

    /// The state in the header.
    pub fn status(self) -> Signal<Status> {
        self.status.into()
    }

    /// The outbox, oldest first.
    pub fn pending(self) -> Signal<Arc<Vec<Pending>>> {
        self.pending.into()
    }

    /// What the server refused, newest first.
    pub fn tray(self) -> Signal<Arc<Vec<Refused>>> {
        self.tray.into()
    }

    /// How much space is used, and whether it is kept.
    pub fn storage(self) -> Signal<Storage> {
        self.storage.into()
    }

    /// This device, as its person sees it.
    pub fn this_device(self) -> Signal<ThisDevice> {
        self.this_device.into()
    }

    /// Whether all of a scope is here; until then an empty list may be one that has not arrived.
    pub fn complete(self, scope: Scope) -> Signal<bool> {
        let complete = self.complete;
        Signal::derive(move || complete.with(|scopes| scopes.contains(&scope)))
    }

    /// Whether every record of this kind that belongs on the page is here, of tasks the member's own: an empty list is empty then.
    /// Either the server drew all of them, or every scope has arrived.
    pub fn all_known(self, kind: Kind) -> Signal<bool> {
        let (complete, status) = (self.complete(Scope::Workspace), self.status());
        let drawn = self.listed.contains(kind);
        let arriving = |missing: &Missing| matches!(missing, Missing::Arriving { .. });
        Memo::new(move |_| drawn || (complete.get() && !status.with(|status| status.missing.iter().any(arriving))))
            .into()
    }

    /// Whether the device has opened its store: from then on it speaks for the copy.
    pub fn ready(self) -> Signal<bool> {
        self.ready.into()
    }

    /// Whether a newer build waits to take over.
    pub fn update_ready(self) -> Signal<bool> {
        self.update_ready.into()
    }

    /// What was said last.
    pub fn told(self) -> Signal<Option<Told>> {
        self.told.into()
    }

    /// The title of a record, or its kind's label while it has none here.
    pub fn title(self, key: Key) -> Signal<String> {
        let record = self.get(key);
        Signal::derive(move || {
            record.with(|record| record.as_deref().map_or_else(|| key.kind.spec().label.to_owned(), title_of))
        })
    }

    /// The page of a record that is here, where its kind has one.
    pub fn link(self, key: Key) -> Option<String> {
        let record = self.get(key).get()?;
        match (key.kind, record.scope) {
            (Kind::Note, _) => Some(format!("/note/{}", key.id)),
            (Kind::Conflict, _) => Some(format!("/conflict/{}", key.id)),
            (Kind::Member, _) => Some("/members".to_owned()),
            (Kind::Project, _) => Some(format!("/project/{}", key.id)),
            (Kind::Task | Kind::Step | Kind::Phase, Scope::Project(project)) => {
                Some(format!("/project/{project}/{}/{}", key.kind.spec().name, key.id))
            }
            (Kind::Comment | Kind::TimeLog, Scope::Project(project)) => {
                Some(format!("/project/{project}/task/{}", record.parent()?.id))
            }
            _ => None,
        }
    }

    // How screens act.

    /// Does these as one intent: all or none. Before the device has opened its store they wait in order for it.
    ///
    /// # Errors
    /// Reasons a person can act on; nothing was done then.
    pub fn act(self, drafts: Vec<Draft>) -> Result<(), Vec<Reason>> {
        if drafts.is_empty() {
            return Ok(());
        }
        match self.device() {
            Some(device) => device.act(drafts).map(|_| ()),
            None => {
                self.early.update_value(|early| early.push(drafts));
                Ok(())
            }
        }
    }

    /// Acts, and tells the person if it could not be done.
    pub fn act_or_tell(self, drafts: Vec<Draft>) {
        if let Err(reasons) = self.act(drafts) {
            self.tell_reasons(reasons);
        }
    }

    fn tell_reasons(self, reasons: Vec<Reason>) {
        let says: Vec<_> = reasons.into_iter().map(|reason| reason.says).collect();
        self.tell(says.join(" "), None);
    }

    /// Says something once, with what would undo it: that can be taken back as long as it is one of the last.
    pub fn tell(self, says: impl Into<String>, undo: Option<Vec<Draft>>) {
        let says = says.into();
        if let Some(drafts) = undo.clone() {
            self.undos.update_value(|undos| {
                // What is said again is still one thing to take back.
                undos.retain(|undo| undo.drafts != drafts);
                undos.push(Undo { says: says.clone(), drafts });
                undos.drain(..undos.len().saturating_sub(UNDOS_MAX));
            });
        }
        let nth = self.told.with_untracked(|told| told.as_ref().map_or(0, |told| told.nth)) + 1;
        self.told.set(Some(Told { nth, says, undo }));
    }

    /// Takes back what these drafts undo, and says so.
    pub fn take_back(self, drafts: &[Draft]) {
        let place = self.undos.with_value(|undos| undos.iter().position(|undo| undo.drafts == drafts));
        if let Some(place) = place {
            self.take_back_at(place);
        }
    }

    /// Takes back the newest of what was not taken back yet, and says so; whether there was anything.
    pub fn take_back_newest(self) -> bool {
        let newest = self.undos.with_value(|undos| undos.len().checked_sub(1));
        newest.is_some_and(|place| self.take_back_at(place))
    }

    fn take_back_at(self, place: usize) -> bool {
        let undo = self.undos.try_update_value(|undos| (place < undos.len()).then(|| undos.remove(place)));
        let Some(Undo { says, drafts }) = undo.flatten() else { return false };
        match self.act(drafts) {
            Ok(()) => self.tell(format!("Taken back: {says}"), None),
            Err(reasons) => self.tell_reasons(reasons),
        }
        true
    }

    /// Takes back what was said.
    pub fn hush(self) {
        self.told.set(None);
    }

    /// Whether edits would end with this page: nothing has stored them, and no server has them.
    pub fn ends_with_the_page(self) -> bool {
        let early = self.early.try_with_value(|early| !early.is_empty()).unwrap_or(false);
        let status = self.status.try_get_untracked().unwrap_or_default();
        let refused = self.tray.try_with_untracked(|tray| !tray.is_empty()).unwrap_or(false);
        let alone = status.memory == Memory::MemoryOnly && (status.waiting > 0 || refused);
        (early || alone || self.is_storing()) && self.given_up.try_get_value() != Some(true)
    }

    /// Whether an edit is on its way to the disk.
    pub fn is_storing(self) -> bool {
        let pending = self.pending.try_get_untracked().unwrap_or_default();
        pending.iter().any(|pending| pending.state == PendingState::Storing)
    }

    /// The person has said what becomes of their edits: nobody asks again before the page is left.
    pub fn give_up(self) {
        self.given_up.set_value(true);
    }

    /// The device, once its store has opened.
    pub fn device(self) -> Option<Arc<dyn Device>> {
        self.device.get_value()
    }

    // How the device feeds the screens.

    /// Gives the screens their device, with whoever is signed in on it, and hands over what they did before.
    pub fn attach(self, device: Arc<dyn Device>, viewer: Option<Viewer>) {
        if viewer.is_some() {
            self.viewer.set(viewer);
        }
        self.device.set_value(Some(device));
        self.ready.set(true);
        for drafts in self.early.try_update_value(std::mem::take).unwrap_or_default() {
            self.act_or_tell(drafts);
        }
    }

    /// Shows these records as they now are. Signals fire for what somebody watches and really changed.
    pub fn apply(self, changed: Vec<Shown>) {
        let mut rows = Vec::new();
        let mut lists = Vec::new();
        let mut stirred = false;
        self.tables.update_value(|tables| {
            let mut touched = BTreeSet::new();
            for Shown { key, record, waiting } in changed {
                let record = record.filter(|record| !record.deleted);
                let now = Row { record, waiting };
                let before = tables.rows.get(&key);
                if before == Some(&now) {
                    continue;
                }
                stirred = true;
                let left = before.and_then(|row| row.record.as_deref()).map(places).unwrap_or_default();
                let taken = now.record.as_deref().map(places).unwrap_or_default();
                if left != taken {
                    for (list, order) in left {
                        if let Some(list) = tables.lists.get_mut(&list) {
                            list.remove(&(order, key));
                        }
                        touched.insert(list);
                    }
                    for (list, order) in taken {
                        tables.lists.entry(list).or_default().insert((order, key));
                        touched.insert(list);
                    }
                }
                if let Some(watched) = tables.watched_rows.get(&key) {
                    rows.push((watched.signal.clone(), now.clone()));
                }
                if now == Row::default() {
                    tables.rows.remove(&key);
                } else {
                    tables.rows.insert(key, now);
                }
            }
            for of in touched {
                if let Some(watched) = tables.watched_lists.get(&of) {
                    lists.push((watched.signal.clone(), tables.list(of)));
                }
            }
        });
        // Outside the table's lock: an effect may read the table.
        if stirred {
            self.stirred.update(|times| *times += 1);
        }
        for (signal, row) in rows {
            signal.set(row);
        }
        for (signal, list) in lists {
            if signal.with_untracked(|before| *before != list) {
                signal.set(list);
            }
        }
    }

    /// The state of the copy, its outbox and its tray.
    pub fn set_status(self, status: Status, pending: Vec<Pending>, tray: Vec<Refused>) {
        let pending = Arc::new(pending);
        let tray = Arc::new(tray);
        if self.pending.with_untracked(|before| *before != pending) {
            self.pending.set(pending);
        }
        if self.tray.with_untracked(|before| *before != tray) {
            self.tray.set(tray);
        }
        if self.status.with_untracked(|before| *before != status) {
            self.status.set(status);
        }
    }

    /// What the server told this member of what people did.
    pub fn set_activity(self, member: MemberId, activity: Activity) {
        // Somebody else may have come to look since it was asked for.
        if self.viewer_id() == Some(member) {
            self.activity.set(Some(Arc::new(activity)));
        }
    }

    /// How much space is used.
    pub fn set_storage(self, storage: Storage) {
        self.storage.set(storage);
    }

    /// This device, as its person sees it.
    pub fn set_this_device(self, this_device: ThisDevice) {
        self.this_device.set(this_device);
    }

    /// All of a scope has arrived.
    pub fn set_complete(self, scope: Scope) {
        if !self.complete.with_untracked(|scopes| scopes.contains(&scope)) {
            self.complete.update(|scopes| {
                scopes.insert(scope);
            });
        }
    }

    /// A newer build waits to take over.
    pub fn set_update_ready(self) {
        self.update_ready.set(true);
    }

    fn row(self, key: Key) -> ArcRwSignal<Row> {
        let signal = self.tables.try_update_value(|tables| {
            let now = tables.rows.get(&key).cloned().unwrap_or_default();
            let watched = tables
                .watched_rows
                .entry(key)
                .or_insert_with(|| Watched { signal: ArcRwSignal::new(now), watchers: 0 });
            watched.watchers += 1;
            watched.signal.clone()
        });
        let tables = self.tables;
        on_cleanup(move || {
            tables.try_update_value(|tables| unwatch(&mut tables.watched_rows, &key));
        });
        signal.unwrap_or_else(|| ArcRwSignal::new(Row::default()))
    }

    fn follow(self, of: ListOf) -> Signal<Arc<Vec<Key>>> {
        let signal = self.tables.try_update_value(|tables| {
            let now = tables.list(of);
            let watched = tables
                .watched_lists
                .entry(of)
                .or_insert_with(|| Watched { signal: ArcRwSignal::new(now), watchers: 0 });
            watched.watchers += 1;
            watched.signal.clone()
        });
        let tables = self.tables;
        on_cleanup(move || {
            tables.try_update_value(|tables| unwatch(&mut tables.watched_lists, &of));
        });
        signal.map_or_else(|| Signal::derive(Arc::default), |signal| Signal::derive(move || signal.get()))
    }
}

/// Where a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldState {
    /// Not on the server yet.
    OnThisDevice,
    /// Confirmed.
    OnTheServer,
}

impl FieldState {
    /// The words beside it.
    pub fn says(self) -> &'static str {
        match self {
            Self::OnThisDevice => "On this device",
            Self::OnTheServer => "On the server",
        }
    }
}

/// One watcher fewer; the signal goes with the last, so that memory follows what is on screen.
fn unwatch<K: Ord, T>(watched: &mut BTreeMap<K, Watched<T>>, key: &K) {
    if let Some(entry) = watched.get_mut(key) {
        entry.watchers = entry.watchers.saturating_sub(1);
        if entry.watchers == 0 {
            watched.remove(key);
        }
    }
}

/// What a record is called on a screen.
pub fn title_of(record: &Record) -> String {
    let title = match record.kind {
        Kind::Widget => Widget(record).sort().map_or("", WidgetSort::label),
        Kind::Member | Kind::Device | Kind::Preference => record.text("name"),
        Kind::Comment => record.text("text"),
        Kind::TimeLog => record.text("note"),
        _ => record.text("title"),
    };
    if title.is_empty() {
        format!("Untitled {}", record.kind.spec().label.to_ascii_lowercase())
    } else {
        title.to_owned()
    }
}

/// In which lists a record stands, and where in each.
fn places(record: &Record) -> Vec<(ListOf, Order)> {
    let mut places = Vec::with_capacity(4);
    let order = Order::Words(match (record.kind, record.get("rank")) {
        (Kind::Member | Kind::Tag | Kind::Team, _) => format::lower(&title_of(record)).into(),
        (_, Value::Text(rank)) => Arc::clone(rank),
        _ => Arc::default(),
    });
    if let Some(parent) = record.parent() {
        places.push((ListOf::Children(parent, record.kind), order.clone()));
    }
    // Nobody chooses among all tasks or what is said of them: of those there are many, and a list of them costs time.
    if !matches!(record.kind, Kind::Task | Kind::Comment | Kind::TimeLog) {
        places.push((ListOf::Kind(record.kind), order));
    }
    match record.kind {
        Kind::Task => {
            let task = Task(record);
            if task.status() != Some(TaskStatus::Done) {
                let due = if task.due().is_empty() { "9999" } else { task.due() };
                let urgency = match task.priority() {
                    Some(Priority::Urgent) => '0',
                    Some(Priority::High) => '1',
                    Some(Priority::Normal) | None => '2',
                    Some(Priority::Low) => '3',
                };
                for assignee in task.assignees() {
                    places.push((ListOf::TasksOf(assignee.into()), Order::Words(format!("{due} {urgency}").into())));
                }
            }
        }
        Kind::Conflict => {
            let conflict = Conflict(record);
            let open =
                conflict.state() != Some(ConflictState::Settled) && conflict.class() != Some(ConflictClass::Superseded);
            // Newest first: the complement of the instant.
            let newest_first = Order::Number(u64::MAX - conflict.mine_at().unwrap_or(0).max(0).unsigned_abs());
            places.push((if open { ListOf::OpenConflicts } else { ListOf::QuietConflicts }, newest_first));
        }
        _ => {}
    }
    if matches!(record.kind, Kind::Project | Kind::Phase | Kind::Step | Kind::Task | Kind::Comment | Kind::Note) {
        places.push((ListOf::Recent, Order::Number(record.seq)));
    }
    places
}

#[cfg(test)]
mod tests;
