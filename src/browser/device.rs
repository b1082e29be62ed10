//! The device of this tab: hands what happens to the replica, one event after the other, carries out what it wants, and feeds
//! the screens. It lives as long as the page. It knows no rules: whatever decides stands in `sync::replica`.

use crate::api::ApiError;
use crate::api::account;
use crate::api::incident::{self, Reported};
use crate::api::review::{Activity, activity};
use crate::api::seed::Viewer;
use crate::api::workspace::{Presence, presence, register_device};
use crate::app::format;
use crate::app::records::{
    Device as Asked, Kept, Leaving, Link, Records, Status, Storage as Space, TabRole, ThisDevice,
};
use crate::browser::chunks::Chunks;
use crate::browser::clock::pause;
use crate::browser::line::Line;
use crate::browser::storage::{Job, Storage};
use crate::browser::tabs::Tabs;
use crate::browser::worker::Worker;
use crate::browser::{clock, file, profile};
use crate::model::id::{IntentId, OpId};
use crate::model::record::{Key, Record};
use crate::model::scope::Scope;
use crate::sync::op::{Code, Reason};
use crate::sync::replica::{
    Database, Draft, Effect, Event, Identity, Incident, Missing, Place, Refused, Replica, Timer, Waiting,
};
use crate::sync::schema::Schema;
use crate::sync::wire::SnapshotWanted;
use js_sys::{Function, Promise, Reflect};
use leptos::ev;
use leptos::leptos_dom::helpers::TimeoutHandle;
use leptos::prelude::{GetUntracked, document, set_timeout_with_handle, window, window_event_listener};
use leptos::task::spawn_local;
use send_wrapper::SendWrapper;
use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Between two looks for a newer build, milliseconds: a page that is open for days should hear of it within the hour.
const UPDATE_LOOK_MS: i64 = 60 * 60 * 1_000;

/// Between two looks whether everything has been stored, milliseconds, and how many there are: a disk that takes longer than
/// these two seconds has a fault.
const STORING_LOOK_MS: i32 = 50;
const STORING_LOOKS_MAX: u32 = 40;

/// The device of this tab.
pub struct Device {
    me: Identity,
    records: Records,
    replica: RefCell<Replica>,
    /// What happened and was not told to the replica yet. One event may bring several; the replica hears one at a time.
    events: RefCell<VecDeque<Event>>,
    stepping: Cell<bool>,
    /// The databases that have not been read yet.
    unread: Cell<u32>,
    /// What the server drew on this page, until the replica knows of it.
    drawn: RefCell<Vec<Arc<Record>>>,
    /// Records that are not shown yet, because the page the server rendered is newer than the copy; `None` once it has
    /// caught up.
    held_back: RefCell<Option<BTreeSet<Key>>>,
    /// The act that a screen waits for, and why it was not taken.
    acting: Cell<Option<IntentId>>,
    refused: RefCell<Vec<Reason>>,
    timers: RefCell<BTreeMap<Timer, TimeoutHandle>>,
    storage: Rc<Storage>,
    tabs: Rc<Tabs>,
    line: Rc<Line>,
    chunks: Rc<Chunks>,
    worker: Option<Rc<Worker>>,
    looked_ms: Cell<i64>,
    /// Whether the server has been told of this device since the page was opened.
    introduced: Cell<bool>,
    /// What the person has as a file.
    exported: RefCell<BTreeSet<OpId>>,
    /// Whether it is marked that edits wait; `None` until it was looked at.
    marked_waiting: Cell<Option<bool>>,
    /// Whether this browser remembers who is signed in; one that has no room to would look signed out for ever.
    remembered: bool,
    /// What was in the tray when its person was last told; `None` until everything stored has been read.
    known_refused: RefCell<Option<BTreeSet<Place>>>,
    /// Whether this person's session here has ended: nothing is carried out any more.
    left: Cell<bool>,
}

/// Opens this person's copy and gives the screens their device.
pub async fn start(records: Records, viewer: Viewer, worker: Option<Rc<Worker>>) {
    let (workspace, member) = (viewer.workspace, viewer.member);
    // Nothing that is stored here is on the screens yet.
    let drawn = records.peek_all();
    // The device that the answers of its parts go to exists a moment after them.
    let place: Rc<RefCell<Weak<Device>>> = Rc::default();
    let tell = move |place: &Rc<RefCell<Weak<Device>>>| {
        let place = place.clone();
        move |event| {
            if let Some(device) = place.borrow().upgrade() {
                device.tell(event);
            }
        }
    };
    let storage = Storage::new(workspace, member, tell(&place));
    if !storage.prepare().await {
        records.tell(
            "This browser's storage does not answer. What you do on this page appears and is sent as soon as it does, or in a few seconds without it. Keep the page open.",
            None,
        );
    }
    let me = Identity { workspace, member, device: profile::device(), incarnation: profile::life(workspace, member) };
    let device = Rc::new(Device {
        me,
        records,
        replica: RefCell::new(Replica::new(me)),
        events: RefCell::default(),
        stepping: Cell::new(false),
        unread: Cell::new(0),
        drawn: RefCell::new(drawn),
        held_back: RefCell::new(Some(BTreeSet::new())),
        acting: Cell::new(None),
        refused: RefCell::default(),
        timers: RefCell::default(),
        storage,
        tabs: Tabs::new(format!("tidemark-{workspace}-{member}"), tell(&place)),
        line: Line::new(member, tell(&place)),
        chunks: Chunks::new(member),
        worker,
        looked_ms: Cell::new(clock::now_ms()),
        introduced: Cell::new(false),
        exported: RefCell::default(),
        marked_waiting: Cell::new(None),
        remembered: profile::viewer().is_some_and(|kept| kept.member == member),
        known_refused: RefCell::default(),
        left: Cell::new(false),
    });
    *place.borrow_mut() = Rc::downgrade(&device);
    device.listen();
    let effects = device.replica.borrow().start();
    device.carry_out(effects);
    device.tabs.join();
    device.measure();
}

impl Device {
    /// Something happened.
    fn tell(self: &Rc<Self>, event: Event) {
        let read = matches!(event, Event::Loaded(..) | Event::LoadFailed(_) | Event::Unavailable(_));
        self.events.borrow_mut().push_back(event);
        if !self.stepping.replace(true) {
            while let Some(event) = self.next() {
                let effects = self.replica.borrow_mut().step(clock::moment(), event);
                self.carry_out(effects);
            }
            self.stepping.set(false);
        }
        if read && self.unread.get() > 0 {
            self.unread.set(self.unread.get() - 1);
            if self.unread.get() == 0 {
                self.attach();
            }
        }
    }

    fn next(&self) -> Option<Event> {
        self.events.borrow_mut().pop_front()
    }

    fn carry_out(self: &Rc<Self>, effects: Vec<Effect>) {
        for effect in effects {
            if self.left.get() {
                return;
            }
            match effect {
                Effect::Load(database) => {
                    if !self.attached() {
                        self.unread.set(self.unread.get() + 1);
                    }
                    self.storage.ask(database, Job::Load);
                }
                Effect::Read { database, saves, slots } => self.storage.ask(database, Job::Read { saves, slots }),
                Effect::Save(save) => self.storage.ask(save.database, Job::Save(save)),
                Effect::Connect => self.line.connect(),
                Effect::Send(message) => self.line.send(message),
                Effect::Post(push) => self.line.post(push),
                Effect::Hangup => self.line.hang_up(),
                Effect::Fetch(wanted) => self.fetch(wanted),
                Effect::Wake { timer, after_ms } => self.wake(timer, after_ms),
                Effect::Tell(notice) => self.tabs.say(&notice),
                Effect::TakeOver => self.tabs.take_over(),
                Effect::StandDown => self.tabs.stand_down(),
                Effect::Show(keys) => self.show(&keys),
                Effect::Say(status) => self.say(status),
                Effect::Complete(scope) => {
                    self.records.set_complete(scope);
                    self.describe();
                    self.measure();
                }
                Effect::Purged(_) => self.describe(),
                Effect::Refuse(intent, reasons) => self.refuse(intent, reasons),
                Effect::Report(incident) => self.report(&incident),
            }
        }
    }

    // What screens see.

    fn attached(&self) -> bool {
        self.records.device().is_some()
    }

    /// Everything stored has been read: from now on screens act on this device.
    fn attach(self: &Rc<Self>) {
        if self.attached() {
            return;
        }
        for scope in self.replica.borrow().tidemarks().keys() {
            self.records.set_complete(*scope);
        }
        self.describe();
        self.tell(Event::Drawn(self.drawn.take()));
        self.records.attach(Arc::new(Handle(SendWrapper::new(self.clone()))), None);
    }

    /// A page that was rendered a moment ago may be newer than the copy: what it shows stays until the copy has caught up.
    fn show(&self, keys: &BTreeSet<Key>) {
        let replica = self.replica.borrow();
        let mut shown: Vec<_> = keys.iter().map(|key| replica.shown(*key)).collect();
        drop(replica);
        if let Some(held_back) = self.held_back.borrow_mut().as_mut() {
            shown.retain(|shown| {
                let seq = shown.record.as_ref().map(|record| record.seq);
                let rendered = self.records.peek(shown.key).map(|record| record.seq);
                let older = shown.waiting == Waiting::Nothing && seq.is_some() && rendered > seq;
                if older {
                    held_back.insert(shown.key);
                }
                !older
            });
        }
        self.records.apply(shown);
    }

    /// The copy has caught up with the page, so nothing is held back any more.
    fn show_rest(&self, status: &Status) {
        let caught_up = status.link == Link::Live
            && !status
                .missing
                .iter()
                .any(|missing| matches!(missing, Missing::Unheard | Missing::Arriving { .. } | Missing::Behind { .. }));
        let rest = if caught_up { self.held_back.borrow_mut().take() } else { None };
        if let Some(rest) = rest {
            self.show(&rest);
        }
    }

    fn say(&self, status: Status) {
        let replica = self.replica.borrow();
        let pending = replica.pending().cloned().collect();
        let tray: Vec<Refused> = replica.tray().cloned().collect::<Vec<_>>().into_iter().rev().collect();
        drop(replica);
        self.show_rest(&status);
        self.tell_of_refusals(&tray);
        if status.link == Link::Live && !self.introduced.replace(true) {
            self.introduce();
        }
        let cut_off = status.link == Link::Offline && status.waiting > 0;
        // While a connection is there an edit waits for moments only.
        if status.waiting == 0 || status.link != Link::Live {
            self.mark_waiting(status.waiting > 0);
        }
        self.records.set_status(status, pending, tray);
        self.describe();
        if cut_off {
            self.push_later();
        }
    }

    /// An edit that is refused goes from where it was made, so its person is told where it is now.
    fn tell_of_refusals(&self, tray: &[Refused]) {
        if !self.attached() {
            return;
        }
        let places: BTreeSet<Place> = tray.iter().map(|refused| refused.place).collect();
        let Some(known) = self.known_refused.replace(Some(places)) else { return };
        let new: Vec<&Refused> = tray.iter().filter(|refused| !known.contains(&refused.place)).collect();
        let Some(newest) = new.first() else { return };
        let count = format::count(i64::try_from(new.len()).unwrap_or(i64::MAX), "edit was", "edits were");
        let says = &newest.entry.reason.says;
        self.records.tell(format!("{count} not accepted and can be found in the sync centre. {says}"), None);
    }

    /// Lets the members know by which name a conflict may call this device.
    fn introduce(&self) {
        let (member, device) = (self.me.member, self.me.device);
        let name = format::browser(&window().navigator().user_agent().unwrap_or_default());
        spawn_local(async move {
            // The next page says it again; until then the device goes by its number.
            if let Err(error) = register_device(member, device, name).await {
                leptos::logging::warn!("the server was not told of this device: {error}");
            }
        });
    }

    fn describe(&self) {
        let replica = self.replica.borrow();
        self.records.set_this_device(ThisDevice {
            id: self.me.device.to_string(),
            incarnation: self.me.incarnation,
            tidemarks: replica.tidemarks().into_iter().collect(),
            role: if replica.leads() { TabRole::Leads } else { TabRole::Follows },
        });
    }

    fn refuse(&self, intent: IntentId, reasons: Vec<Reason>) {
        if self.acting.get() == Some(intent) {
            *self.refused.borrow_mut() = reasons;
        } else {
            let says: Vec<_> = reasons.into_iter().map(|reason| reason.says).collect();
            self.records.tell(says.join(" "), None);
        }
    }

    fn report(&self, incident: &Incident) {
        leptos::logging::warn!("{incident:?}");
        if let Some(reported) = for_the_server(incident) {
            let (member, device) = (self.me.member, self.me.device);
            spawn_local(async move {
                // What was to be mended is mended; whether somebody hears of it changes nothing here.
                if let Err(error) = incident::report(member, device, reported).await {
                    leptos::logging::warn!("the server was not told: {error}");
                }
            });
        }
        if *incident == Incident::Stranger {
            self.records.tell(
                "Somebody else is signed in on this browser now. Your edits are kept here and were not sent; sign in again to send them.",
                None,
            );
        }
    }

    // What the network and the clock do.

    fn fetch(self: &Rc<Self>, wanted: SnapshotWanted) {
        let device = self.clone();
        spawn_local(async move {
            let chunk = device.chunks.fetch(&wanted).await;
            device.tell(Event::Fetched(wanted, chunk));
        });
    }

    fn wake(self: &Rc<Self>, timer: Timer, after_ms: u64) {
        if let Some(before) = self.timers.borrow_mut().remove(&timer) {
            before.clear();
        }
        let device = self.clone();
        let ring = move || {
            device.timers.borrow_mut().remove(&timer);
            device.tell(Event::Rung(timer));
        };
        match set_timeout_with_handle(ring, Duration::from_millis(after_ms)) {
            Ok(handle) => {
                self.timers.borrow_mut().insert(timer, handle);
            }
            Err(error) => leptos::logging::warn!("a timer was refused: {error:?}"),
        }
    }

    /// The browser knows first when the network goes or comes, and when a person comes to look.
    fn listen(self: &Rc<Self>) {
        // Each listens as long as the page lives.
        let device = self.clone();
        drop(window_event_listener(ev::online, move |_| device.tell(Event::Nudged)));
        let device = self.clone();
        drop(window_event_listener(ev::focus, move |_| device.come_back()));
        let device = self.clone();
        drop(window_event_listener(ev::pageshow, move |_| device.come_back()));
        let device = self.clone();
        drop(window_event_listener(ev::offline, move |_| device.line.cut()));
        let device = self.clone();
        drop(window_event_listener(ev::storage, move |_| device.leave_if_signed_out()));
        let device = self.clone();
        drop(window_event_listener(ev::visibilitychange, move |_| {
            if document().hidden() {
                device.go_dark();
            } else {
                device.come_back();
                device.look_for_update();
            }
        }));
    }

    /// Somebody looks at the page again, which may have been stopped for long.
    fn come_back(self: &Rc<Self>) {
        self.leave_if_signed_out();
        self.tell(Event::Nudged);
    }

    /// Another tab ended this person's session here, or began somebody else's: whoever sits here now sees nothing of theirs in this
    /// one either. The same person in another workspace is no reason.
    fn leave_if_signed_out(&self) {
        let Some(viewer) = self.records.viewer().try_get_untracked().flatten() else { return };
        let now = profile::viewer();
        if !self.remembered || now.as_ref().is_some_and(|now| now.email == viewer.email) || self.left.replace(true) {
            return;
        }
        self.line.hang_up();
        crate::app::dom::load(if now.is_some() { "/" } else { "/sign-in" });
    }

    /// The tab may be closed now: what waits is left to the service worker.
    fn go_dark(&self) {
        if self.replica.borrow().status().waiting > 0 {
            self.mark_waiting(true);
            self.push_later();
        }
    }

    /// For whoever comes to the page for signing in.
    fn mark_waiting(&self, waits: bool) {
        if self.marked_waiting.replace(Some(waits)) != Some(waits) {
            profile::mark_waiting(self.me.workspace, self.me.member, waits);
        }
    }

    fn push_later(&self) {
        if let Some(worker) = &self.worker {
            worker.push_later();
        }
    }

    fn look_for_update(&self) {
        let now_ms = clock::now_ms();
        if now_ms - self.looked_ms.get() < UPDATE_LOOK_MS {
            return;
        }
        self.looked_ms.set(now_ms);
        if let Some(worker) = &self.worker {
            worker.look_for_update();
        }
    }

    // What this browser keeps.

    /// Asks the browser how much space is used, and tells the screens.
    fn measure(self: &Rc<Self>) {
        let device = self.clone();
        spawn_local(async move {
            let estimate = manager_call("estimate").await;
            let figure = |name: &str| {
                let figure =
                    estimate.as_ref().and_then(|estimate| Reflect::get(estimate, &JsValue::from_str(name)).ok());
                figure.and_then(|figure| figure.as_f64()).unwrap_or_default() as u64
            };
            let kept = match manager_call("persisted").await.and_then(|kept| kept.as_bool()) {
                Some(true) => Kept::Persistent,
                Some(false) => Kept::BestEffort,
                None => Kept::Unknown,
            };
            device.records.set_storage(Space { used_bytes: figure("usage"), quota_bytes: figure("quota"), kept });
        });
    }

    fn persist(self: &Rc<Self>) {
        let device = self.clone();
        spawn_local(async move {
            if manager_call("persist").await.and_then(|kept| kept.as_bool()) == Some(false) {
                device.records.tell(
                    "The browser did not promise to keep this. It usually does once Tidemark is installed or often used.",
                    None,
                );
            }
            device.measure();
        });
    }

    fn export(&self, ops: &[OpId]) -> Result<(), JsValue> {
        let frozen = self.replica.borrow().export(ops);
        let text = file::write(self.me.workspace, self.me.member, frozen.iter().map(Vec::as_slice));
        file::offer("tidemark-edits.json", &text)?;
        let held = self.held().into_iter().filter(|op| ops.is_empty() || ops.contains(op));
        self.exported.borrow_mut().extend(held);
        Ok(())
    }

    /// What of this person's edits is here and may not be on the server.
    fn held(&self) -> Vec<OpId> {
        let replica = self.replica.borrow();
        let refused = replica.tray().filter_map(Refused::id);
        replica.pending().map(|pending| pending.op.id).chain(refused).collect()
    }

    /// Switches to the newer build once everything that was typed is on the disk.
    async fn update(self: Rc<Self>) {
        for _ in 0..STORING_LOOKS_MAX {
            if !self.records.is_storing() {
                return match &self.worker {
                    Some(worker) => worker.update(),
                    None => crate::app::dom::load(""),
                };
            }
            pause(STORING_LOOK_MS).await;
        }
        self.records.tell("An edit is still being stored on this device. Update again in a moment.", None);
    }

    /// The session ends on the server first: if that cannot be reached, nothing is done here either. The copies of every
    /// workspace go, for whoever sits down here next; outboxes stay, unless the person has this one as a file. What nothing stores
    /// cannot stay.
    async fn sign_out(self: Rc<Self>, pending: Leaving) {
        if pending == Leaving::Keep && self.records.ends_with_the_page() {
            self.records
                .tell("You are still signed in: this browser keeps nothing, so what waits would be lost.", None);
            return;
        }
        if pending == Leaving::Remove && self.held().iter().any(|op| !self.exported.borrow().contains(op)) {
            self.records
                .tell("You are still signed in: something was edited after the file was made. Save it again.", None);
            return;
        }
        if let Err(error) = account::sign_out().await {
            self.records.tell(format!("You are still signed in. {error}"), None);
            return;
        }
        self.left.set(true);
        self.line.hang_up();
        let holds_edits = {
            let replica = self.replica.borrow();
            replica.pending().next().is_some() || replica.tray().next().is_some()
        };
        // What another tab stores from here on stays, because nobody has it as a file.
        let has_all = self.held().iter().all(|op| self.exported.borrow().contains(op));
        profile::forget_viewer();
        self.storage.remove_copies().await;
        let goes = !holds_edits || (pending == Leaving::Remove && has_all);
        if goes {
            self.storage.remove(Database::Outbox).await;
        }
        let waits = !goes && self.replica.borrow().pending().next().is_some();
        self.mark_waiting(waits);
        self.records.give_up();
        crate::app::dom::load("/sign-in");
    }
}

/// What whoever runs the server should hear of: not what was in it.
fn for_the_server(incident: &Incident) -> Option<Reported> {
    match incident {
        Incident::Checksum { scope, theirs, ours } => {
            Some(Reported::Checksum { scope: *scope, theirs: *theirs, ours: *ours })
        }
        Incident::Stored(_) => Some(Reported::Stored),
        Incident::Unreadable(_) => Some(Reported::Unreadable),
        Incident::Epoch { was, now } => Some(Reported::Epoch { was: *was, now: *now }),
        Incident::Storage(_) => Some(Reported::Storage),
        // The session is somebody else's, in whose name nothing is said.
        Incident::Stranger => None,
    }
}

/// Calls a method of `navigator.storage`, which some engines lack in part or as a whole.
async fn manager_call(method: &str) -> Option<JsValue> {
    let manager = Reflect::get(&window().navigator(), &JsValue::from_str("storage")).ok()?;
    let method: Function = Reflect::get(&manager, &JsValue::from_str(method)).ok()?.dyn_into().ok()?;
    let promise: Promise = method.call0(&manager).ok()?.dyn_into().ok()?;
    JsFuture::from(promise).await.ok()
}

/// What the screens hold. A page has one thread, so the wrapper never meets another.
struct Handle(SendWrapper<Rc<Device>>);

impl Asked for Handle {
    fn act(&self, drafts: Vec<Draft>) -> Result<IntentId, Vec<Reason>> {
        if self.0.left.get() {
            let says = "You were signed out on this browser, so this was not done. What waited is kept; sign in again.";
            return Err(vec![Reason { code: Code::Forbidden, field: None, says: says.to_owned() }]);
        }
        let intent = IntentId(Uuid::now_v7());
        let drafts = drafts.into_iter().map(|draft| (OpId(Uuid::now_v7()), draft)).collect();
        self.0.acting.set(Some(intent));
        self.0.tell(Event::Act { intent, drafts });
        self.0.acting.set(None);
        let reasons = std::mem::take(&mut *self.0.refused.borrow_mut());
        if reasons.is_empty() { Ok(intent) } else { Err(reasons) }
    }
    fn retry(&self, op: OpId) {
        let needed = self.0.replica.borrow().retries(op);
        let ids = (0..needed).map(|_| OpId(Uuid::now_v7())).collect();
        self.0.tell(Event::Retry { op, intent: IntentId(Uuid::now_v7()), ids });
    }
    fn discard(&self, op: OpId) {
        self.0.tell(Event::Discard(op));
    }
    fn discard_unreadable(&self, place: u64) {
        self.0.tell(Event::DiscardUnreadable(place));
    }
    fn export(&self, ops: Vec<OpId>) {
        if let Err(error) = self.0.export(&ops) {
            leptos::logging::warn!("no file: {error:?}");
            self.0.records.tell("The file could not be offered. The edits are still here; try again.", None);
        }
    }
    fn import(&self, text: String) {
        match file::read(self.0.me.workspace, self.0.me.member, &text) {
            Ok(ops) => {
                let beyond = ops.iter().filter(|op| Schema::CURRENT.read_op(op).is_err()).count();
                if beyond > 0 {
                    self.0.records.tell(
                        format!(
                            "{} of {} edits in this file cannot be read by this version of Tidemark and were left out. Keep \
                             the file, and import it again once Tidemark is up to date.",
                            beyond,
                            ops.len()
                        ),
                        None,
                    );
                }
                self.0.tell(Event::Import(ops));
            }
            Err(why) => self.0.records.tell(why.to_string(), None),
        }
    }
    fn open(&self, scope: Scope) {
        self.0.tell(Event::Open(scope));
    }
    fn persist(&self) {
        self.0.persist();
    }
    fn update(&self) {
        spawn_local((*self.0).clone().update());
    }
    fn look_back(&self, then: Box<dyn FnOnce(Result<Activity, ApiError>)>) {
        let member = self.0.me.member;
        spawn_local(async move { then(activity(member).await) });
    }
    fn look_around(&self, then: Box<dyn FnOnce(Result<Presence, ApiError>)>) {
        let member = self.0.me.member;
        spawn_local(async move { then(presence(member).await) });
    }
    fn sign_out(&self, pending: Leaving) {
        let device: Rc<Device> = (*self.0).clone();
        spawn_local(device.sign_out(pending));
    }
}
