//! The world around the replicas of these tests: a server made of maps, disks made of maps, and one seeded scheduler.

use crate::model::catalog::Kind;
use crate::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId, WorkspaceId};
use crate::model::permission::{Actor, may_see};
use crate::model::record::{Key, Record, Version};
use crate::model::scope::Scope;
use crate::model::value::{Name, Value};
use crate::sync::op::{Action, Class, Code, Op, Outcome, Reason, Receipt, SCHEMA};
use crate::sync::replica::{
    Database, Draft, Effect, Event, Identity, Incident, Moment, Notice, Replica, Save, Saved, Slot, Table, Timer,
};
use crate::sync::schema::{Schema, Upcaster};
use crate::sync::settle::memory::InMemory;
use crate::sync::settle::{Author, Authority, FrozenOp, intents};
use crate::sync::wire::{
    Frame, FromDevice, FromServer, Pulled, Push, Pushed, SCOPES_MAX, ScopeState, SnapshotChunk, SnapshotWanted,
    Welcome, decode, encode,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use uuid::Uuid;

mod parts;

use parts::{Dice, Disk, carry_out_save};

/// Records in a chunk: few, so that a snapshot is several.
const CHUNK_RECORDS: usize = 3;
/// Log entries in a page of a pull.
const PAGE_ENTRIES: usize = 4;

/// How long a world without faults is given to come to rest, virtual milliseconds: longer than the longest wait of a replica.
const REST_MS: u64 = 65_000;

/// What may go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faults {
    None,
    Many,
}

enum Job {
    Load(Database),
    Read(Database, u64, Vec<Slot>),
    Save(Save),
}

impl Job {
    fn database(&self) -> Database {
        match self {
            Self::Load(database) | Self::Read(database, ..) => *database,
            Self::Save(save) => save.database,
        }
    }
}

/// One line between a tab and the server.
#[derive(Default)]
struct Line {
    to_server: VecDeque<Vec<u8>>,
    to_device: VecDeque<Vec<u8>>,
    follows: BTreeSet<Scope>,
    greeted: bool,
}

struct Tab {
    device: usize,
    replica: Replica,
    jobs: VecDeque<Job>,
    notices: VecDeque<Notice>,
    dialling: bool,
    line: Option<Line>,
    fetches: VecDeque<SnapshotWanted>,
    timers: BTreeMap<Timer, u64>,
    broken: bool,
    /// Whether it would own the network.
    stands: bool,
}

struct Machine {
    identity: Identity,
    disk: Disk,
    /// Which tab holds the lock.
    lock: Option<usize>,
    updates: u16,
}

pub struct World {
    dice: Dice,
    now: u64,
    minted: u128,
    faults: Faults,
    server: InMemory,
    epoch: u64,
    machines: Vec<Machine>,
    tabs: BTreeMap<usize, Tab>,
    online: bool,
    /// Of which scopes which tab asked for a chunk, in order.
    asked: Vec<(usize, Scope)>,
    refuse_next: Option<(Outcome, Code)>,
    choke: Option<String>,
    /// The next answer of this sort is lost, and nothing else is.
    lose: Option<Answer>,
    /// How often the server was updated to a newer build.
    updates: u16,
    /// The kind that this device's build does not know yet.
    unknown: Option<(usize, Kind)>,
    /// Every op that was ever on a disk.
    stored: BTreeMap<OpId, Op>,
    discarded: BTreeSet<OpId>,
    refusals: Vec<Reason>,
    incidents: Vec<Incident>,
}

pub struct Backup(InMemory);

/// What can get lost by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Dial,
    Receipts,
    Pulled,
    Welcome,
    Join,
    Leave,
}

/// The build after so many updates. None of them changed anything but its number.
fn build(updates: u16) -> Schema {
    const UPCASTERS: &[Upcaster] = &[|op| op];
    Schema::new(SCHEMA + updates, &UPCASTERS[..usize::from(updates.min(1))])
}

fn far_slot() -> Slot {
    Slot { table: Table::Ops, key: format!("{:016x}", 1_000) }
}

fn workspace() -> WorkspaceId {
    WorkspaceId(Uuid::from_u128(0xF0))
}

fn named(fields: &[(&'static str, Value)]) -> BTreeMap<Name, Value> {
    fields.iter().map(|(name, value)| (Name::new(name), value.clone())).collect()
}

impl World {
    /// A device for each number, which says whose it is.
    pub fn new(seed: u64, members: &[u128]) -> Self {
        let mut world = Self {
            dice: Dice(seed),
            now: 1_000_000,
            minted: 0,
            faults: Faults::None,
            server: InMemory::default(),
            epoch: 1,
            machines: Vec::new(),
            tabs: BTreeMap::new(),
            online: true,
            refuse_next: None,
            choke: None,
            lose: None,
            updates: 0,
            unknown: None,
            stored: BTreeMap::new(),
            discarded: BTreeSet::new(),
            refusals: Vec::new(),
            incidents: Vec::new(),
            asked: Vec::new(),
        };
        for (device, member) in members.iter().enumerate() {
            let member = MemberId(Uuid::from_u128(0xA0 + member));
            let role = if device == 0 { "owner" } else { "member" };
            let fields = [("name", "Somebody".into()), ("role", role.into()), ("active", true.into())];
            world.join(member, &fields);
            let device = DeviceId(Uuid::from_u128(0xD0 + device as u128));
            let identity = Identity { workspace: workspace(), member, device, incarnation: 1 };
            world.machines.push(Machine { identity, disk: Disk::new(), lock: None, updates: 0 });
        }
        world
    }

    fn join(&mut self, member: MemberId, fields: &[(&'static str, Value)]) {
        if self.server.records.contains_key(&Key::new(Kind::Member, member.into())) {
            return;
        }
        let op = Op {
            id: OpId(self.mint()),
            device: DeviceId(Uuid::nil()),
            incarnation: 1,
            counter: 1,
            intent: IntentId(self.mint()),
            after: Vec::new(),
            schema: SCHEMA,
            kind: Kind::Member,
            record: member.into(),
            action: Action::Create { fields: named(fields) },
            claimed_ms: 0,
            offset_ms: 0,
        };
        let frozen = FrozenOp::read(&encode(&op).expect("encodes")).expect("decodes");
        let author = Author { member, authority: Authority::Server };
        self.server.settle(&author, &[frozen], self.now as i64);
    }

    fn mint(&mut self) -> Uuid {
        self.minted += 1;
        Uuid::from_u128((0xE << 120) + self.minted)
    }

    pub fn faults(&mut self, faults: Faults) {
        self.faults = faults;
    }

    // Tabs.

    /// Opens the first tab of a device; tabs of other devices have the same number as their device.
    pub fn open_tab(&mut self, device: usize) {
        self.open(device, device);
    }
    /// Opens another tab of a device and says its number.
    pub fn another_tab(&mut self, device: usize) -> usize {
        let number = 100 + self.tabs.len();
        self.open(number, device);
        number
    }
    fn open(&mut self, number: usize, device: usize) {
        let replica = Replica::of_build(self.machines[device].identity, build(self.machines[device].updates));
        let effects = replica.start();
        let tab = Tab {
            device,
            replica,
            jobs: VecDeque::new(),
            notices: VecDeque::new(),
            dialling: false,
            line: None,
            fetches: VecDeque::new(),
            timers: BTreeMap::new(),
            broken: false,
            stands: true,
        };
        self.tabs.insert(number, tab);
        self.carry_out(number, effects);
    }
    pub fn crash_tab(&mut self, number: usize) {
        if let Some(tab) = self.tabs.remove(&number) {
            let machine = &mut self.machines[tab.device];
            if machine.lock == Some(number) {
                machine.lock = None;
            }
        }
    }
    /// Ends a tab that goes on holding the network's lock until somebody takes it over.
    pub fn freeze_tab(&mut self, number: usize) {
        self.tabs.remove(&number);
    }
    pub fn tab(&self, number: usize) -> &Replica {
        &self.tabs[&number].replica
    }
    pub fn break_storage(&mut self, number: usize) {
        self.tabs.entry(number).and_modify(|tab| tab.broken = true);
    }

    /// What a person does; returns why it was not taken.
    pub fn act(&mut self, number: usize, drafts: Vec<Draft>) -> Vec<Reason> {
        let intent = IntentId(self.mint());
        let drafts = drafts.into_iter().map(|draft| (OpId(self.mint()), draft)).collect();
        self.refusals.clear();
        self.tell(number, Event::Act { intent, drafts });
        std::mem::take(&mut self.refusals)
    }
    pub fn retry(&mut self, number: usize, op: OpId) {
        let ids = (0..self.tab(number).retries(op)).map(|_| OpId(self.mint())).collect();
        let intent = IntentId(self.mint());
        self.discarded.insert(op);
        let replaced: Vec<OpId> = self.tab(number).pending().map(|pending| pending.op.id).collect();
        let in_tray: Vec<OpId> = self.tab(number).tray().filter_map(crate::sync::replica::Refused::id).collect();
        self.discarded.extend(in_tray);
        self.discarded.extend(replaced);
        self.tell(number, Event::Retry { op, intent, ids });
    }

    /// A person gives this op up.
    pub fn discarded(&mut self, op: OpId) {
        let pending = || self.tabs.values().flat_map(|tab| tab.replica.pending());
        let intent = pending().find(|pending| pending.op.id == op).map(|pending| pending.op.intent);
        let whole: Vec<OpId> =
            pending().filter(|pending| Some(pending.op.intent) == intent).map(|pending| pending.op.id).collect();
        self.discarded.extend(whole);
    }

    pub fn tell(&mut self, number: usize, event: Event) {
        let moment = Moment { now_ms: self.now as i64, jitter: self.dice.roll() as u32 };
        let Some(tab) = self.tabs.get_mut(&number) else { return };
        let effects = tab.replica.step(moment, event);
        self.carry_out(number, effects);
    }

    fn carry_out(&mut self, number: usize, effects: Vec<Effect>) {
        for effect in effects {
            let now = self.now;
            let Some(tab) = self.tabs.get_mut(&number) else { return };
            match effect {
                Effect::Load(database) => tab.jobs.push_back(Job::Load(database)),
                Effect::Read { database, saves, slots } => tab.jobs.push_back(Job::Read(database, saves, slots)),
                Effect::Save(save) => tab.jobs.push_back(Job::Save(save)),
                Effect::Connect => tab.dialling = true,
                Effect::Send(bytes) => {
                    if let Some(line) = &mut tab.line {
                        line.to_server.push_back(bytes);
                    }
                }
                Effect::Post(bytes) => {
                    let member = self.machines[tab.device].identity.member;
                    let push: Push = decode(&bytes).expect("a push");
                    let answer = self.push(member, push, None);
                    let event = match answer {
                        Some(pushed) => Event::Received(encode(&FromServer::Pushed(pushed)).expect("encodes")),
                        None => Event::Disconnected,
                    };
                    self.tell(number, event);
                }
                Effect::Hangup => {
                    tab.line = None;
                    tab.dialling = false;
                }
                Effect::Fetch(wanted) => tab.fetches.push_back(wanted),
                Effect::Wake { timer, after_ms } => {
                    tab.timers.insert(timer, now + after_ms);
                }
                Effect::Tell(notice) => {
                    let device = tab.device;
                    for (other, tab) in &mut self.tabs {
                        if *other != number && tab.device == device {
                            tab.notices.push_back(notice.clone());
                        }
                    }
                }
                Effect::TakeOver => {
                    self.take_lock(number);
                    self.tell(number, Event::Elected);
                }
                Effect::StandDown => {
                    tab.stands = false;
                    self.machines[tab.device].lock.take_if(|owner| *owner == number);
                }
                Effect::Refuse(_, reasons) => self.refusals.extend(reasons),
                Effect::Report(incident) => self.incidents.push(incident),
                Effect::Show(_) | Effect::Say(_) | Effect::Complete(_) | Effect::Purged(_) => {}
            }
        }
    }

    // Storage.

    fn next_job(&mut self, number: usize) -> bool {
        // Each database does its jobs in order, and neither waits for the other.
        let of = if self.dice.one_in(2) { Database::Outbox } else { Database::Base };
        let Some(tab) = self.tabs.get_mut(&number) else { return false };
        let first = tab.jobs.iter().position(|job| job.database() == of).unwrap_or(0);
        let Some(job) = tab.jobs.remove(first) else { return false };
        let disk = &mut self.machines[tab.device].disk;
        let event = match job {
            Job::Load(database) if tab.broken => Event::LoadFailed(database),
            Job::Load(database) => {
                let rows = disk.iter().filter(|(slot, _)| slot.table.database() == database);
                Event::Loaded(database, rows.map(|(slot, bytes)| (slot.clone(), bytes.clone())).collect())
            }
            Job::Read(database, saves, slots) => {
                assert!(slots.iter().all(|slot| slot.table.database() == database), "{database:?} has no {slots:?}");
                let slots = slots.into_iter().map(|slot| (slot.clone(), disk.get(&slot).cloned())).collect();
                Event::Read { database, saves, slots }
            }
            Job::Save(save) if tab.broken => Event::Saved(save.ticket, Saved::Failed),
            Job::Save(save) => {
                let (ticket, saved) = carry_out_save(disk, save);
                for (slot, bytes) in disk.iter().filter(|(slot, _)| slot.table == Table::Ops) {
                    assert!(!slot.key.is_empty());
                    // What a newer build stored may be beyond this one.
                    if let Ok(op) = decode::<Op>(bytes) {
                        self.stored.entry(op.id).or_insert(op);
                    }
                }
                Event::Saved(ticket, saved)
            }
        };
        self.tell(number, event);
        true
    }

    pub fn settle_storage(&mut self) {
        loop {
            let numbers: Vec<usize> = self.tabs.keys().copied().collect();
            let moved = numbers.into_iter().filter(|number| self.next_job(*number) | self.next_notice(*number)).count();
            if moved == 0 {
                return;
            }
        }
    }

    fn next_notice(&mut self, number: usize) -> bool {
        let Some(notice) = self.tabs.get_mut(&number).and_then(|tab| tab.notices.pop_front()) else { return false };
        self.tell(number, Event::Told(notice));
        true
    }

    // The server.

    pub fn line_is(&mut self, up: bool) {
        self.online = up;
        if !up {
            self.drop_all_lines();
        } else {
            let numbers: Vec<usize> = self.tabs.keys().copied().collect();
            for number in numbers {
                self.tell(number, Event::Nudged);
            }
        }
    }
    fn drop_all_lines(&mut self) {
        let numbers: Vec<usize> = self.tabs.keys().copied().collect();
        for number in numbers {
            self.drop_line(number);
        }
    }
    fn drop_line(&mut self, number: usize) {
        let had = self.tabs.get_mut(&number).is_some_and(|tab| tab.line.take().is_some());
        if had {
            self.tell(number, Event::Disconnected);
        }
    }
    pub fn refuse_next(&mut self, code: Code) {
        self.refuse_next = Some((Outcome::Rejected, code));
    }
    /// The next intent is held for an owner.
    pub fn hold_next(&mut self) {
        self.refuse_next = Some((Outcome::Quarantined, Code::Forbidden));
    }
    /// An owner decided what becomes of a held op.
    pub fn decide(&mut self, op: OpId, outcome: Outcome, says: &str) {
        let kept = self.server.receipts.get_mut(&op).expect("it was held");
        kept.receipt.outcome = outcome;
        kept.receipt.reason = Some(Reason { code: Code::Forbidden, field: None, says: says.to_owned() });
    }
    pub fn choke_on(&mut self, title: &str) {
        self.choke = Some(title.to_owned());
    }
    pub fn lose_next(&mut self, answer: Answer) {
        self.lose = Some(answer);
    }
    /// Another tab appended this to the outbox, at a place far behind.
    pub fn append(&mut self, device: usize, bytes: Vec<u8>) {
        self.machines[device].disk.insert(far_slot(), bytes);
    }
    /// What the outbox holds there.
    pub fn appended(&self, device: usize) -> Option<&Vec<u8>> {
        self.machines[device].disk.get(&far_slot())
    }
    /// The browser throws away what can be fetched again.
    pub fn evict(&mut self, device: usize) {
        self.machines[device].disk.retain(|slot, _| slot.table.database() == Database::Outbox);
    }
    /// The outbox goes as well, under the tabs that are open.
    pub fn clear_outbox(&mut self, device: usize) {
        self.machines[device].disk.retain(|slot, _| slot.table.database() == Database::Base);
    }
    /// A newer build takes over the server.
    pub fn update_server(&mut self) {
        self.updates += 1;
        self.drop_all_lines();
    }
    /// A device's first tab is loaded anew, with the build its server has.
    pub fn update_device(&mut self, device: usize) {
        self.machines[device].updates = self.updates;
        self.unknown = None;
        self.crash_tab(device);
        self.open_tab(device);
    }
    /// What arrives of this kind cannot be read by this device's build.
    pub fn does_not_know(&mut self, device: usize, kind: Kind) {
        self.unknown = Some((device, kind));
    }
    /// What happened that should not have, since this was asked last.
    pub fn member(&self, device: usize) -> MemberId {
        self.machines[device].identity.member
    }
    pub fn asked(&self, number: usize) -> Vec<Scope> {
        self.asked.iter().filter(|(tab, _)| *tab == number).map(|(_, scope)| *scope).collect()
    }
    pub fn incidents(&mut self) -> Vec<Incident> {
        std::mem::take(&mut self.incidents)
    }
    pub fn backup(&self) -> Backup {
        Backup(self.server.clone())
    }
    pub fn restore(&mut self, backup: Backup) {
        self.server = backup.0;
        self.epoch += 1;
        self.drop_all_lines();
    }
    pub fn server_title(&self, key: Key) -> String {
        self.server.records.get(&key).map(|record| record.text("title").to_owned()).unwrap_or_default()
    }
    pub fn server_has(&self, key: Key) -> bool {
        self.server.records.get(&key).is_some_and(|record| !record.deleted)
    }

    fn visible(&self, member: MemberId) -> BTreeSet<Scope> {
        let actor = self.server.records.get(&Key::new(Kind::Member, member.into())).and_then(Actor::of);
        let Some(actor) = actor else { return BTreeSet::new() };
        let projects = self.server.records.values().filter(|record| record.kind == Kind::Project);
        let mut scopes: BTreeSet<Scope> =
            projects.filter(|project| may_see(&actor, project)).map(|project| Scope::Project(project.id)).collect();
        scopes.extend([Scope::Workspace, Scope::Personal(member)]);
        scopes
    }

    fn assigned(&self, member: MemberId) -> impl Iterator<Item = Scope> {
        let live = self.server.records.values().filter(|record| !record.deleted);
        live.filter(move |record| record.references("assignees").contains(&RecordId(member.0)))
            .map(|record| record.scope)
    }
    fn state(&self, scope: Scope) -> ScopeState {
        let head = self.server.log.iter().rev().find(|entry| entry.scope == scope).map_or(0, |entry| entry.seq);
        let sum = self.server.sums.get(&scope).copied().unwrap_or_default();
        ScopeState { scope, head, checksum: sum.checksum, count: sum.count }
    }

    fn pull(&self, member: MemberId, tidemarks: &BTreeMap<Scope, Version>) -> Pulled {
        let visible = self.visible(member);
        let wanted: BTreeMap<Scope, Version> = tidemarks
            .iter()
            .filter(|(scope, _)| visible.contains(scope))
            .map(|(scope, from)| (*scope, *from))
            .collect();
        let newer = |entry: &&crate::sync::op::Entry| wanted.get(&entry.scope).is_some_and(|from| entry.seq > *from);
        let page: Vec<_> = self.server.log.iter().filter(newer).take(PAGE_ENTRIES).cloned().collect();
        let more = self.server.log.iter().filter(newer).count() > page.len();
        let to = if more { page.last().map_or(self.server.head, |entry| entry.seq) } else { self.server.head };
        let frames = wanted.iter().map(|(scope, from)| Frame {
            scope: *scope,
            from: *from,
            to: to.max(*from),
            entries: page.iter().filter(|entry| entry.scope == *scope).cloned().collect(),
        });
        Pulled { epoch: self.epoch, head: self.server.head, frames: frames.collect(), gone: Vec::new(), more }
    }

    fn snapshot(&self, member: MemberId, wanted: &SnapshotWanted) -> Option<SnapshotChunk> {
        if !self.visible(member).contains(&wanted.scope) {
            return None;
        }
        let order = |record: &Record| (record.kind.spec().priority, record.id);
        let mut records: Vec<Record> = self
            .server
            .records
            .values()
            .filter(|record| record.scope == wanted.scope && !record.deleted)
            .cloned()
            .collect();
        records.sort_by_key(order);
        let count = records.len() as u64;
        records.retain(|record| wanted.after.is_none_or(|after| order(record) > after));
        let next = (records.len() > CHUNK_RECORDS).then(|| order(&records[CHUNK_RECORDS - 1]));
        records.truncate(CHUNK_RECORDS);
        let at = wanted.at.unwrap_or(self.server.head);
        Some(SnapshotChunk {
            epoch: self.epoch,
            schema: SCHEMA + self.updates,
            scope: wanted.scope,
            at,
            records,
            next,
            count,
        })
    }

    /// Settles a push; nothing comes back where the server chokes.
    fn push(&mut self, member: MemberId, push: Push, _from: Option<usize>) -> Option<Pushed> {
        let frozen: Vec<FrozenOp> = push.ops.iter().map(|bytes| FrozenOp::read(bytes).expect("an op")).collect();
        let chokes = |op: &Op| match (&op.action, &self.choke) {
            (Action::Set { changes }, Some(title)) => {
                changes.values().any(|change| change.now == title.as_str().into())
            }
            _ => false,
        };
        if frozen.iter().any(|frozen| chokes(&frozen.op)) {
            return None;
        }
        let before = self.server.head;
        let heads: BTreeMap<Scope, Version> = self.server.log.iter().map(|entry| (entry.scope, entry.seq)).collect();
        let sees: BTreeMap<MemberId, BTreeSet<Scope>> = self
            .machines
            .iter()
            .map(|machine| (machine.identity.member, self.visible(machine.identity.member)))
            .collect();
        let mut receipts = Vec::new();
        for intent in intents(frozen) {
            if let Some((outcome, code)) = self.refuse_next.take() {
                let reason = Some(Reason { code, field: None, says: "No.".to_owned() });
                receipts.extend(intent.iter().map(|frozen| Receipt {
                    op: frozen.op.id,
                    outcome,
                    class: Class::Rejected,
                    seq: self.server.head,
                    reason: reason.clone(),
                    conflict: None,
                    at_ms: 0,
                }));
                let refused: Vec<crate::sync::settle::Kept> = intent
                    .iter()
                    .zip(receipts.iter().rev().take(intent.len()).rev())
                    .map(|(frozen, receipt)| crate::sync::settle::Kept {
                        receipt: receipt.clone(),
                        digest: frozen.digest,
                    })
                    .collect();
                self.server.receipts.extend(refused.into_iter().map(|kept| (kept.receipt.op, kept)));
                continue;
            }
            let author = Author { member, authority: Authority::Own };
            receipts.extend(self.server.settle(&author, &intent, self.now as i64).receipts);
        }
        let mut frames: BTreeMap<Scope, Frame> = BTreeMap::new();
        for entry in self.server.log.iter().filter(|entry| entry.seq > before) {
            let from = heads.get(&entry.scope).copied().unwrap_or(0);
            let frame = frames.entry(entry.scope).or_insert_with(|| Frame {
                scope: entry.scope,
                from,
                to: self.server.head,
                entries: Vec::new(),
            });
            frame.entries.push(entry.clone());
        }
        let now_sees: BTreeMap<MemberId, BTreeSet<Scope>> =
            sees.keys().map(|member| (*member, self.visible(*member))).collect();
        for tab in self.tabs.values_mut() {
            let member = self.machines[tab.device].identity.member;
            let Some(line) = tab.line.as_mut().filter(|line| line.greeted) else { continue };
            for scope in now_sees[&member].difference(&sees[&member]) {
                line.to_device.push_back(encode(&FromServer::ScopeJoin(*scope)).expect("encodes"));
            }
            for scope in sees[&member].difference(&now_sees[&member]) {
                line.follows.remove(scope);
                line.to_device.push_back(encode(&FromServer::ScopeLeave(*scope)).expect("encodes"));
            }
            for frame in frames.values().filter(|frame| line.follows.contains(&frame.scope)) {
                line.to_device.push_back(encode(&FromServer::Frame(frame.clone())).expect("encodes"));
            }
        }
        Some(Pushed { batch: push.batch, epoch: self.epoch, receipts })
    }

    fn answer(&mut self, number: usize) -> bool {
        let Some(tab) = self.tabs.get_mut(&number) else { return false };
        let member = self.machines[tab.device].identity.member;
        let Some(bytes) = tab.line.as_mut().and_then(|line| line.to_server.pop_front()) else { return false };
        let message: FromDevice = decode(&bytes).expect("a device speaks well");
        let tidemarks = match &message {
            FromDevice::Hello(hello) => hello.tidemarks.len(),
            FromDevice::Pull(pull) | FromDevice::Follow(pull) => pull.tidemarks.len(),
            FromDevice::Push(_) | FromDevice::Beat => 0,
        };
        assert!(tidemarks <= SCOPES_MAX, "a server refuses a message with {tidemarks} scopes");
        let visible = self.visible(member);
        let answer = match message {
            FromDevice::Hello(hello) => {
                if let Some(line) = self.line_of(number) {
                    line.greeted = true;
                    line.follows = hello.tidemarks.keys().copied().filter(|scope| visible.contains(scope)).collect();
                }
                Some(FromServer::Welcome(Welcome {
                    protocol: 1,
                    schema: SCHEMA + self.updates,
                    workspace: workspace(),
                    member,
                    epoch: self.epoch,
                    head: self.server.head,
                    horizon: 0,
                    now_ms: self.now as i64,
                    scopes: visible.iter().map(|scope| self.state(*scope)).collect(),
                    assigned: self.assigned(member).filter(|scope| visible.contains(scope)).collect(),
                }))
            }
            FromDevice::Push(push) => match self.push(member, push, Some(number)) {
                Some(pushed) => Some(FromServer::Pushed(pushed)),
                None => {
                    self.drop_line(number);
                    None
                }
            },
            FromDevice::Pull(pull) => Some(FromServer::Pulled(self.pull(member, &pull.tidemarks))),
            FromDevice::Follow(pull) => {
                if let Some(line) = self.line_of(number) {
                    line.follows.extend(pull.tidemarks.keys().filter(|scope| visible.contains(scope)));
                }
                Some(FromServer::Pulled(self.pull(member, &pull.tidemarks)))
            }
            FromDevice::Beat => Some(FromServer::Beat {
                head: self.server.head,
                now_ms: self.now as i64,
                scopes: visible.into_iter().map(|scope| self.state(scope)).collect(),
            }),
        };
        let lost = |answer: &FromServer| {
            matches!(
                (self.lose, answer),
                (Some(Answer::Receipts), FromServer::Pushed(_))
                    | (Some(Answer::Pulled), FromServer::Pulled(_))
                    | (Some(Answer::Welcome), FromServer::Welcome(_))
            )
        };
        if answer.as_ref().is_some_and(lost) {
            self.lose = None;
        } else if let (Some(answer), Some(line)) = (answer, self.line_of(number)) {
            line.to_device.push_back(encode(&answer).expect("encodes"));
        }
        true
    }

    fn line_of(&mut self, number: usize) -> Option<&mut Line> {
        self.tabs.get_mut(&number).and_then(|tab| tab.line.as_mut())
    }

    // The scheduler.

    pub fn now(&self) -> u64 {
        self.now
    }

    /// Does one thing that can be done; false if there is nothing but timers to wait for.
    pub fn turn(&mut self) -> bool {
        let numbers: Vec<usize> = self.tabs.keys().copied().collect();
        let faults = self.faults == Faults::Many;
        let start = self.dice.below(numbers.len().max(1));
        for number in numbers.iter().cycle().skip(start).take(numbers.len()).copied() {
            let first = self.dice.below(6);
            for way in (0..6).map(|way| (way + first) % 6) {
                let moved = match way {
                    0 => self.next_job(number),
                    1 => self.next_notice(number),
                    2 => self.answer(number),
                    3 => self.deliver(number, faults),
                    4 => self.dial(number, faults),
                    _ => self.elect(number) || self.bring(number, faults),
                };
                if moved {
                    return true;
                }
            }
        }
        false
    }

    fn deliver(&mut self, number: usize, faults: bool) -> bool {
        let lose = faults && self.dice.one_in(40);
        let repeat = faults && self.dice.one_in(20);
        let Some(bytes) = self.line_of(number).and_then(|line| line.to_device.pop_front()) else { return false };
        if lose {
            // A line loses nothing in its middle: it breaks.
            self.drop_line(number);
            return true;
        }
        let sort = match decode::<FromServer>(&bytes) {
            Ok(FromServer::ScopeJoin(_)) => Some(Answer::Join),
            Ok(FromServer::ScopeLeave(_)) => Some(Answer::Leave),
            _ => None,
        };
        if sort.is_some() && sort == self.lose {
            self.lose = None;
            return true;
        }
        let bytes = self.as_read_by(number, bytes);
        if repeat {
            self.tell(number, Event::Received(bytes.clone()));
        }
        self.tell(number, Event::Received(bytes));
        true
    }
    /// What a build makes of bytes that name a kind it does not know: nothing it can read.
    fn as_read_by(&self, number: usize, bytes: Vec<u8>) -> Vec<u8> {
        let Some((_, kind)) = self.unknown.filter(|(device, _)| *device == self.tabs[&number].device) else {
            return bytes;
        };
        let frames = match decode::<FromServer>(&bytes) {
            Ok(FromServer::Frame(frame)) => vec![frame],
            Ok(FromServer::Pulled(pulled)) => pulled.frames,
            _ => Vec::new(),
        };
        let unknown = frames.iter().flat_map(|frame| &frame.entries).any(|entry| entry.kind == kind);
        if unknown { vec![0xc1] } else { bytes }
    }
    fn dial(&mut self, number: usize, faults: bool) -> bool {
        let fails = !self.online || (faults && self.dice.one_in(5));
        let Some(tab) = self.tabs.get_mut(&number).filter(|tab| tab.dialling) else { return false };
        tab.dialling = false;
        if self.lose == Some(Answer::Dial) {
            self.lose = None;
        } else if fails {
            self.tell(number, Event::Disconnected);
        } else {
            tab.line = Some(Line::default());
            self.tell(number, Event::Connected);
        }
        true
    }
    fn bring(&mut self, number: usize, faults: bool) -> bool {
        let fails = !self.online || (faults && self.dice.one_in(5));
        let Some(tab) = self.tabs.get_mut(&number) else { return false };
        let Some(wanted) = tab.fetches.pop_front() else { return false };
        self.asked.push((number, wanted.scope));
        let member = self.machines[tab.device].identity.member;
        let chunk = self.snapshot(member, &wanted).filter(|_| !fails);
        let bytes = chunk.map(|chunk| encode(&chunk).expect("encodes"));
        self.tell(number, Event::Fetched(wanted, bytes));
        true
    }
    fn elect(&mut self, number: usize) -> bool {
        let Some(tab) = self.tabs.get(&number).filter(|tab| tab.stands) else { return false };
        if self.machines[tab.device].lock.is_some() {
            return false;
        }
        self.take_lock(number);
        self.tell(number, Event::Elected);
        true
    }
    /// Says whether another tab had it.
    fn take_lock(&mut self, number: usize) -> bool {
        let before = self.machines[self.tabs[&number].device].lock.replace(number);
        let before = before.filter(|before| *before != number);
        before.is_some_and(|before| {
            self.tell(before, Event::Deposed);
            true
        })
    }

    /// Lets the next timer ring.
    pub fn ring(&mut self) -> bool {
        let due = self
            .tabs
            .iter()
            .flat_map(|(number, tab)| tab.timers.iter().map(|(timer, at)| (*at, *number, *timer)))
            .min();
        let Some((at, number, timer)) = due else { return false };
        self.now = self.now.max(at);
        if let Some(tab) = self.tabs.get_mut(&number) {
            tab.timers.remove(&timer);
        }
        self.tell(number, Event::Rung(timer));
        true
    }

    /// So many turns, with whatever goes wrong.
    pub fn run(&mut self, turns: usize) {
        for _ in 0..turns {
            if self.faults == Faults::Many && self.dice.one_in(8) {
                self.misfortune();
            }
            if !self.turn() || self.dice.one_in(30) {
                self.ring();
            }
        }
    }

    fn misfortune(&mut self) {
        let numbers: Vec<usize> = self.tabs.keys().copied().collect();
        let number = numbers[self.dice.below(numbers.len())];
        match self.dice.below(12) {
            0 => {
                let device = self.tabs[&number].device;
                self.crash_tab(number);
                self.open(number, device);
            }
            1 => self.drop_line(number),
            2 => {
                // A frozen tab loses the lock.
                if self.take_lock(number) {
                    self.tell(number, Event::Elected);
                }
            }
            3 => self.tell(number, Event::Nudged),
            _ => {
                let drafts = self.some_drafts(number);
                self.act(number, drafts);
            }
        }
    }

    fn some_drafts(&mut self, number: usize) -> Vec<Draft> {
        let keys: Vec<Key> = self.tab(number).keys().into_iter().collect();
        let editable = [Kind::Project, Kind::Phase, Kind::Step, Kind::Task, Kind::Tag];
        let keys: Vec<Key> = keys.into_iter().filter(|key| editable.contains(&key.kind)).collect();
        let fresh = RecordId(self.mint());
        if keys.is_empty() {
            return vec![Draft::create(Kind::Tag, fresh).with("title", "wet")];
        }
        let key = keys[self.dice.below(keys.len())];
        let title = format!("title {}", self.dice.below(1_000));
        match (self.dice.below(10), key.kind) {
            (0, _) => vec![Draft::Delete { key }],
            (1, _) => {
                let buried: Vec<Key> = self
                    .server
                    .records
                    .values()
                    .filter(|record| record.deleted && editable.contains(&record.kind))
                    .map(Record::key)
                    .collect();
                if buried.is_empty() {
                    Vec::new()
                } else {
                    vec![Draft::Restore { key: buried[self.dice.below(buried.len())] }]
                }
            }
            (2 | 3, Kind::Step) => {
                vec![Draft::create(Kind::Task, fresh).with("title", title).with("step", key.id)]
            }
            (2 | 3, Kind::Phase) => vec![
                Draft::create(Kind::Step, fresh).with("title", title).with("phase", key.id),
                Draft::create(Kind::Task, RecordId(self.mint())).with("title", "under it").with("step", fresh),
            ],
            (2, Kind::Project) => vec![Draft::create(Kind::Phase, fresh).with("title", title).with("project", key.id)],
            (3, Kind::Project) => {
                let private = self.dice.one_in(2);
                vec![Draft::set(key, "private", private)]
            }
            (4, Kind::Task) => vec![Draft::set(key, "progress", (self.dice.below(101)) as i64)],
            (5, Kind::Task) => vec![Draft::set(key, "description", format!("line one\n{title}\nline three"))],
            (6, Kind::Task) => vec![Draft::set(key, "estimate", (self.dice.below(500)) as i64)],
            (7, Kind::Task) => {
                vec![Draft::set(key, "status", ["not_started", "in_progress", "done"][self.dice.below(3)])]
            }
            (8, Kind::Task) => vec![Draft::set(key, "due", format!("2026-12-{:02}", 1 + self.dice.below(28)))],
            (9, Kind::Project) => vec![Draft::create(Kind::Project, fresh).with("title", title)],
            _ => vec![Draft::set(key, "title", title)],
        }
    }

    /// Runs without faults until nothing is left to do and every outbox that can be empty is.
    pub fn quiesce(&mut self) {
        let until = self.now + REST_MS;
        for _ in 0..100_000 {
            if !self.turn() && (self.now > until || !self.ring()) {
                return;
            }
        }
        panic!("the world never comes to rest");
    }

    // What must hold.

    /// Everybody who may see it holds exactly what the server holds; every op is somewhere; disks agree with memories.
    pub fn check(&mut self) {
        let wrong: Vec<_> =
            self.incidents.iter().filter(|incident| !matches!(incident, Incident::Epoch { .. })).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        for (number, tab) in &self.tabs {
            let member = self.machines[tab.device].identity.member;
            let visible = self.visible(member);
            let theirs: BTreeMap<Key, &Record> = self
                .server
                .records
                .values()
                .filter(|record| !record.deleted && visible.contains(&record.scope))
                .map(|record| (record.key(), record))
                .collect();
            let held: Vec<_> = tab.replica.pending().map(|pending| (&pending.op, &pending.state)).collect();
            let all_held = held.iter().all(|(_, state)| matches!(state, crate::sync::replica::PendingState::Held(_)));
            assert!(
                all_held,
                "tab {number} (leads: {}, tidemarks {:?}, sees {visible:?}) still has {held:?}",
                tab.replica.leads(),
                tab.replica.tidemarks()
            );
            for (key, record) in &theirs {
                let ours = tab.replica.confirmed(*key).map(|record| (**record).clone());
                assert_eq!(ours.as_ref(), Some(*record), "tab {number}, {key:?}");
            }
            for key in tab.replica.keys() {
                assert!(theirs.contains_key(&key) || !held.is_empty(), "tab {number} still shows {key:?}");
            }
        }
        let mut counters = BTreeSet::new();
        for op in self.stored.values() {
            assert!(counters.insert((op.device, op.incarnation, op.counter)), "two ops count {}", op.counter);
            let on_a_disk = self.machines.iter().any(|machine| {
                machine.disk.iter().any(|(slot, bytes)| {
                    matches!(slot.table, Table::Ops | Table::Tray | Table::Settled)
                        && bytes.windows(16).any(|window| window == op.id.0.as_bytes())
                })
            });
            let known = self.server.receipts.contains_key(&op.id) || on_a_disk || self.discarded.contains(&op.id);
            assert!(known, "an edit is lost: {op:?}");
        }
    }
}
