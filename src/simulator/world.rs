//! Devices, tabs, network and server of one seed, on one queue ordered by virtual time. Everything random comes from the
//! seed, and nothing runs beside anything else, so that a seed is the same history every time.

mod decide;
mod page;

use crate::model::choice::Role;
use crate::model::id::{DeviceId, IntentId, OpId};
use crate::model::kinds::Kind;
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::server::core::SystemChange;
use crate::simulator::build::build;
use crate::simulator::device::{Brink, Device, Tab, TabId};
use crate::simulator::disk::own_slots;
use crate::simulator::oracle::{self, Broken, Invariant, Places, Truth, broken};
use crate::simulator::plan::{DEVICES, Step, TABS, TROUBLE_MS, What, member_of};
use crate::simulator::server::{Heard, Keeps, Room, Server};
use crate::simulator::{Lives, people};
use crate::sync::op::Op;
use crate::sync::replica::{
    Database, Effect, Event, Identity, Incident, Link, Memory, Moment, Notice, Pending, PendingState, Refused, Replica,
    Save, Saved, Slot, Table, Timer, TrayEntry, Write,
};
use crate::sync::wire::{self, FromDevice, FromServer, SnapshotWanted};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet};
use uuid::Uuid;

/// When the world begins: an ordinary morning, Unix milliseconds.
pub const START_MS: i64 = 1_790_000_000_000;
/// How long everything has to come to rest once the trouble is over, virtual milliseconds. Ten times the longest
/// backoff.
const REST_MS: i64 = 900_000;
/// How long everybody goes on before the world may be called at rest, virtual milliseconds: what went missing on a line that
/// still stands is found by the next beats.
const LOOK_MS: i64 = 60_000;
/// How long it takes until a tab that ended by itself is opened again, virtual milliseconds.
const REOPEN_MS: i64 = 2_000;
/// Events after which a world that does not come to rest is called stuck.
const EVENTS_MAX: u64 = 60_000;

/// Something that is going to happen.
#[derive(Debug, Clone)]
enum Next {
    /// Of the plan.
    Step(Step),
    /// Comes to a replica.
    Event(TabId, Event),
    /// A reminder, if it was not replaced meanwhile.
    Ring(TabId, Timer, u64),
    /// A storage transaction is carried out.
    Save(TabId, Save),
    /// A whole database is read.
    Load(TabId, Database),
    /// Slots are read.
    Read(TabId, Database, u64, Vec<Slot>),
    /// A channel is being made.
    Connect(TabId),
    /// Bytes reach the server.
    Heard(TabId, u64, Vec<u8>),
    /// Bytes reach the device.
    Said(TabId, u64, Vec<u8>),
    /// The device learns that the server closed the channel.
    Closed(TabId, u64),
    /// Bytes go to the server beside the channel.
    Post(TabId, Vec<u8>),
    /// A snapshot chunk is asked for.
    Fetch(TabId, SnapshotWanted),
}

/// The whole world of one seed.
pub struct World {
    now_ms: i64,
    rng: ChaCha8Rng,
    queue: BTreeMap<(i64, u64), Next>,
    queued: u64,
    /// The server.
    pub server: Server,
    devices: Vec<Device>,
    lines: u64,
    /// The newest line that ended with the server's process: what was on its way there is gone.
    lines_ended: u64,
    restores: u64,
    healed: bool,
    /// Every op that was stored on a device, and with it promised to its author.
    pub made: BTreeMap<OpId, Op>,
    /// Ops that others may have overtaken, because no server answered them, or because they were put aside.
    overtaken: BTreeSet<OpId>,
    /// Ops that their authors gave up, or tried again as others.
    given_up: BTreeSet<OpId>,
    /// What happened, for a person who reads a failure.
    pub history: Vec<String>,
}

impl World {
    /// The world of a seed, before anything happened.
    ///
    /// # Errors
    /// When the server cannot be made.
    pub async fn new(seed: u64, keeps: Keeps) -> Result<Self, Broken> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7464_656d_6172_6b00);
        let server = Server::new(&mut rng, START_MS, keeps).await?;
        let devices = (0..DEVICES)
            .map(|device| {
                Device::new(Identity {
                    workspace: server.workspace,
                    member: server.members[member_of(device)],
                    device: DeviceId(minted(&mut rng)),
                    incarnation: 1,
                })
            })
            .collect();
        let mut world = Self {
            now_ms: START_MS,
            rng,
            queue: BTreeMap::new(),
            queued: 0,
            server,
            devices,
            lines: 0,
            lines_ended: 0,
            restores: 0,
            healed: false,
            made: BTreeMap::new(),
            overtaken: BTreeSet::new(),
            given_up: BTreeSet::new(),
            history: Vec::new(),
        };
        for device in 0..DEVICES {
            world.open(device, 0).await?;
        }
        Ok(world)
    }

    /// Lives through the steps, heals everything, waits for rest, and judges.
    ///
    /// # Errors
    /// The first invariant found broken.
    pub async fn live(&mut self, steps: &[Step]) -> Result<Lives, Broken> {
        for step in steps {
            self.at(START_MS + step.at_ms, Next::Step(step.clone()));
        }
        let mut events = 0;
        while self.now_ms < START_MS + TROUBLE_MS + REST_MS {
            let next = self.queue.first_key_value().map(|(&(at_ms, place), _)| (at_ms, place));
            // Where every tab is frozen, nothing at all is left to happen.
            if !self.healed && next.is_none_or(|(at_ms, _)| at_ms > START_MS + TROUBLE_MS) {
                self.now_ms = START_MS + TROUBLE_MS;
                self.heal().await?;
                continue;
            }
            let Some((at_ms, place)) = next else { break };
            let Some(next) = self.queue.remove(&(at_ms, place)) else { break };
            self.now_ms = self.now_ms.max(at_ms);
            self.server.clock.set(self.now_ms);
            self.happen(next).await?;
            events += 1;
            if events > EVENTS_MAX {
                return broken(Invariant::Progress, "the world does not come to rest: something repeats without end");
            }
            let looked_ms = START_MS + TROUBLE_MS + LOOK_MS;
            if self.healed && self.now_ms > looked_ms && events % 64 == 0 && self.at_rest() {
                break;
            }
        }
        self.judge().await
    }

    /// Whether every copy says that it is up to date, or has been sent away for good. A device of which no tab owns the
    /// network yet says nothing.
    fn at_rest(&self) -> bool {
        self.devices.iter().all(|device| {
            let owned = device.tabs.iter().flatten().any(|tab| tab.replica.leads());
            owned
                && device.tabs.iter().flatten().all(|tab| {
                    let status = tab.replica.status();
                    let mut pending = tab.replica.pending();
                    let stored = tab.replica.pending().all(|pending| pending.state != PendingState::Storing);
                    let handed_in = pending.all(|pending| matches!(pending.state, PendingState::Held(_)));
                    let sent_away = status.link == Link::Revoked && handed_in;
                    stored && (!tab.replica.leads() || status.up_to_date() || sent_away)
                })
        })
    }

    /// Within an epoch a tidemark only rises, for as long as a tab owns the network. Another tab starts from storage, where
    /// it may lag, and after a restore each scope starts anew.
    fn watch_tidemarks(&mut self, id: TabId) -> Result<(), Broken> {
        let restored = self.restores > 0;
        let Some(tab) = self.tab(id) else { return Ok(()) };
        if restored || !tab.replica.leads() {
            tab.tidemarks.clear();
            return Ok(());
        }
        let tidemarks = tab.replica.tidemarks();
        let was = std::mem::replace(&mut tab.tidemarks, tidemarks.clone());
        let moved = |was: &BTreeMap<Scope, u64>| {
            let moved = |(scope, was): (&Scope, &u64)| tidemarks.get(scope).is_some_and(|now| now != was);
            was.iter().any(moved)
        };
        let stands_still = std::mem::replace(&mut tab.stands_still, tab.replica.status().link == Link::UpdateNeeded);
        if stands_still && tab.stands_still && moved(&was) {
            let says = format!("device {}: a tidemark moved over what its build cannot read", id.device);
            return broken(Invariant::Tidemark, says);
        }
        match was.iter().find(|(scope, was)| tidemarks.get(scope).is_some_and(|now| now < was)) {
            Some((scope, was)) => {
                let now = tidemarks.get(scope);
                broken(Invariant::Tidemark, format!("device {}: {scope} fell from {was} to {now:?}", id.device))
            }
            None => Ok(()),
        }
    }

    /// Every incident is something that must not happen here, but for what the plan itself did.
    fn reported(&mut self, id: TabId, incident: Incident) -> Result<(), Broken> {
        self.note(format!("device {} reports {incident:?}", id.device));
        match incident {
            Incident::Checksum { .. } => {
                broken(Invariant::Convergence, format!("device {}: a copy differed: {incident:?}", id.device))
            }
            Incident::Stored(_) | Incident::Unreadable(_) | Incident::Stranger => {
                broken(Invariant::World, format!("device {}: {incident:?}", id.device))
            }
            Incident::Epoch { .. } | Incident::Storage(_) => Ok(()),
        }
    }

    /// Nothing of a scope that was left is shown any longer.
    fn purged(&mut self, id: TabId, scope: Scope) -> Result<(), Broken> {
        let Some(tab) = self.tab(id) else { return Ok(()) };
        let left = shown(&tab.replica).into_iter().find(|record| record.scope == scope && record.seq > 0);
        match left {
            Some(record) => broken(
                Invariant::ScopeLeave,
                format!("device {}: {:?} is shown after {scope} was left", id.device, record.key()),
            ),
            None => Ok(()),
        }
    }

    /// Holds what every device has against what the server has.
    async fn judge(&mut self) -> Result<Lives, Broken> {
        let truth = self.server.truth().await?;
        // What is given up in a tab that stores nothing comes back with the next one, late.
        let overtaken =
            [&self.overtaken, &self.server.reviewed, &self.given_up].into_iter().flatten().copied().collect();
        let mut places = Places { overtaken, given_up: self.given_up.clone(), ..Places::default() };
        for device in 0..DEVICES {
            self.gather(device, &mut places)?;
        }
        oracle::judge(&truth, &self.made, &places)?;
        for device in 0..DEVICES {
            self.converged(device, &truth).await?;
        }
        let conflicts = truth.records.values().filter(|record| record.kind == Kind::Conflict).count();
        Ok(Lives {
            seeds: 1,
            ops: self.made.len() as u64,
            entries: truth.entries.len() as u64,
            conflicts: conflicts as u64,
            refused: places.tray.len() as u64,
            quarantined: truth.quarantined.len() as u64,
        })
    }

    /// Which ops a device still has, as its storage says.
    fn gather(&self, device: usize, places: &mut Places) -> Result<(), Broken> {
        let unreadable = |error: wire::WireError| Broken { invariant: Invariant::World, says: error.to_string() };
        for (slot, bytes) in self.devices[device].disk.all(Database::Outbox) {
            match slot.table {
                Table::Ops => places.outbox.insert(wire::decode_op(&bytes).map_err(unreadable)?.id),
                Table::Tray => {
                    let entry: TrayEntry = wire::decode(&bytes).map_err(unreadable)?;
                    places.tray.insert(wire::decode_op(&entry.bytes).map_err(unreadable)?.id)
                }
                _ => continue,
            };
        }
        let live = self.devices[device].tabs.iter().flatten().filter(|tab| tab.replica.status().link == Link::Live);
        places.shown_refused.extend(live.flat_map(|tab| tab.replica.tray()).filter_map(Refused::id));
        Ok(())
    }

    /// The device shows exactly what its member may see of what the server has, and nothing waits.
    async fn converged(&self, device: usize, truth: &Truth) -> Result<(), Broken> {
        let member = self.devices[device].identity.member;
        let scopes = self.server.scopes(member).await?;
        for tab in self.devices[device].tabs.iter().flatten() {
            let replica = &tab.replica;
            // An op that needs a refused one waits for its author, and is shown until they decide.
            let held = |pending: &&Pending| matches!(pending.state, PendingState::Held(_));
            let undecided: BTreeSet<Key> = replica.pending().filter(held).map(|pending| pending.op.key()).collect();
            if let Some(pending) = replica.pending().find(|pending| !held(pending)) {
                let says = format!(
                    "device {device}: {:?} still waits: {:?}, {:?}",
                    pending.op,
                    pending.state,
                    replica.status()
                );
                return broken(Invariant::Progress, says);
            }
            let shows: BTreeMap<Key, Record> =
                shown(replica).into_iter().map(|record| (record.key(), record)).collect();
            let ought: BTreeMap<Key, &Record> = truth
                .records
                .values()
                .filter(|record| !record.deleted && scopes.contains(&record.scope))
                .map(|record| (record.key(), record))
                .collect();
            for (key, record) in ought.iter().filter(|(key, _)| !undecided.contains(key)) {
                if shows.get(key) != Some(*record) {
                    let says = format!(
                        "device {device}: {key:?} shows {:?}, the server has {record:?}; {:?}",
                        shows.get(key),
                        replica.status()
                    );
                    return broken(Invariant::Convergence, says);
                }
            }
            if let Some(key) = shows.keys().find(|key| !ought.contains_key(key) && !undecided.contains(key)) {
                let invariant =
                    if truth.records.contains_key(key) { Invariant::ScopeLeave } else { Invariant::Convergence };
                return broken(invariant, format!("device {device}: {key:?} is shown and ought not to be"));
            }
        }
        Ok(())
    }

    fn at(&mut self, at_ms: i64, next: Next) {
        self.queued += 1;
        self.queue.insert((at_ms, self.queued), next);
    }
    fn soon(&mut self, within_ms: u64, next: Next) {
        let after_ms = 1 + self.rng.next_u64() % within_ms;
        self.at(self.now_ms + after_ms as i64, next);
    }
    fn note(&mut self, says: String) {
        self.history.push(format!("{:>7} ms  {says}", self.now_ms - START_MS));
    }

    fn tab(&mut self, id: TabId) -> Option<&mut Tab> {
        self.devices[id.device].tabs[id.tab].as_mut().filter(|tab| tab.life == id.life)
    }
    fn tab_id(&self, device: usize, tab: usize) -> Option<TabId> {
        self.devices[device].tabs[tab].as_ref().map(|open| TabId { device, tab, life: open.life })
    }

    async fn happen(&mut self, next: Next) -> Result<(), Broken> {
        match next {
            Next::Step(step) => self.step(step).await,
            Next::Event(id, event) => self.tell(id, event).await,
            Next::Ring(id, timer, set) => {
                let due = self.tab(id).is_some_and(|tab| tab.timers.get(&timer) == Some(&set));
                if due { self.tell(id, Event::Rung(timer)).await } else { Ok(()) }
            }
            Next::Save(id, save) => self.save(id, save).await,
            Next::Load(id, database) | Next::Read(id, database, ..) if self.read_fails(id, database) => {
                let failure = self.failure(id, database);
                self.tell(id, failure).await
            }
            Next::Load(id, database) => {
                let slots = self.devices[id.device].disk.all(database);
                self.tell(id, Event::Loaded(database, slots)).await?;
                if database == Database::Base { self.draw(id).await } else { Ok(()) }
            }
            Next::Read(id, database, saves, slots) => {
                own_slots(database, slots.iter())?;
                let disk = &self.devices[id.device].disk;
                let slots = slots
                    .into_iter()
                    .map(|slot| {
                        let value = disk.get(database, &slot).cloned();
                        (slot, value)
                    })
                    .collect();
                self.tell(id, Event::Read { database, saves, slots }).await
            }
            Next::Connect(id) => self.connect(id).await,
            Next::Heard(id, line, bytes) => self.heard(id, line, &bytes).await,
            Next::Said(id, line, bytes) => {
                let stands = self.tab(id).is_some_and(|tab| tab.line == Some(line));
                if stands { self.tell(id, Event::Received(bytes)).await } else { Ok(()) }
            }
            Next::Closed(id, line) => {
                if self.tab(id).is_some_and(|tab| tab.line == Some(line)) {
                    self.hang_up(id);
                    return self.tell(id, Event::Disconnected).await;
                }
                Ok(())
            }
            Next::Post(id, bytes) => {
                let device = &self.devices[id.device];
                let (online, identity) = (device.online, device.identity);
                let mut answer = None;
                if online && self.tab(id).is_some() && !self.mishap(50) {
                    let (heard, said) = self.server.post(&identity, &bytes).await?;
                    self.end_lines_if(heard);
                    answer = said;
                }
                match answer.filter(|_| !self.mishap(50)) {
                    Some(answer) => self.tell(id, Event::Received(answer)).await,
                    None => self.tell(id, Event::Disconnected).await,
                }
            }
            Next::Fetch(id, wanted) => {
                let device = &self.devices[id.device];
                let member = device.identity.member;
                let chunk = if device.online { self.server.snapshot(member, &wanted).await? } else { None };
                if self.mishap(100) {
                    self.note(format!("device {}: a chunk never comes", id.device));
                    return Ok(());
                }
                let chunk = chunk.filter(|_| !self.mishap(50));
                self.soon(60, Next::Event(id, Event::Fetched(wanted, chunk)));
                Ok(())
            }
        }
    }

    /// Hands an event to a replica and carries out what it wants.
    async fn tell(&mut self, id: TabId, event: Event) -> Result<(), Broken> {
        let (now_ms, jitter) = (self.now_ms + self.devices[id.device].skew_ms, self.rng.next_u64() as u32);
        let Some(tab) = self.tab(id) else { return Ok(()) };
        if tab.frozen {
            tab.missed.push_back(event);
            return Ok(());
        }
        let before = tab.replica.tray().count();
        let effects = tab.replica.step(Moment { now_ms, jitter }, event);
        let put_aside = tab.replica.tray().skip(before).map(decide::put_aside).collect::<Vec<_>>();
        let mut overtaken = tab.replica.overtaken();
        // What was put aside may land after all: an owner releases it, or its tab ends before that is stored.
        overtaken.extend(tab.replica.tray().filter_map(Refused::id));
        self.overtaken.extend(overtaken);
        for says in put_aside {
            self.note(format!("device {} tab {} puts aside {says}", id.device, id.tab));
        }
        self.watch_tidemarks(id)?;
        self.carry_out(id, effects).await
    }

    async fn carry_out(&mut self, id: TabId, effects: Vec<Effect>) -> Result<(), Broken> {
        for effect in effects {
            match effect {
                Effect::Load(database) => self.soon(4, Next::Load(id, database)),
                Effect::Read { database, saves, slots } => self.soon(4, Next::Read(id, database, saves, slots)),
                // Always the same delay: saves of one database are carried out in the order in which they came.
                Effect::Save(save) => self.at(self.now_ms + 3, Next::Save(id, save)),
                Effect::Connect => self.soon(60, Next::Connect(id)),
                Effect::Send(bytes) => self.send(id, bytes),
                Effect::Post(bytes) => self.soon(60, Next::Post(id, bytes)),
                Effect::Hangup => self.hang_up(id),
                Effect::Fetch(wanted) => self.soon(80, Next::Fetch(id, wanted)),
                Effect::Wake { timer, after_ms } => {
                    self.queued += 1;
                    let set = self.queued;
                    if let Some(tab) = self.tab(id) {
                        tab.timers.insert(timer, set);
                    }
                    self.at(self.now_ms + after_ms.max(1) as i64, Next::Ring(id, timer, set));
                }
                Effect::Tell(notice) => self.tell_others(id, &notice),
                Effect::TakeOver => self.elect(id.device, id.tab),
                Effect::StandDown => self.stand_down(id),
                Effect::Report(incident) => self.reported(id, incident)?,
                Effect::Purged(scope) => self.purged(id, scope)?,
                Effect::Refuse(_, reasons) => self.note(format!("device {}: refused at once: {reasons:?}", id.device)),
                Effect::Show(_) | Effect::Say(_) | Effect::Complete(_) => {}
            }
        }
        Ok(())
    }

    fn tell_others(&mut self, id: TabId, notice: &Notice) {
        for tab in (0..TABS).filter(|tab| *tab != id.tab) {
            if let Some(other) = self.tab_id(id.device, tab) {
                self.at(self.now_ms + 1, Next::Event(other, Event::Told(notice.clone())));
            }
        }
    }

    /// One tab of the device holds the lock from now on; whoever held it before learns of it when it next runs.
    fn elect(&mut self, device: usize, tab: usize) {
        if let Some(old) = self.devices[device].leader.filter(|old| *old != tab)
            && let Some(id) = self.tab_id(device, old)
        {
            self.at(self.now_ms + 1, Next::Event(id, Event::Deposed));
        }
        self.devices[device].leader = Some(tab);
        if let Some(id) = self.tab_id(device, tab) {
            self.at(self.now_ms + 1, Next::Event(id, Event::Elected));
        }
    }

    /// Whether this read fails. The base is thrown away then, as the browser does with one it cannot read.
    fn read_fails(&mut self, id: TabId, database: Database) -> bool {
        let fails =
            self.tab(id).is_some() && self.devices[id.device].fails.take_if(|fails| *fails == database).is_some();
        if fails {
            self.note(format!("device {} tab {} cannot read its {database:?}", id.device, id.tab));
        }
        fails
    }

    /// Either what stood there is not ours, and the adapter threw it away, or it could not be reached.
    fn failure(&mut self, id: TabId, database: Database) -> Event {
        if self.rng.next_u64().is_multiple_of(2) {
            return Event::Unavailable(database);
        }
        if database == Database::Base {
            self.devices[id.device].disk.evict();
        }
        Event::LoadFailed(database)
    }

    async fn save(&mut self, id: TabId, save: Save) -> Result<(), Broken> {
        let alive = self.tab(id).is_some();
        // A tab that ended while it was storing may or may not have got there.
        if !alive && self.rng.next_u64().is_multiple_of(2) {
            return Ok(());
        }
        let brink = if alive { self.devices[id.device].brinks[id.tab].take() } else { None };
        if let Some(brink) = brink {
            self.note(format!("device {} tab {} ends {brink:?} it stores", id.device, id.tab));
            if brink == Brink::After {
                self.store(id, &save)?;
            }
            self.kill(id.device, id.tab);
            let what = What::Open { device: id.device, tab: id.tab };
            self.at(self.now_ms + REOPEN_MS, Next::Step(Step { at_ms: 0, dice: 0, what }));
            return Ok(());
        }
        let saved = self.store(id, &save)?;
        self.at(self.now_ms + 1, Next::Event(id, Event::Saved(save.ticket, saved)));
        Ok(())
    }

    /// Carries out a storage transaction. An op that is stored is promised to its author from then on.
    fn store(&mut self, id: TabId, save: &Save) -> Result<Saved, Broken> {
        let device = &mut self.devices[id.device];
        let named = save.writes.iter().map(Write::slot).chain(save.only_if.iter().map(|only_if| &only_if.slot));
        own_slots(save.database, named)?;
        let saved = device.disk.save(save);
        if saved == Saved::Done {
            for write in &save.writes {
                if let Write::Put(slot, bytes) = write
                    && slot.table == Table::Ops
                {
                    let op = wire::decode_op(bytes).map_err(|error| Broken {
                        invariant: Invariant::World,
                        says: format!("a stored op cannot be read: {error}"),
                    })?;
                    self.made.insert(op.id, op);
                }
            }
        }
        Ok(saved)
    }

    async fn connect(&mut self, id: TabId) -> Result<(), Broken> {
        // Now and then it neither opens nor fails.
        if self.mishap(40) {
            return Ok(());
        }
        let reachable = self.devices[id.device].online;
        self.lines += 1;
        let line = self.lines;
        let Some(tab) = self.tab(id) else { return Ok(()) };
        tab.line = reachable.then_some(line);
        tab.arrives_ms = [0; 2];
        self.tell(id, if reachable { Event::Connected } else { Event::Disconnected }).await
    }

    /// When the next message of a channel arrives. Usually in order; now and then trouble delays one behind the next.
    fn arrival(&mut self, id: TabId, way: usize) -> i64 {
        let delay = 2 + (self.rng.next_u64() % 40) as i64;
        let reorder = !self.healed && self.rng.next_u64().is_multiple_of(100);
        let now_ms = self.now_ms;
        let Some(tab) = self.tab(id) else { return now_ms + delay };
        if reorder {
            return now_ms + delay * 3;
        }
        tab.arrives_ms[way] = tab.arrives_ms[way].max(now_ms + delay);
        tab.arrives_ms[way]
    }

    fn send(&mut self, id: TabId, bytes: Vec<u8>) {
        let Some(line) = self.tab(id).and_then(|tab| tab.line) else { return };
        let at_ms = self.arrival(id, 0);
        if self.mishap(200) {
            self.at(at_ms + 5, Next::Heard(id, line, bytes.clone()));
        }
        if self.mishap(150) {
            self.note(format!("device {}: a message to the server is lost: {}", id.device, sort_of(&bytes)));
        } else {
            self.at(at_ms, Next::Heard(id, line, bytes));
        }
    }

    async fn heard(&mut self, id: TabId, line: u64, bytes: &[u8]) -> Result<(), Broken> {
        let stands = self.tab(id).is_some_and(|tab| tab.line == Some(line));
        // What was on its way when a line broke may still come out at the other end, unless that is gone too.
        let late = !stands
            && line > self.lines_ended
            && matches!(wire::decode(bytes), Ok(FromDevice::Push(_)))
            && self.rng.next_u64().is_multiple_of(2);
        if stands || late {
            let identity = self.devices[id.device].identity;
            let heard = self.server.hear(line, &identity, bytes).await?;
            self.end_lines_if(heard);
            self.deliver().await?;
        }
        Ok(())
    }

    /// Where the server's process ended, all lines end with it.
    fn end_lines_if(&mut self, heard: Heard) {
        if heard == Heard::Ended {
            self.note("the server ended over a push".to_owned());
            self.end_lines();
        }
    }
    fn end_lines(&mut self) {
        self.lines_ended = self.lines;
        (0..DEVICES).for_each(|device| self.break_lines(device));
    }

    /// Whether something goes wrong that does so once in this many times, while there is trouble.
    fn mishap(&mut self, once_in: u64) -> bool {
        !self.healed && self.rng.next_u64().is_multiple_of(once_in)
    }

    /// Puts everything the server has to say on its way: lost, twice or late while there is trouble.
    async fn deliver(&mut self) -> Result<(), Broken> {
        for (line, bytes) in self.server.says() {
            let Some(id) = self.tab_of(line) else { continue };
            let at_ms = self.arrival(id, 1);
            let Some(bytes) = bytes else {
                self.server.leave(line);
                self.at(at_ms, Next::Closed(id, line));
                continue;
            };
            let fate = if self.healed { 1_000 } else { self.rng.next_u64() % 300 };
            match fate {
                0 | 1 => self.note(format!("device {}: a message is lost: {}", id.device, sort_of(&bytes))),
                2 => {
                    self.note(format!("device {}: the line breaks with a message on it", id.device));
                    self.break_line(id);
                }
                3 => {
                    self.at(at_ms, Next::Said(id, line, bytes.clone()));
                    self.at(at_ms + 7, Next::Said(id, line, bytes));
                }
                _ => self.at(at_ms, Next::Said(id, line, bytes)),
            }
        }
        Ok(())
    }

    fn tab_of(&self, line: u64) -> Option<TabId> {
        (0..DEVICES).flat_map(|device| (0..TABS).map(move |tab| (device, tab))).find_map(|(device, tab)| {
            let open = self.devices[device].tabs[tab].as_ref()?;
            (open.line == Some(line)).then_some(TabId { device, tab, life: open.life })
        })
    }

    fn hang_up(&mut self, id: TabId) {
        if let Some(line) = self.tab(id).and_then(|tab| tab.line.take()) {
            self.server.leave(line);
        }
    }
    /// The channel breaks without either side wanting it.
    fn break_line(&mut self, id: TabId) {
        if self.tab(id).is_some_and(|tab| tab.line.is_some()) {
            self.hang_up(id);
            self.soon(50, Next::Event(id, Event::Disconnected));
        }
    }
    fn break_lines(&mut self, device: usize) {
        for tab in 0..TABS {
            if let Some(id) = self.tab_id(device, tab) {
                self.break_line(id);
            }
        }
    }

    async fn open(&mut self, device: usize, tab: usize) -> Result<(), Broken> {
        if self.devices[device].tabs[tab].is_some() {
            return Ok(());
        }
        self.devices[device].lives += 1;
        let life = self.devices[device].lives;
        let replica = Replica::of_build(self.devices[device].identity, build(self.devices[device].updates));
        let effects = replica.start();
        self.devices[device].tabs[tab] = Some(Tab::new(life, replica));
        self.carry_out(TabId { device, tab, life }, effects).await?;
        if self.devices[device].leader.is_none() {
            self.elect(device, tab);
        }
        Ok(())
    }

    fn kill(&mut self, device: usize, tab: usize) {
        if let Some(id) = self.tab_id(device, tab) {
            self.hang_up(id);
        }
        self.devices[device].tabs[tab] = None;
        if self.devices[device].leader == Some(tab) {
            self.pass_on(device);
        }
    }

    /// The lock goes to another tab that waits for it, if there is one.
    fn pass_on(&mut self, device: usize) {
        self.devices[device].leader = None;
        let waits = |tab: &Option<Tab>| tab.as_ref().is_some_and(|tab| tab.stands);
        if let Some(heir) = self.devices[device].tabs.iter().position(waits) {
            self.elect(device, heir);
        }
    }

    fn stand_down(&mut self, id: TabId) {
        if let Some(tab) = self.tab(id) {
            tab.stands = false;
            if self.devices[id.device].leader == Some(id.tab) {
                self.pass_on(id.device);
            }
        }
    }

    async fn thaw(&mut self, device: usize, tab: usize) -> Result<(), Broken> {
        let Some(id) = self.tab_id(device, tab) else { return Ok(()) };
        let missed = match self.tab(id) {
            Some(tab) => {
                tab.frozen = false;
                std::mem::take(&mut tab.missed)
            }
            None => return Ok(()),
        };
        for event in missed {
            self.tell(id, event).await?;
        }
        Ok(())
    }

    async fn step(&mut self, step: Step) -> Result<(), Broken> {
        if !matches!(step.what, What::Edit { .. } | What::Administer | What::Decide { .. }) {
            self.note(format!("{:?}", step.what));
        }
        match step.what {
            What::Edit { device, tab } => self.edit(device, tab, step.dice, Doing::Work).await,
            What::Decide { device, tab } => match self.tab_id(device, tab) {
                Some(id) => self.decide(id, step.dice).await,
                None => Ok(()),
            },
            What::Review => {
                self.server.review(step.dice).await?;
                self.deliver().await
            }
            What::Administer => self.edit(0, 0, step.dice, Doing::Administration).await,
            What::Cut { device } => {
                self.devices[device].online = false;
                self.break_lines(device);
                Ok(())
            }
            What::Mend { device } => {
                self.devices[device].online = true;
                self.nudge(device);
                Ok(())
            }
            What::Drop { device } => {
                self.break_lines(device);
                Ok(())
            }
            What::Kill { device, tab } => {
                self.kill(device, tab);
                Ok(())
            }
            What::Open { device, tab } => self.open(device, tab).await,
            What::Freeze { device, tab } => {
                if let Some(tab) = self.devices[device].tabs[tab].as_mut() {
                    tab.frozen = true;
                }
                Ok(())
            }
            What::Thaw { device, tab } => self.thaw(device, tab).await,
            What::Brink { device, tab } => {
                let brink = if step.dice.is_multiple_of(2) { Brink::Before } else { Brink::After };
                self.devices[device].brinks[tab] = Some(brink);
                Ok(())
            }
            What::CrashServer => {
                self.end_lines();
                self.server.crash();
                Ok(())
            }
            What::BrinkServer => {
                self.server.totter(step.dice);
                Ok(())
            }
            What::FillServer => self.server.room(Room::None).await,
            What::FreeServer => self.server.room(Room::Enough).await,
            What::UpdateServer => {
                self.end_lines();
                self.server.update();
                Ok(())
            }
            What::Update { device } => self.update(device).await,
            What::Dismiss { member } => {
                self.server.change(SystemChange::Leave { member: self.server.members[member] }).await?;
                self.deliver().await
            }
            What::Readmit { member } => {
                let (name, role) = ("Member".to_owned(), Role::Member);
                self.server.change(SystemChange::Join { member: self.server.members[member], name, role }).await?;
                self.deliver().await?;
                for device in (0..DEVICES).filter(|device| member_of(*device) == member) {
                    self.reload(device, Link::Revoked).await?;
                }
                Ok(())
            }
            What::Backup => self.server.backup().await,
            What::Restore => {
                self.end_lines();
                self.restores += u64::from(self.server.restore().await?);
                Ok(())
            }
            What::Compact => self.server.compact().await,
            What::Misread { device } => {
                let database = if step.dice.is_multiple_of(2) { Database::Base } else { Database::Outbox };
                self.devices[device].fails = Some(database);
                Ok(())
            }
            What::Fill { device } => {
                self.devices[device].disk.full = true;
                Ok(())
            }
            What::Free { device } => {
                self.devices[device].disk.full = false;
                Ok(())
            }
            What::Evict { device } => {
                // A browser evicts what no open tab uses.
                (0..TABS).for_each(|tab| self.kill(device, tab));
                self.devices[device].disk.evict();
                Ok(())
            }
            What::Skew { device } => {
                const TEN_YEARS_MS: u64 = 10 * 365 * 86_400_000;
                self.devices[device].skew_ms = (step.dice % (2 * TEN_YEARS_MS)) as i64 - TEN_YEARS_MS as i64;
                Ok(())
            }
        }
    }

    /// The device gets the build its server has: its tabs are loaded anew.
    async fn update(&mut self, device: usize) -> Result<(), Broken> {
        if self.devices[device].updates == self.server.updates {
            return Ok(());
        }
        self.devices[device].updates = self.server.updates;
        (0..TABS).for_each(|tab| self.kill(device, tab));
        self.open(device, 0).await
    }

    /// A person loads the page anew where the link stands like that.
    async fn reload(&mut self, device: usize, link: Link) -> Result<(), Broken> {
        let stands = |tab: &Tab| tab.replica.status().link == link;
        if self.devices[device].tabs.iter().flatten().any(stands) {
            (0..TABS).for_each(|tab| self.kill(device, tab));
            self.open(device, 0).await?;
        }
        Ok(())
    }

    fn nudge(&mut self, device: usize) {
        for tab in 0..TABS {
            if let Some(id) = self.tab_id(device, tab) {
                self.soon(20, Next::Event(id, Event::Nudged));
            }
        }
    }

    async fn edit(&mut self, device: usize, tab: usize, dice: u64, doing: Doing) -> Result<(), Broken> {
        let Some(id) = self.tab_id(device, tab) else { return Ok(()) };
        let members = self.server.members.clone();
        let Some(open) = self.tab(id).filter(|tab| !tab.frozen) else { return Ok(()) };
        let sees = shown(&open.replica);
        let mut person = people::Person::new(dice, &sees, &members);
        let drafts = match doing {
            Doing::Work => person.edit(),
            Doing::Administration => person.administer(),
        };
        if drafts.is_empty() {
            return Ok(());
        }
        let mut ids = ChaCha8Rng::seed_from_u64(!dice);
        let intent = IntentId(minted(&mut ids));
        let drafts: Vec<_> = drafts.into_iter().map(|draft| (OpId(minted(&mut ids)), draft)).collect();
        for (op, draft) in &drafts {
            self.note(format!("device {device} tab {tab} {} (op {op})", people::told(draft)));
        }
        self.tell(id, Event::Act { intent, drafts }).await
    }

    /// The end of all trouble: everything is there, reachable and running again.
    async fn heal(&mut self) -> Result<(), Broken> {
        self.healed = true;
        self.note("everything heals".to_owned());
        self.server.room(Room::Enough).await?;
        for device in 0..DEVICES {
            self.devices[device].disk.full = false;
            self.devices[device].fails = None;
            self.devices[device].online = true;
            for tab in 0..TABS {
                self.thaw(device, tab).await?;
            }
            // Copies that lost their storage live in memory until their tab is closed, as the banner says.
            for tab in 0..TABS {
                let memory_only = self.devices[device].tabs[tab]
                    .as_ref()
                    .is_some_and(|tab| tab.replica.status().memory == Memory::MemoryOnly);
                if memory_only {
                    self.kill(device, tab);
                }
            }
            self.update(device).await?;
            self.reload(device, Link::Revoked).await?;
            self.open(device, 0).await?;
            self.nudge(device);
        }
        Ok(())
    }
}

/// What a person is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// Their work.
    Work,
    /// Who may do and see what.
    Administration,
}

/// What a message is, for a person who reads a failure.
fn sort_of(bytes: &[u8]) -> &'static str {
    if let Ok(message) = wire::decode::<FromServer>(bytes) {
        return match message {
            FromServer::Welcome(_) => "the welcome",
            FromServer::Frame(_) => "a frame",
            FromServer::Pushed(_) => "receipts",
            FromServer::Pulled(_) => "what was pulled",
            FromServer::Beat { .. } => "a beat",
            FromServer::ScopeJoin(_) => "word of a scope to join",
            FromServer::ScopeLeave(_) => "word of a scope to leave",
            FromServer::Refused { .. } => "a refusal",
        };
    }
    match wire::decode::<FromDevice>(bytes) {
        Ok(FromDevice::Hello(_)) => "a hello",
        Ok(FromDevice::Push(_)) => "a push",
        Ok(FromDevice::Pull(_)) => "a pull",
        Ok(FromDevice::Follow(_)) => "a follow",
        Ok(FromDevice::Beat) => "a beat",
        Err(_) => "unreadable",
    }
}

/// Everything a copy shows.
fn shown(replica: &Replica) -> Vec<Record> {
    replica.keys().into_iter().filter_map(|key| replica.view(key)).map(|record| (*record).clone()).collect()
}

/// An id out of the seed's dice.
pub fn minted(rng: &mut ChaCha8Rng) -> Uuid {
    uuid::Builder::from_random_bytes(Uuid::from_u64_pair(rng.next_u64(), rng.next_u64()).into_bytes()).into_uuid()
}
