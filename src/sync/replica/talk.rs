//! The conversation with the server: connecting and being patient, hello and welcome, one push in flight, pulls where a
//! frame went missing. Whatever is not an answer we can read changes nothing and is asked again later.

use crate::model::id::OpId;
use crate::model::record::Version;
use crate::model::scope::Scope;
use crate::sync::mutant::{Mutant, planted};
use crate::sync::replica::act::PUSH_BYTES_MAX;
use crate::sync::replica::keep::Tab;
use crate::sync::replica::{
    Alive, Effect, Incident, Link, Notice, Pending, PendingState, Place, Replica, Timer, Tray, Write,
};
use crate::sync::wire::SnapshotWanted;
use crate::sync::wire::{
    Frame, FromDevice, FromServer, Hello, PROTOCOL, PUSH_OPS_MAX, Pull, Pulled, Push, Pushed, Refusal, SCOPES_MAX,
    ScopeState, Welcome, decode, encode,
};
use serde_bytes::ByteBuf;
use std::collections::{BTreeMap, BTreeSet};

/// The first wait before trying again is anything up to this, milliseconds; each failure doubles it.
const BACKOFF_FIRST_MS: u64 = 400;
/// No wait is longer than this, milliseconds: a person who sees the network return should not wait for us.
const BACKOFF_LONGEST_MS: u64 = 30_000;
/// A server that has not answered for this long is taken for gone, milliseconds.
const ANSWER_WITHIN_MS: u64 = 15_000;
/// A line that is not made and greeted within this is dialled anew, milliseconds: where it was begun without a network, or something
/// on the way swallows it, the browser itself would wait for minutes.
const DIAL_WITHIN_MS: u64 = 20_000;
/// The same once the browser says that there is a network, or somebody comes to look, milliseconds.
const DIAL_NUDGED_WITHIN_MS: u64 = 5_000;
/// A push or a pull that was not answered for this long is taken for lost, milliseconds, on a line that lives
/// otherwise too. On a line too slow for a large push the next ones are smaller, see `Talk::patience`.
const OWN_ANSWER_WITHIN_MS: u64 = 45_000;
/// The same for a chunk of a snapshot, milliseconds: it comes beside the line, is the largest thing that does, and asking for
/// it again while it still trickles in would only slow it down.
const CHUNK_WITHIN_MS: u64 = 240_000;
/// After this much quiet the line is tried, milliseconds: below the minute after which proxies close it.
const BEAT_EVERY_MS: u64 = 20_000;
/// How long a settled op waits for its frame before the device asks for it, milliseconds.
const SETTLE_WITHIN_MS: u64 = 300;
/// Messages in a row that cannot be read before this build is taken for too old to read them: one may be an accident.
const UNREADABLE_MAX: u32 = 1;
/// An intent that was sent alone and not answered this often is sent after all others that do not need it.
const SUSPECT_AFTER: u32 = 3;

/// Where the line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Line {
    /// Not connected, and nothing set that would.
    #[default]
    Down,
    /// Not connected; a timer is set.
    Waiting,
    /// Being made.
    Dialling,
    /// Hello was sent.
    Greeting,
    /// Welcome.
    Open,
}

/// Why there is no line until something outside changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    SignedOut,
    Revoked,
    UpdateNeeded,
}

/// Where the server said a scope stands: its state is the same at every sequence number from its `head` to `as_of`.
#[derive(Debug, Clone)]
pub(super) struct Theirs {
    pub(super) state: ScopeState,
    pub(super) as_of: Version,
}

/// The conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct Talk {
    line: Line,
    stop: Option<Stop>,
    /// Failures in a row.
    attempts: u32,
    /// Whether there was a welcome in this life.
    welcomed: bool,
    /// How far the server's clock is ahead of the device's, milliseconds.
    pub(super) offset_ms: i64,
    /// The workspace's newest sequence number that was heard of.
    pub(super) head: Version,
    /// Where the server said each scope stands.
    pub(super) theirs: BTreeMap<Scope, Theirs>,
    /// Projects the device lacked in which something is assigned to its member.
    pub(super) assigned: BTreeSet<Scope>,
    batch: u64,
    /// The push in flight.
    sent: Vec<Place>,
    /// Quarantined ops of the tray that are in flight instead, to hear what became of them; and those that were asked about in
    /// this conversation.
    asked_after: Vec<Place>,
    heard_of: BTreeSet<Place>,
    /// How many intents one push holds at most: halved when a push is not answered, so that one intent a server cannot
    /// digest is found and does not hold up the others.
    patience: usize,
    /// How often an intent, by its first place, was sent alone and not answered.
    failures: BTreeMap<Place, u32>,
    /// Pushes in a row that the server could not store, and whether the next one waits for that reason.
    push_attempts: u32,
    push_waits: bool,
    /// Somebody who was sent away hears of a new epoch in the answer to a push alone. Up to which op of the outbox one with
    /// nothing in it has asked, and has been answered, so that no op goes before those that a restored server lost.
    asks_epoch: Option<Place>,
    knows_epoch: Option<Place>,
    pub(super) pulling: Option<BTreeSet<Scope>>,
    pub(super) want_pull: BTreeSet<Scope>,
    pub(super) want_follow: BTreeSet<Scope>,
    /// Everything up to here, scopes that were joined included, has been told in this conversation.
    pub(super) told_to: Version,
    beating: bool,
    /// Whether anything was heard since the answer timer was set.
    heard_since: bool,
    /// Scopes that are here and that the last full beat did not name.
    unsaid: BTreeSet<Scope>,
    /// Messages in a row that could not be read.
    unread: u32,
    /// The chunks that were asked for, one of a scope. An answer to anything else came too late.
    pub(super) fetching: BTreeMap<Scope, SnapshotWanted>,
    /// Whether what did not come is asked for again only after a while.
    pub(super) fetch_waits: bool,
    pub(super) fetch_attempts: u32,
    /// Scopes of which a chunk did not come, and how often in a row: the others come first.
    pub(super) fetch_failures: BTreeMap<Scope, u32>,
    /// Scopes a person looked at while they were not here, newest first.
    pub(super) opened: Vec<Scope>,
    /// Ops with a receipt that are still in the outbox.
    pub(super) answered: BTreeSet<Place>,
    /// Whether the server writes what this build cannot read: the tidemarks stay, edits are still sent.
    frozen: bool,
    settle_set: bool,
}

impl Talk {
    /// Whether the server said for good that this person does not belong here any more.
    pub(super) fn revoked(&self) -> bool {
        self.stop == Some(Stop::Revoked)
    }
    /// Whether the server has been heard of in this life.
    pub(super) fn heard(&self) -> bool {
        self.welcomed || self.head > 0
    }
    /// Whether the server has said on this line which history it has.
    pub(super) fn is_open(&self) -> bool {
        self.line == Line::Open
    }
    /// From now on this tab talks.
    pub(super) fn start(&mut self) {
        self.line = Line::Down;
        self.attempts = 0;
        self.fetching.clear();
        self.fetch_waits = false;
    }
    pub(super) fn forget(&mut self, scope: Scope) {
        self.theirs.remove(&scope);
        self.want_pull.remove(&scope);
        self.want_follow.remove(&scope);
        self.fetch_failures.remove(&scope);
        self.fetching.remove(&scope);
    }
    /// Exponential backoff with full jitter: anything from nothing to the bound, so that devices a server lost together do
    /// not return together.
    fn backoff_ms(attempts: u32, jitter: u32) -> u64 {
        let bound = BACKOFF_FIRST_MS.saturating_mul(1 << attempts.min(16)).min(BACKOFF_LONGEST_MS);
        u64::from(jitter) * bound / u64::from(u32::MAX)
    }
}

impl Replica {
    pub(super) fn link(&self) -> Link {
        if self.keeping.tab == Tab::Follows && !self.may_talk() {
            return match self.keeping.owner {
                None | Some(Alive::Joining) => Link::Joining,
                Some(Alive::Live) => Link::Live,
                Some(Alive::Offline) => Link::Offline,
                Some(Alive::SignedOut) => Link::SignedOut,
                Some(Alive::Revoked) => Link::Revoked,
                Some(Alive::UpdateNeeded) => Link::UpdateNeeded,
            };
        }
        match (self.talk.stop, self.talk.line) {
            (Some(Stop::SignedOut), _) => Link::SignedOut,
            (Some(Stop::Revoked), _) => Link::Revoked,
            (Some(Stop::UpdateNeeded), _) => Link::UpdateNeeded,
            (None, Line::Open) if self.talk.frozen => Link::UpdateNeeded,
            (None, Line::Open) => {
                let epoch = self.keeping.head.epoch;
                let complete = self.base.scopes.values().all(|copy| copy.row.leaving || copy.follows(epoch));
                let catching_up = self.talk.pulling.is_some() || !self.talk.want_follow.is_empty();
                if complete && !catching_up { Link::Live } else { Link::Joining }
            }
            (None, _) if self.talk.attempts > 0 => Link::Offline,
            (None, _) => Link::Joining,
        }
    }

    // The line.

    /// Does whatever can be done now: connect, push, pull, fetch, purge.
    pub(super) fn pump(&mut self) {
        if !self.may_talk() {
            return;
        }
        match (self.talk.line, self.talk.stop) {
            (Line::Down, None) => {
                self.talk.line = Line::Dialling;
                self.effects.push(Effect::Connect);
                self.effects.push(Effect::Wake { timer: Timer::Answer, after_ms: DIAL_WITHIN_MS });
            }
            (Line::Down, Some(Stop::Revoked)) => self.hand_in(),
            (Line::Open, _) => {
                self.push();
                if !self.talk.frozen {
                    self.pull();
                    self.fetch();
                }
                self.purge();
                self.refresh();
            }
            _ => {}
        }
        let uncovered = !self.talk.answered.is_empty() && !self.talk.frozen;
        if uncovered && !self.talk.settle_set && self.talk.line == Line::Open {
            self.talk.settle_set = true;
            self.effects.push(Effect::Wake { timer: Timer::Settle, after_ms: SETTLE_WITHIN_MS });
        }
    }

    pub(super) fn connected(&mut self) {
        if self.talk.line != Line::Dialling {
            return;
        }
        let epoch = self.keeping.head.epoch;
        let followed = self.base.scopes.iter().filter(|(_, copy)| copy.follows(epoch));
        let hello = Hello {
            protocol: PROTOCOL,
            schema: self.schema.version,
            device: self.me.device,
            incarnation: self.me.incarnation,
            epoch,
            // Where there are more, the rest is followed after the welcome.
            tidemarks: followed.take(SCOPES_MAX).map(|(scope, copy)| (*scope, copy.row.tidemark)).collect(),
        };
        self.talk.line = Line::Greeting;
        self.send(&FromDevice::Hello(hello));
    }

    fn send(&mut self, message: &FromDevice) {
        match encode(message) {
            Ok(bytes) => {
                self.effects.push(Effect::Send(bytes));
                self.talk.heard_since = false;
                self.effects.push(Effect::Wake { timer: Timer::Answer, after_ms: ANSWER_WITHIN_MS });
            }
            Err(error) => self.effects.push(Effect::Report(Incident::Unreadable(error.to_string()))),
        }
    }

    pub(super) fn disconnected(&mut self) {
        if matches!(self.talk.line, Line::Waiting) {
            return;
        }
        self.lose_line();
        self.wait_to_reconnect();
    }

    fn wait_to_reconnect(&mut self) {
        let revoked = self.talk.stop == Some(Stop::Revoked);
        if self.talk.stop.is_some() && !revoked {
            return;
        }
        let after_ms = Talk::backoff_ms(self.talk.attempts, self.moment.jitter);
        self.talk.attempts = self.talk.attempts.saturating_add(1);
        self.talk.line = Line::Waiting;
        self.effects.push(Effect::Wake { timer: Timer::Reconnect, after_ms });
    }

    /// Everything in flight is as if it had never been sent: it is sent again, with the same bytes.
    fn lose_line(&mut self) {
        self.talk.line = Line::Down;
        self.talk.told_to = 0;
        self.talk.pulling = None;
        self.talk.want_pull.clear();
        self.talk.want_follow.clear();
        self.talk.beating = false;
        self.talk.asks_epoch = None;
        self.talk.asked_after.clear();
        self.talk.heard_of.clear();
        self.talk.unsaid.clear();
        let sent = std::mem::take(&mut self.talk.sent);
        if sent.is_empty() {
            return;
        }
        let intents: BTreeSet<_> =
            sent.iter().filter_map(|place| self.outbox.get(*place)).map(|pending| pending.op.intent).collect();
        self.talk.patience = (intents.len() / 2).max(1);
        if let (1, Some(first)) = (intents.len(), sent.first()) {
            *self.talk.failures.entry(*first).or_default() += 1;
        }
        for place in sent {
            if let Some(pending) = self.outbox.get_mut(place) {
                pending.state = PendingState::Waiting;
            }
        }
        self.stirred = true;
        self.hold_dependents();
    }

    /// Closes the line from this side.
    pub(super) fn hang_up(&mut self) {
        if self.talk.line != Line::Down && self.talk.line != Line::Waiting {
            self.effects.push(Effect::Hangup);
        }
        self.lose_line();
    }

    /// Closes the line and makes it again after a while.
    pub(super) fn start_over(&mut self) {
        self.hang_up();
        self.wait_to_reconnect();
    }

    pub(super) fn unreadable(&mut self, what: String) {
        if !self.talk.frozen {
            self.effects.push(Effect::Report(Incident::Unreadable(what)));
        }
    }

    pub(super) fn nudged(&mut self) {
        if !self.may_talk() {
            self.effects.push(Effect::Tell(Notice::Nudge));
            return;
        }
        self.talk.attempts = 0;
        self.talk.failures.clear();
        self.talk.fetch_waits = false;
        self.talk.push_waits = false;
        // Whoever comes to look wants to know what was decided since.
        self.talk.heard_of.clear();
        if self.talk.stop == Some(Stop::SignedOut) {
            self.talk.stop = None;
        }
        match self.talk.line {
            Line::Waiting => self.talk.line = Line::Down,
            Line::Dialling | Line::Greeting => {
                self.effects.push(Effect::Wake { timer: Timer::Answer, after_ms: DIAL_NUDGED_WITHIN_MS });
            }
            Line::Open if !self.talk.beating => {
                // A machine that slept still believes in a line that is long gone.
                self.talk.beating = true;
                self.send(&FromDevice::Beat);
            }
            _ => {}
        }
    }

    pub(super) fn rung(&mut self, timer: Timer) {
        match timer {
            Timer::Reconnect if self.talk.line == Line::Waiting => self.talk.line = Line::Down,
            Timer::Answer => self.answer_is_due(),
            Timer::Push if self.talk.push_waits => self.talk.push_waits = false,
            Timer::Push if self.talk.asks_epoch.is_some() => self.start_over(),
            Timer::Push if !self.talk.asked_after.is_empty() => self.start_over(),
            Timer::Push if !self.talk.sent.is_empty() && !planted(Mutant::WaitForEver) => self.start_over(),
            Timer::Pull if self.talk.pulling.is_some() => self.start_over(),
            Timer::Beat if self.talk.line == Line::Open => {
                self.talk.beating = true;
                self.send(&FromDevice::Beat);
                self.effects.push(Effect::Wake { timer: Timer::Beat, after_ms: BEAT_EVERY_MS });
            }
            Timer::Settle => self.settle_is_due(),
            Timer::Snapshot if self.talk.fetch_waits => self.talk.fetch_waits = false,
            Timer::Snapshot => self.talk.fetching.clear(),
            Timer::Alive => self.alive_rung(),
            Timer::Reconnect | Timer::Beat | Timer::Push | Timer::Pull => {}
        }
    }

    fn answer_is_due(&mut self) {
        // A greeting is answered by a welcome; frames that come before it say nothing of it.
        let begun = matches!(self.talk.line, Line::Dialling | Line::Greeting);
        let owed = begun
            || !self.talk.sent.is_empty()
            || !self.talk.asked_after.is_empty()
            || self.talk.pulling.is_some()
            || self.talk.beating;
        if !owed || matches!(self.talk.line, Line::Down | Line::Waiting) {
            return;
        }
        if self.talk.heard_since && !begun {
            self.talk.heard_since = false;
            self.effects.push(Effect::Wake { timer: Timer::Answer, after_ms: ANSWER_WITHIN_MS });
        } else {
            self.start_over();
        }
    }

    /// Ops that changed nothing have no frame to come: ask how far their scopes are.
    fn settle_is_due(&mut self) {
        self.talk.settle_set = false;
        let epoch = self.keeping.head.epoch;
        let mut scopes = BTreeSet::new();
        let mut beat = false;
        for pending in self.talk.answered.iter().filter_map(|place| self.outbox.get(*place)) {
            match pending.scope {
                Some(scope) if self.base.scopes.contains_key(&scope) => {
                    scopes.insert(scope);
                }
                // It may be about to be joined; a beat says whether it was.
                Some(_) => beat = true,
                None => scopes.extend(self.base.scopes.keys()),
            }
        }
        if beat && self.talk.line == Line::Open && !self.talk.beating {
            self.talk.beating = true;
            self.send(&FromDevice::Beat);
        }
        scopes.retain(|scope| self.base.scopes.get(scope).is_some_and(|copy| copy.follows(epoch)));
        self.talk.want_pull.extend(scopes);
    }

    // What the server says.

    pub(super) fn received(&mut self, bytes: &[u8]) {
        if matches!(self.talk.line, Line::Down | Line::Waiting) && self.talk.stop != Some(Stop::Revoked) {
            return;
        }
        self.talk.heard_since = true;
        match decode::<FromServer>(bytes) {
            Ok(message) => self.heard(message),
            Err(_) if self.talk.frozen => {}
            Err(error) if self.met_unreadable(error.to_string()) => {}
            Err(_) => self.start_over(),
        }
    }

    /// Something came that this build cannot read. Says whether that is its own fault, so that asking again is useless:
    /// then the tidemarks stay where they are until there is a newer build.
    pub(super) fn met_unreadable(&mut self, what: String) -> bool {
        self.unreadable(what);
        self.talk.unread = self.talk.unread.saturating_add(1);
        let too_old = self.talk.line == Line::Open && self.talk.unread > UNREADABLE_MAX;
        if too_old {
            self.stand_still();
        }
        too_old
    }

    /// Stands still: nothing is applied or asked for in this conversation, edits are still sent.
    pub(super) fn stand_still(&mut self) {
        self.talk.frozen = true;
        self.talk.told_to = 0;
        self.talk.pulling = None;
        self.talk.want_pull.clear();
        self.talk.want_follow.clear();
        self.say_alive_if_leading();
    }

    fn heard(&mut self, message: FromServer) {
        match message {
            FromServer::Welcome(welcome) if self.talk.line == Line::Greeting => self.welcome(welcome),
            FromServer::Pushed(pushed) => self.pushed(pushed),
            FromServer::Refused { refusal, says } => self.refused(refusal, says),
            FromServer::ScopeLeave(scope) if self.talk.line == Line::Open => self.leave(scope),
            _ if self.talk.line != Line::Open || self.talk.frozen => {}
            FromServer::Frame(frame) => {
                let scope = frame.scope;
                let mut writes = Vec::new();
                self.apply_frame(frame, &mut writes);
                if !writes.is_empty() {
                    self.save_base(writes);
                    self.compare(scope);
                }
            }
            FromServer::Pulled(pulled) => self.pulled(pulled),
            FromServer::Beat { head, now_ms, scopes } => self.beat(head, now_ms, scopes),
            FromServer::ScopeJoin(scope) => self.join(scope),
            FromServer::ScopeLeave(_) | FromServer::Welcome(_) => {}
        }
    }

    fn welcome(&mut self, welcome: Welcome) {
        if welcome.workspace != self.me.workspace || welcome.member != self.me.member {
            self.effects.push(Effect::Report(Incident::Stranger));
            self.talk.stop = Some(Stop::SignedOut);
            self.hang_up();
            return;
        }
        if welcome.scopes.is_empty() {
            // Everybody sees the workspace and their own scope. An empty answer is a failure, never a reason to purge.
            self.unreadable("a welcome without any scope".to_owned());
            self.start_over();
            return;
        }
        self.talk.line = Line::Open;
        self.talk.attempts = 0;
        self.talk.welcomed = true;
        self.talk.offset_ms = welcome.now_ms - self.moment.now_ms;
        self.talk.frozen = welcome.schema > self.schema.version;
        self.effects.push(Effect::Wake { timer: Timer::Beat, after_ms: BEAT_EVERY_MS });
        match self.keeping.head.epoch {
            Some(was) if was != welcome.epoch => {
                self.talk.head = welcome.head;
                self.epoch_changed(was, welcome.epoch);
            }
            Some(_) | None => {
                self.keeping.head.epoch = Some(welcome.epoch);
                self.offer_settled_again();
            }
        }
        self.talk.head = self.talk.head.max(welcome.head);
        self.talk.told_to = if self.talk.frozen { 0 } else { welcome.head };
        let theirs = |state: &ScopeState| (state.scope, Theirs { state: state.clone(), as_of: welcome.head });
        self.talk.theirs = welcome.scopes.iter().map(theirs).collect();
        self.talk.assigned.extend(welcome.assigned);
        for copy in self.base.scopes.values_mut() {
            copy.checked = false;
            copy.repairs = 0;
        }
        let gone: Vec<Scope> =
            self.base.scopes.keys().filter(|scope| !self.talk.theirs.contains_key(scope)).copied().collect();
        for scope in gone {
            self.leave(scope);
        }
        let sees: BTreeSet<Scope> = self.talk.theirs.keys().copied().collect();
        self.marked.extend(self.base.forget_drawn(|scope| sees.contains(&scope)));
        self.effects.push(Effect::Tell(Notice::Sees(sees)));
        if self.talk.frozen {
            if planted(Mutant::SkipNewer) {
                let mut writes = Vec::new();
                for state in &welcome.scopes {
                    let frame = Frame { scope: state.scope, from: 0, to: welcome.head, entries: Vec::new() };
                    self.apply_frame(frame, &mut writes);
                }
                self.save_base(writes);
            }
            return self.say_alive_if_leading();
        }
        for state in welcome.scopes {
            self.meet(&state, welcome.head, welcome.horizon);
        }
        self.say_alive_if_leading();
    }

    fn say_alive_if_leading(&mut self) {
        if self.leads() {
            self.say_alive();
        }
    }

    /// A scope the member may see, where it stands on the server, against where it stands here.
    fn meet(&mut self, state: &ScopeState, head: Version, horizon: Version) {
        let epoch = self.keeping.head.epoch;
        if let Some(copy) = self.base.scopes.get_mut(&state.scope)
            && copy.row.leaving
        {
            copy.row.leaving = false;
        }
        let Some(copy) = self.base.scopes.get(&state.scope).filter(|copy| copy.follows(epoch)) else {
            return self.join(state.scope);
        };
        if copy.row.loading.is_some() {
            // A repair that was interrupted goes on by itself.
        } else if copy.row.tidemark >= state.head {
            self.compare(state.scope);
            self.advance(state.scope, head);
        } else if copy.row.tidemark < horizon {
            return self.fetch_anew(state.scope);
        }
        self.talk.want_follow.insert(state.scope);
    }

    fn refused(&mut self, refusal: Refusal, says: String) {
        match refusal {
            Refusal::SignedOut => self.talk.stop = Some(Stop::SignedOut),
            Refusal::Revoked => {
                self.talk.stop = Some(Stop::Revoked);
                self.talk.knows_epoch = None;
                self.marked.extend(self.base.forget_drawn(|_| false));
            }
            Refusal::UpdateNeeded => self.talk.stop = Some(Stop::UpdateNeeded),
            Refusal::Malformed => self.unreadable(says),
            Refusal::TooSlow => self.talk.attempts = 0,
            Refusal::Full => self.put_off_push(),
            Refusal::ServerOlder | Refusal::TooFast | Refusal::Stopping | Refusal::Failed => {}
        }
        let stopped = self.talk.stop.is_some();
        self.hang_up();
        if !stopped {
            self.wait_to_reconnect();
        }
        self.say_alive_if_leading();
    }

    /// The server has no room for a push. Nothing is wrong with its ops: they keep their turn, and the next push waits.
    fn put_off_push(&mut self) {
        for place in std::mem::take(&mut self.talk.sent) {
            self.talk.failures.remove(&place);
            if let Some(pending) = self.outbox.get_mut(place) {
                pending.state = PendingState::Waiting;
            }
        }
        let after_ms = Talk::backoff_ms(self.talk.push_attempts, self.moment.jitter);
        self.talk.push_attempts = self.talk.push_attempts.saturating_add(1);
        self.talk.push_waits = true;
        self.effects.push(Effect::Wake { timer: Timer::Push, after_ms });
        self.stirred = true;
        self.hold_dependents();
    }

    /// A beat that names scopes names all that this member may see. One that is here and was not named twice was left,
    /// and the word of it went missing; the next welcome decides.
    fn missed_a_leave(&mut self, named: &[ScopeState]) -> bool {
        let here = self.base.scopes.iter().filter(|(_, copy)| !copy.row.leaving).map(|(scope, _)| *scope);
        let unsaid: BTreeSet<Scope> = here.filter(|scope| !named.iter().any(|state| state.scope == *scope)).collect();
        let twice = unsaid.iter().any(|scope| self.talk.unsaid.contains(scope));
        self.talk.unsaid = unsaid;
        twice
    }

    fn beat(&mut self, head: Version, now_ms: i64, scopes: Vec<ScopeState>) {
        self.talk.beating = false;
        if !scopes.is_empty() && self.missed_a_leave(&scopes) {
            return self.start_over();
        }
        self.talk.told_to = self.talk.told_to.max(head);
        self.talk.head = self.talk.head.max(head);
        self.talk.offset_ms = now_ms - self.moment.now_ms;
        let epoch = self.keeping.head.epoch;
        for state in scopes {
            let scope = state.scope;
            if !self.base.scopes.contains_key(&scope) {
                // We may see it, so we were told to join, and did not hear it.
                self.join(scope);
                continue;
            }
            let Some(copy) = self.base.scopes.get(&scope).filter(|copy| copy.follows(epoch)) else { continue };
            let behind = copy.row.tidemark < state.head;
            self.talk.theirs.insert(scope, Theirs { state, as_of: head });
            if behind {
                self.talk.want_pull.insert(scope);
            } else {
                self.compare(scope);
                self.advance(scope, head);
            }
        }
    }

    // Pulling.

    fn pull(&mut self) {
        if self.talk.pulling.is_some() {
            return;
        }
        let mut follow = std::mem::take(&mut self.talk.want_follow);
        self.talk.want_follow = beyond(&mut follow, SCOPES_MAX);
        let mut scopes = std::mem::take(&mut self.talk.want_pull);
        self.talk.want_pull = beyond(&mut scopes, SCOPES_MAX - follow.len());
        scopes.extend(follow.iter().copied());
        let epoch = self.keeping.head.epoch;
        let tidemark = |scope: &Scope| {
            self.base.scopes.get(scope).filter(|copy| copy.follows(epoch)).map(|copy| (*scope, copy.row.tidemark))
        };
        let tidemarks: BTreeMap<Scope, Version> = scopes.iter().filter_map(tidemark).collect();
        if tidemarks.is_empty() {
            return;
        }
        self.talk.pulling = Some(tidemarks.keys().copied().collect());
        let pull = Pull { tidemarks };
        self.send(&if follow.is_empty() { FromDevice::Pull(pull) } else { FromDevice::Follow(pull) });
        self.effects.push(Effect::Wake { timer: Timer::Pull, after_ms: OWN_ANSWER_WITHIN_MS });
    }

    fn pulled(&mut self, pulled: Pulled) {
        if Some(pulled.epoch) != self.keeping.head.epoch {
            return self.start_over();
        }
        self.talk.unread = 0;
        let asked = self.talk.pulling.take().unwrap_or_default();
        self.talk.head = self.talk.head.max(pulled.head);
        let mut writes: Vec<Write> = Vec::new();
        let scopes: Vec<Scope> = pulled.frames.iter().map(|frame| frame.scope).collect();
        for frame in pulled.frames {
            self.apply_frame(frame, &mut writes);
        }
        if !writes.is_empty() {
            self.save_base(writes);
        }
        // Of what was filled anew since it was asked for, the answer knows nothing.
        for scope in pulled.gone.iter().filter(|scope| asked.contains(scope)) {
            if let Some(copy) = self.base.scopes.get_mut(scope) {
                copy.doubted |= copy.row.tidemark > pulled.head;
            }
            self.fetch_anew(*scope);
        }
        if !pulled.more {
            for scope in &asked {
                if let Some(copy) = self.base.scopes.get_mut(scope) {
                    copy.exact = true;
                }
            }
        }
        if pulled.more {
            self.talk.want_pull.extend(asked.into_iter().filter(|scope| !pulled.gone.contains(scope)));
        }
        for scope in scopes {
            self.compare(scope);
        }
    }

    /// A chunk was asked for; should its answer never come, it is asked for again.
    pub(super) fn chunk_is_due(&mut self) {
        self.effects.push(Effect::Wake { timer: Timer::Snapshot, after_ms: CHUNK_WITHIN_MS });
    }

    pub(super) fn fetch_later(&mut self, scope: Scope) {
        *self.talk.fetch_failures.entry(scope).or_default() += 1;
        let after_ms = Talk::backoff_ms(self.talk.fetch_attempts, self.moment.jitter);
        self.talk.fetch_attempts = self.talk.fetch_attempts.saturating_add(1);
        self.talk.fetch_waits = true;
        self.effects.push(Effect::Wake { timer: Timer::Snapshot, after_ms });
    }

    // Pushing.

    fn push(&mut self) {
        if !self.talk.asked_after.is_empty() {
            return;
        }
        if let Some(push) = self.next_push().or_else(|| self.ask_after_quarantined()) {
            self.send(&FromDevice::Push(push));
            self.effects.push(Effect::Wake { timer: Timer::Push, after_ms: OWN_ANSWER_WITHIN_MS });
        }
    }

    /// An owner decides what becomes of a quarantined op while its author is away. Sent again, it is answered with what was
    /// decided; once in a conversation, and whenever somebody comes to look, when nothing else is to be sent.
    fn ask_after_quarantined(&mut self) -> Option<Push> {
        if !self.talk.sent.is_empty() || self.talk.push_waits {
            return None;
        }
        let unheard = self
            .tray
            .values()
            .filter(|refused| refused.entry.sort == Tray::Quarantined && !self.talk.heard_of.contains(&refused.place));
        let unheard: Vec<_> = unheard.filter_map(|refused| Some((refused, refused.op.as_ref()?.intent))).collect();
        let (mut places, mut ops, mut bytes) = (Vec::new(), Vec::new(), 0);
        // Whole intents: a server that was restored knows none of them any more, and settles what it gets.
        for intent in unheard.chunk_by(|(_, left), (_, right)| left == right) {
            let size: usize = intent.iter().map(|(refused, _)| refused.entry.bytes.len() + 8).sum();
            let full = ops.len() + intent.len() > PUSH_OPS_MAX || bytes + size > PUSH_BYTES_MAX;
            if full && !places.is_empty() {
                break;
            }
            bytes += size;
            places.extend(intent.iter().map(|(refused, _)| refused.place));
            ops.extend(intent.iter().map(|(refused, _)| refused.entry.bytes.clone()));
        }
        if places.is_empty() {
            return None;
        }
        self.talk.heard_of.extend(&places);
        self.talk.asked_after = places;
        self.talk.batch += 1;
        Some(Push { batch: self.talk.batch, ops })
    }

    /// A member who was removed is refused the channel, and may still hand in what they did before they knew.
    fn hand_in(&mut self) {
        if self.talk.asks_epoch.is_some() {
            return;
        }
        let newest = self.outbox.iter().map(|pending| pending.place).max().unwrap_or(0);
        if self.talk.sent.is_empty() && self.talk.knows_epoch.is_none_or(|known| newest > known) {
            self.talk.asks_epoch = Some(newest);
            self.talk.batch += 1;
            return self.post(&Push { batch: self.talk.batch, ops: Vec::new() });
        }
        if let Some(push) = self.next_push() {
            return self.post(&push);
        }
        let unsettled =
            |state: &PendingState| matches!(state, PendingState::Storing | PendingState::Waiting | PendingState::Sent);
        if self.outbox.iter().any(|pending| unsettled(&pending.state)) {
            return;
        }
        let scopes: Vec<Scope> = self.base.scopes.keys().copied().collect();
        for scope in scopes {
            self.leave(scope);
        }
        self.purge();
        self.refresh();
    }

    fn post(&mut self, push: &Push) {
        match encode(push) {
            Ok(bytes) => {
                self.effects.push(Effect::Post(bytes));
                self.effects.push(Effect::Wake { timer: Timer::Push, after_ms: OWN_ANSWER_WITHIN_MS });
            }
            Err(error) => self.unreadable(error.to_string()),
        }
    }

    /// The next ops in order, whole intents only; `None` while a push is in flight or nothing waits.
    fn next_push(&mut self) -> Option<Push> {
        if !self.talk.sent.is_empty() || self.talk.push_waits {
            return None;
        }
        let mut places = self.next_batch();
        if planted(Mutant::PushBackwards) {
            places.reverse();
        }
        if places.is_empty() {
            return None;
        }
        let mut ops = Vec::with_capacity(places.len());
        for place in &places {
            if let Some(pending) = self.outbox.get_mut(*place) {
                pending.state = PendingState::Sent;
                ops.push(ByteBuf::from(pending.bytes.to_vec()));
            }
        }
        self.stirred = true;
        self.talk.sent = places;
        self.talk.batch += 1;
        Some(Push { batch: self.talk.batch, ops })
    }

    /// The outbox by intents.
    fn intents(&self) -> Vec<Vec<&Pending>> {
        let mut intents: Vec<Vec<&Pending>> = Vec::new();
        for pending in self.outbox.iter() {
            match intents.last_mut() {
                Some(intent) if intent.last().is_some_and(|last| last.op.intent == pending.op.intent) => {
                    intent.push(pending)
                }
                _ => intents.push(vec![pending]),
            }
        }
        intents
    }

    /// How often this intent was sent alone and not answered.
    fn failures(&self, intent: &[&Pending]) -> u32 {
        intent.first().and_then(|first| self.talk.failures.get(&first.place)).copied().unwrap_or(0)
    }

    /// Ops that others may overtake: those of intents that a server was sent again and again without an answer, and what
    /// waits behind them: ops of the same records, and ops that need theirs.
    pub fn overtaken(&self) -> BTreeSet<OpId> {
        let mut keys = BTreeSet::new();
        let mut ids = BTreeSet::new();
        if self.talk.failures.values().all(|failures| *failures < SUSPECT_AFTER) {
            return ids;
        }
        for intent in self.intents() {
            let behind = intent.iter().any(|pending| {
                keys.contains(&pending.op.key()) || pending.op.after.iter().any(|need| ids.contains(need))
            });
            if behind || self.failures(&intent) >= SUSPECT_AFTER {
                keys.extend(intent.iter().map(|pending| pending.op.key()));
                ids.extend(intent.iter().map(|pending| pending.op.id));
            }
        }
        ids
    }

    fn next_batch(&self) -> Vec<Place> {
        let mut intents = self.intents();
        intents.retain(|intent| intent.iter().all(|pending| pending.state == PendingState::Waiting));
        let overtaken = self.overtaken();
        let most = if self.talk.patience == 0 { PUSH_OPS_MAX } else { self.talk.patience };
        let mut places = Vec::new();
        let mut bytes = 0;
        let mut taken = 0;
        for intent in &intents {
            if intent.iter().any(|pending| overtaken.contains(&pending.op.id)) {
                continue;
            }
            let size: usize = intent.iter().map(|pending| pending.bytes.len() + 8).sum();
            let full = taken == most || places.len() + intent.len() > PUSH_OPS_MAX || bytes + size > PUSH_BYTES_MAX;
            if full && !places.is_empty() {
                break;
            }
            places.extend(intent.iter().map(|pending| pending.place));
            bytes += size;
            taken += 1;
        }
        if places.is_empty() {
            let suspect = intents.iter().min_by_key(|intent| self.failures(intent));
            places.extend(suspect.into_iter().flatten().map(|pending| pending.place));
        }
        places
    }

    fn pushed(&mut self, pushed: Pushed) {
        let awaited = !self.talk.sent.is_empty() || !self.talk.asked_after.is_empty() || self.talk.asks_epoch.is_some();
        if pushed.batch != self.talk.batch || !awaited {
            return;
        }
        if let Some(was) = self.keeping.head.epoch.filter(|epoch| *epoch != pushed.epoch) {
            if self.talk.stop == Some(Stop::Revoked) {
                // In another history they may belong here again.
                self.epoch_changed(was, pushed.epoch);
                self.talk.stop = None;
            }
            return self.start_over();
        }
        if let Some(asked) = self.talk.asks_epoch.take() {
            self.talk.knows_epoch = Some(asked);
        }
        let asked_after = std::mem::take(&mut self.talk.asked_after);
        if !asked_after.is_empty() {
            self.decided(&asked_after, pushed.receipts);
            return;
        }
        let sent = std::mem::take(&mut self.talk.sent);
        self.talk.push_attempts = 0;
        self.talk.patience = self.talk.patience.saturating_mul(2).min(PUSH_OPS_MAX);
        for place in &sent {
            self.talk.failures.remove(place);
        }
        let unanswered: Vec<Place> = sent.iter().skip(pushed.receipts.len()).copied().collect();
        for place in unanswered {
            if let Some(pending) = self.outbox.get_mut(place) {
                pending.state = PendingState::Waiting;
            }
        }
        self.answered(&sent, pushed.receipts);
        self.stirred = true;
        if self.talk.stop == Some(Stop::Revoked) {
            self.talk.line = Line::Down;
            self.talk.attempts = 0;
        }
    }
}

/// Takes away what one message has no room for.
fn beyond(scopes: &mut BTreeSet<Scope>, count_max: usize) -> BTreeSet<Scope> {
    match scopes.iter().nth(count_max).copied() {
        Some(first) => scopes.split_off(&first),
        None => BTreeSet::new(),
    }
}
