//! The live hub: who is connected, what they follow, and how a committed frame reaches them. A frame is encoded once and
//! shared by everybody who follows its scope. Queues are bounded; whoever takes too little at a time is told to pull.
//! Nothing here is durable and nothing here decides what a member may see: `core` does both.

use crate::model::id::{DeviceId, MemberId, WorkspaceId};
use crate::model::record::Version;
use crate::model::scope::Scope;
use crate::sync::wire::{FromServer, Refusal, ScopeState, encode};
use futures::task::AtomicWaker;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use tokio::sync::{Notify, mpsc};

/// Messages one connection may have waiting: several seconds of a busy workspace.
pub const QUEUE_MESSAGES_MAX: usize = 256;
/// Bytes one connection may have waiting. Frames are shared, but a connection that stands still alone holds them.
pub const QUEUE_BYTES_MAX: usize = 4 << 20;

/// Who is at the other end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscriber {
    /// In which workspace.
    pub workspace: WorkspaceId,
    /// As whom.
    pub member: MemberId,
    /// On which device.
    pub device: DeviceId,
    /// Under which session: the digest of its token, so that signing out ends the connection at once.
    pub session: [u8; 32],
}

/// One place in a room: the sending end of a connection's queue.
struct Seat {
    who: Subscriber,
    outlet: Arc<Outlet>,
    follows: BTreeSet<Scope>,
}

/// What a frame needs on its way into one connection, in one place: there are many of them, and one after the other.
struct Outlet {
    queue: mpsc::Sender<Arc<[u8]>>,
    /// Bytes waiting in the queue.
    waiting: AtomicUsize,
    /// Set once the connection has to end; wakes its `next`.
    end: End,
}

/// Why a connection ends, told once.
#[derive(Default)]
struct End {
    ended: AtomicBool,
    why: Mutex<Option<Arc<[u8]>>>,
    bell: AtomicWaker,
}

impl End {
    fn set(&self, refusal: Refusal, says: &str) {
        let message = encode(&FromServer::Refused { refusal, says: says.to_owned() }).map(Arc::from).ok();
        let mut why = locked(&self.why);
        if !self.ended.swap(true, Ordering::AcqRel) {
            *why = message;
        }
        drop(why);
        self.bell.wake();
    }
}

/// A number for a seat, never used twice while the server runs.
type SeatId = u64;

/// Everybody connected to one workspace.
#[derive(Default)]
struct Room {
    /// Every frame up to here has been put into the queues.
    head: Version,
    seats: BTreeMap<SeatId, Seat>,
    followers: BTreeMap<Scope, BTreeMap<SeatId, Arc<Outlet>>>,
}

/// A frame ready to be sent.
#[derive(Debug, Clone)]
pub struct Sealed {
    /// Which scope it is for.
    pub scope: Scope,
    /// `FromServer::Frame`, encoded.
    pub message: Arc<[u8]>,
}

/// What a change of permissions means for one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessChange {
    /// Whose connections.
    pub member: MemberId,
    /// Scopes the member may see from now on.
    pub joins: BTreeSet<Scope>,
    /// Scopes the member may no longer see.
    pub leaves: BTreeSet<Scope>,
}

/// The live hub. Cheap to clone; all clones are one hub.
#[derive(Clone, Default)]
pub struct Hub(Arc<Inner>);

#[derive(Default)]
struct Inner {
    rooms: Mutex<HashMap<WorkspaceId, Room>>,
    next_seat: std::sync::atomic::AtomicU64,
    draining: AtomicBool,
    /// Rung whenever a connection ends, for `drain`.
    left: Notify,
}

/// The receiving end of a connection. Dropping it leaves the hub.
pub struct Subscription {
    hub: Hub,
    who: Subscriber,
    seat: SeatId,
    queue: mpsc::Receiver<Arc<[u8]>>,
    outlet: Arc<Outlet>,
    told: bool,
    /// Answers to what the device asked, each with the number of messages in the queue that go before it.
    answers: VecDeque<(usize, Arc<[u8]>)>,
}

impl Subscription {
    /// Who is at the other end.
    pub fn who(&self) -> &Subscriber {
        &self.who
    }
    /// The next encoded `FromServer` message to send, in order. After a `Refused` there is none: close the connection. Safe to
    /// cancel.
    pub async fn next(&mut self) -> Option<Arc<[u8]>> {
        poll_fn(|context| self.poll_next(context)).await
    }
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Arc<[u8]>>> {
        if self.told {
            return Poll::Ready(None);
        }
        // Before it is looked whether it has ended, so that an end in between rings.
        self.outlet.end.bell.register(context.waker());
        if self.outlet.end.ended.load(Ordering::Acquire) {
            self.told = true;
            return Poll::Ready(locked(&self.outlet.end.why).take());
        }
        if let Some(answer) = self.due() {
            return Poll::Ready(Some(answer));
        }
        self.queue.poll_recv(context).map(|message| message.map(|message| self.taken(message)))
    }
    /// The next message if one waits already. None while there is an end to be told, which `next` does.
    pub fn ready(&mut self) -> Option<Arc<[u8]>> {
        if self.told || self.outlet.end.ended.load(Ordering::Acquire) {
            return None;
        }
        self.due().or_else(|| self.queue.try_recv().ok().map(|message| self.taken(message)))
    }
    /// The answer whose turn it is.
    fn due(&mut self) -> Option<Arc<[u8]>> {
        self.answers.pop_front_if(|(before, _)| *before == 0).map(|(_, answer)| answer)
    }
    fn taken(&mut self, message: Arc<[u8]>) -> Arc<[u8]> {
        self.outlet.waiting.fetch_sub(message.len(), Ordering::AcqRel);
        for (before, _) in &mut self.answers {
            *before = before.saturating_sub(1);
        }
        message
    }

    /// Puts a `Beat` into this connection's own queue, behind every frame sent so far, so that what it says about the
    /// followed scopes is true when it is read. `sums` are left out unless they are given.
    pub fn beat(&self, now_ms: i64, sums: Vec<ScopeState>) {
        let rooms = locked(&self.hub.0.rooms);
        let Some(room) = rooms.get(&self.who.workspace) else { return };
        let Some(seat) = room.seats.get(&self.seat) else { return };
        if let Ok(message) = encode(&FromServer::Beat { head: room.head, now_ms, scopes: sums }) {
            seat.outlet.offer(&Arc::from(message));
        }
    }

    /// Puts an answer behind everything that waits for this connection, and before everything that comes later.
    pub fn answer(&mut self, message: &FromServer) {
        match encode(message) {
            Ok(message) => self.answers.push_back((self.queue.len(), Arc::from(message))),
            Err(_) => {
                self.outlet.end.set(Refusal::Failed, "An answer was too large to send. Nothing was lost; try again.")
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut rooms = locked(&self.hub.0.rooms);
        if let Some(room) = rooms.get_mut(&self.who.workspace) {
            room.leave(self.seat);
            if room.seats.is_empty() {
                rooms.remove(&self.who.workspace);
            }
        }
        drop(rooms);
        self.hub.0.left.notify_waiters();
    }
}

impl Outlet {
    /// Queues the message, or ends the connection if it is too far behind.
    fn offer(&self, message: &Arc<[u8]>) {
        let bytes = message.len();
        let before = self.waiting.fetch_add(bytes, Ordering::AcqRel);
        // One message larger than the limit still passes through an empty queue.
        let fits = before == 0 || before + bytes <= QUEUE_BYTES_MAX;
        if !fits || self.queue.try_send(Arc::clone(message)).is_err() {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            self.end.set(
                Refusal::TooSlow,
                "This device took too little at a time. Nothing was lost; it will pull instead.",
            );
        }
    }
}

impl Room {
    fn follow(&mut self, seat: SeatId, scope: Scope) {
        if let Some(known) = self.seats.get_mut(&seat) {
            known.follows.insert(scope);
            self.followers.entry(scope).or_default().insert(seat, Arc::clone(&known.outlet));
        }
    }
    fn unfollow(&mut self, seat: SeatId, scope: Scope) {
        if let Some(known) = self.seats.get_mut(&seat) {
            known.follows.remove(&scope);
        }
        if let Some(followers) = self.followers.get_mut(&scope) {
            followers.remove(&seat);
            if followers.is_empty() {
                self.followers.remove(&scope);
            }
        }
    }
    fn leave(&mut self, seat: SeatId) {
        if let Some(gone) = self.seats.remove(&seat) {
            for scope in gone.follows {
                if let Some(followers) = self.followers.get_mut(&scope) {
                    followers.remove(&seat);
                    if followers.is_empty() {
                        self.followers.remove(&scope);
                    }
                }
            }
        }
    }
}

impl Hub {
    /// Takes a place and follows these scopes. The caller has checked that the member may see them, and holds whatever
    /// keeps that true until this returns. `head` is the workspace's newest sequence number at that moment.
    pub fn subscribe(&self, who: Subscriber, scopes: &BTreeSet<Scope>, head: Version) -> Subscription {
        let (queue, receiver) = mpsc::channel(QUEUE_MESSAGES_MAX);
        let outlet = Arc::new(Outlet { queue, waiting: AtomicUsize::new(0), end: End::default() });
        let seat = self.0.next_seat.fetch_add(1, Ordering::Relaxed);
        let workspace = who.workspace;
        let mut rooms = locked(&self.0.rooms);
        let room = rooms.entry(workspace).or_default();
        room.head = room.head.max(head);
        let taken = Seat { who: who.clone(), outlet: Arc::clone(&outlet), follows: BTreeSet::new() };
        room.seats.insert(seat, taken);
        for scope in scopes {
            room.follow(seat, *scope);
        }
        drop(rooms);
        if self.0.draining.load(Ordering::Acquire) {
            outlet.end.set(Refusal::Stopping, STOPPING);
        }
        Subscription { hub: self.clone(), who, seat, queue: receiver, outlet, told: false, answers: VecDeque::new() }
    }

    /// Follows more scopes. The caller has checked them, as for `subscribe`.
    pub fn follow(&self, subscription: &Subscription, scopes: &BTreeSet<Scope>) {
        let mut rooms = locked(&self.0.rooms);
        if let Some(room) = rooms.get_mut(&subscription.who.workspace) {
            for scope in scopes {
                room.follow(subscription.seat, *scope);
            }
        }
    }

    /// Tells everybody what a commit changed: first who may see more or less, then the frames. A device takes a snapshot of
    /// a scope it joins and follows it from there.
    pub fn publish(&self, workspace: WorkspaceId, head: Version, access: &[AccessChange], frames: &[Sealed]) {
        let mut rooms = locked(&self.0.rooms);
        let Some(room) = rooms.get_mut(&workspace) else { return };
        room.head = room.head.max(head);
        for change in access {
            let seats: Vec<SeatId> =
                room.seats.iter().filter(|(_, seat)| seat.who.member == change.member).map(|(id, _)| *id).collect();
            for id in seats {
                for scope in &change.leaves {
                    room.unfollow(id, *scope);
                    room.tell(id, &FromServer::ScopeLeave(*scope));
                }
                for scope in &change.joins {
                    room.tell(id, &FromServer::ScopeJoin(*scope));
                }
            }
        }
        for frame in frames {
            for outlet in room.followers.get(&frame.scope).into_iter().flat_map(BTreeMap::values) {
                outlet.offer(&frame.message);
            }
        }
    }

    /// Those of the scopes that somebody follows, so that nothing is encoded for nobody.
    pub fn followed(&self, workspace: WorkspaceId, scopes: impl Iterator<Item = Scope>) -> BTreeSet<Scope> {
        let rooms = locked(&self.0.rooms);
        let Some(room) = rooms.get(&workspace) else { return BTreeSet::new() };
        scopes.filter(|scope| room.followers.contains_key(scope)).collect()
    }

    /// Members with a connection to the workspace.
    pub fn present(&self, workspace: WorkspaceId) -> BTreeSet<MemberId> {
        let rooms = locked(&self.0.rooms);
        rooms.get(&workspace).into_iter().flat_map(|room| room.seats.values()).map(|seat| seat.who.member).collect()
    }

    /// Devices with a connection to the workspace, with their members.
    pub fn devices(&self, workspace: WorkspaceId) -> BTreeSet<(MemberId, DeviceId)> {
        let rooms = locked(&self.0.rooms);
        let seats = rooms.get(&workspace).into_iter().flat_map(|room| room.seats.values());
        seats.map(|seat| (seat.who.member, seat.who.device)).collect()
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        locked(&self.0.rooms).values().map(|room| room.seats.len()).sum()
    }

    /// Ends every connection of this session, in any workspace.
    pub fn disconnect_session(&self, session: &[u8; 32]) {
        self.disconnect(|who| who.session == *session, Refusal::SignedOut, "You signed out. Edits that wait are kept.");
    }

    /// Ends every connection of this member.
    pub fn disconnect_member(&self, workspace: WorkspaceId, member: MemberId) {
        let says = "You no longer belong to this workspace. Edits that wait are sent and held for an owner to review.";
        self.disconnect(|who| who.workspace == workspace && who.member == member, Refusal::Revoked, says);
    }

    /// Ends every connection to the workspace, so that devices come back and compare their epoch.
    pub fn disconnect_workspace(&self, workspace: WorkspaceId) {
        self.disconnect(|who| who.workspace == workspace, Refusal::Stopping, STOPPING);
    }

    fn disconnect(&self, whom: impl Fn(&Subscriber) -> bool, refusal: Refusal, says: &str) {
        let rooms = locked(&self.0.rooms);
        for seat in rooms.values().flat_map(|room| room.seats.values()).filter(|seat| whom(&seat.who)) {
            seat.outlet.end.set(refusal, says);
        }
    }

    /// Tells every connection, and every later one, that the server is stopping, and waits until all have left. Bound it
    /// with a time limit: a peer that does not answer never leaves.
    pub async fn drain(&self) {
        self.0.draining.store(true, Ordering::Release);
        self.disconnect(|_| true, Refusal::Stopping, STOPPING);
        loop {
            let left = self.0.left.notified();
            tokio::pin!(left);
            left.as_mut().enable();
            if self.connections() == 0 {
                return;
            }
            left.await;
        }
    }
}

impl Room {
    fn tell(&self, seat: SeatId, message: &FromServer) {
        if let (Some(seat), Ok(message)) = (self.seats.get(&seat), encode(message)) {
            seat.outlet.offer(&Arc::from(message));
        }
    }
}

const STOPPING: &str = "The server is stopping. Nothing was lost; connect again in a moment.";

/// The guard, also when a thread panicked while it held it: every change made under these locks is complete by itself.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::wire::decode;
    use uuid::Uuid;

    const WORKSPACE: WorkspaceId = WorkspaceId(Uuid::from_u128(1));

    fn subscribed(hub: &Hub) -> Subscription {
        let (member, device) = (MemberId(Uuid::from_u128(2)), DeviceId(Uuid::from_u128(3)));
        let who = Subscriber { workspace: WORKSPACE, member, device, session: [4; 32] };
        hub.subscribe(who, &BTreeSet::from([Scope::Workspace]), 0)
    }

    fn publish(hub: &Hub, frames: &[u8]) {
        let frames = frames.iter().map(|n| Sealed { scope: Scope::Workspace, message: Arc::from([*n].as_slice()) });
        hub.publish(WORKSPACE, 1, &[], &frames.collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_answer_goes_behind_what_waits_and_before_what_comes_later() {
        let hub = Hub::default();
        let mut subscription = subscribed(&hub);
        let answer = FromServer::ScopeJoin(Scope::Workspace);
        let said = encode(&answer).unwrap();
        publish(&hub, &[1, 2]);
        subscription.answer(&answer);
        publish(&hub, &[3]);
        subscription.answer(&answer);
        assert_eq!(*subscription.next().await.unwrap(), [1]);
        publish(&hub, &[4]);
        let then = std::iter::from_fn(|| subscription.ready()).map(|message| message.to_vec());
        assert_eq!(then.collect::<Vec<_>>(), [vec![2], said.clone(), vec![3], said, vec![4]]);
        assert_eq!(subscription.outlet.waiting.load(Ordering::Acquire), 0);
    }

    #[tokio::test]
    async fn an_end_is_told_at_once_and_once_and_nothing_after_it() {
        let hub = Hub::default();
        let mut subscription = subscribed(&hub);
        let told = {
            let mut next = std::pin::pin!(subscription.next());
            assert!(futures::poll!(&mut next).is_pending());
            hub.disconnect_session(&[4; 32]);
            next.await.unwrap()
        };
        assert!(matches!(decode(&told).unwrap(), FromServer::Refused { refusal: Refusal::SignedOut, .. }));
        publish(&hub, &[1]);
        subscription.answer(&FromServer::ScopeLeave(Scope::Workspace));
        assert_eq!((subscription.ready(), subscription.next().await), (None, None));

        let mut behind = subscribed(&hub);
        publish(&hub, &[1]);
        hub.disconnect_session(&[4; 32]);
        assert!(behind.ready().is_none(), "an end does not wait behind frames");
        assert!(matches!(decode(&behind.next().await.unwrap()).unwrap(), FromServer::Refused { .. }));
    }
}
