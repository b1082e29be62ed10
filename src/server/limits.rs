//! How often somebody may ask: rate limits by address, account and member, in memory. Each is a bucket that refills; what
//! is over it waits or is told how long to wait, and never costs an edit. And how many live channels a session, and how many
//! connections an address, holds open.

use crate::api::ApiError;
use crate::model::id::MemberId;
use crate::server::accounts::token;
use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Attempts to sign in to one account from one address at once; afterwards one every `SIGN_IN_EVERY`. A person who mistypes
/// never notices; a guesser gets 7,200 guesses a day.
const SIGN_IN_BURST: u32 = 10;
const SIGN_IN_EVERY: Duration = Duration::from_secs(12);
/// Attempts to sign in to any account from one address: an office of people behind one address arrives in the morning.
const ADDRESS_BURST: u32 = 100;
const ADDRESS_EVERY: Duration = Duration::from_secs(2);
/// Accounts, workspaces and invitations made, or invitation links tried, from one address.
const MAKE_BURST: u32 = 30;
const MAKE_EVERY: Duration = Duration::from_secs(20);
/// A device that comes back after weeks sends everything at once: this many seconds' worth.
const PUSH_BURST_S: u32 = 10;
/// Incidents one member's devices report at once; afterwards one every `REPORT_EVERY`. A device that cannot mend itself would
/// otherwise fill the log.
const REPORT_BURST: u32 = 20;
const REPORT_EVERY: Duration = Duration::from_secs(60);
/// Looks of one member's screens at what others do, at once; afterwards one every `LOOK_EVERY`. Several tabs that follow a busy
/// workspace stay below it.
const LOOK_BURST: u32 = 30;
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// Devices one member introduces that nobody had seen, at once; afterwards one every `DEVICE_EVERY`. Each is a record that
/// everybody gets.
const DEVICE_BURST: u32 = 30;
const DEVICE_EVERY: Duration = Duration::from_secs(60 * 60);
/// Pulls, chunks of snapshots, hellos, pages and histories of one member at once: the first copies of two and a half million records.
/// Afterwards one every `READ_EVERY`, which takes half a core at most. Who is over it waits.
pub const READ_BURST: u32 = 5_000;
/// See `READ_BURST`.
pub const READ_EVERY: Duration = Duration::from_millis(10);
/// Live channels one session holds open at once. A browser needs one, and a few more while tabs change hands; a page that
/// opens them in a circle must not take the server's memory.
pub const CHANNELS_MAX: usize = 32;
/// Connections with plain requests open at once from one address: six for each of 160 browsers in one office.
const CONNECTIONS_MAX: usize = 1_000;

type Bucket<K> = DefaultKeyedRateLimiter<K>;

/// Every limit of one server.
pub struct Limits {
    sign_in: Bucket<(IpAddr, [u8; 32])>,
    address: Bucket<IpAddr>,
    make: Bucket<IpAddr>,
    push: Bucket<MemberId>,
    report: Bucket<MemberId>,
    look: Bucket<MemberId>,
    device: Bucket<MemberId>,
    read: Bucket<MemberId>,
    channels: Counts<token::Digest>,
    connections: Counts<IpAddr>,
    clock: DefaultClock,
}

/// How many of something each holds open.
type Counts<K> = Arc<Mutex<HashMap<K, usize>>>;

/// One of what somebody holds open, counted until it is dropped.
pub struct Counted<K: Hash + Eq> {
    whose: K,
    counts: Counts<K>,
}

impl<K: Hash + Eq + Copy> Counted<K> {
    /// One more; `None` if there are `max`.
    fn one_more(counts: &Counts<K>, whose: K, max: usize) -> Option<Self> {
        let mut open = counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(whose).or_default();
        if *count >= max {
            return None;
        }
        *count += 1;
        Some(Self { whose, counts: Arc::clone(counts) })
    }
}

impl<K: Hash + Eq> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut open = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.whose);
            }
        }
    }
}

/// One live channel of a session.
pub type Channel = Counted<token::Digest>;
/// One connection from an address.
pub type Connection = Counted<IpAddr>;

impl Limits {
    /// With so many pushes a second for one member.
    pub fn new(pushes_per_second: NonZeroU32) -> Self {
        let push = Quota::per_second(pushes_per_second).allow_burst(pushes_per_second.saturating_mul(of(PUSH_BURST_S)));
        Self {
            sign_in: RateLimiter::keyed(every(SIGN_IN_EVERY, SIGN_IN_BURST)),
            address: RateLimiter::keyed(every(ADDRESS_EVERY, ADDRESS_BURST)),
            make: RateLimiter::keyed(every(MAKE_EVERY, MAKE_BURST)),
            push: RateLimiter::keyed(push),
            report: RateLimiter::keyed(every(REPORT_EVERY, REPORT_BURST)),
            look: RateLimiter::keyed(every(LOOK_EVERY, LOOK_BURST)),
            device: RateLimiter::keyed(every(DEVICE_EVERY, DEVICE_BURST)),
            read: RateLimiter::keyed(every(READ_EVERY, READ_BURST)),
            channels: Arc::default(),
            connections: Arc::default(),
            clock: DefaultClock::default(),
        }
    }

    /// Before a password is looked at.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn sign_in(&self, address: IpAddr, email_key: &str) -> Result<(), ApiError> {
        let address = neighbourhood(address);
        self.check(&self.address, &address)?;
        self.check(&self.sign_in, &(address, Sha256::digest(email_key.as_bytes()).into()))
    }

    /// Before an account, a workspace or an invitation is made, or an invitation is looked up.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn make(&self, address: IpAddr) -> Result<(), ApiError> {
        self.check(&self.make, &neighbourhood(address))
    }

    /// Before a push over HTTP is settled.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn push(&self, member: MemberId) -> Result<(), ApiError> {
        self.check(&self.push, &member)
    }

    /// Waits until a push over the live channel may be settled. Its device waits with it, because nothing is read from the
    /// connection meanwhile.
    pub async fn push_turn(&self, member: MemberId) {
        self.push.until_key_ready(&member).await;
    }

    /// Before a device of this member that nobody had seen becomes a record.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn device(&self, member: MemberId) -> Result<(), ApiError> {
        self.check(&self.device, &member)
    }

    /// Waits until this member may read once more: a pull, a chunk of a snapshot, a hello, a page, a history.
    pub async fn read_turn(&self, member: MemberId) {
        self.read.until_key_ready(&member).await;
    }

    /// Before an incident of this member's devices is logged.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn report(&self, member: MemberId) -> Result<(), ApiError> {
        self.check(&self.report, &member)
    }

    /// Before this member is told what others did or who is there.
    ///
    /// # Errors
    /// `TooFast`.
    pub fn look(&self, member: MemberId) -> Result<(), ApiError> {
        self.check(&self.look, &member)
    }

    /// Counts one more live channel of this session; `None` if it has `CHANNELS_MAX`.
    pub fn channel(&self, session: token::Digest) -> Option<Channel> {
        Counted::one_more(&self.channels, session, CHANNELS_MAX)
    }

    /// Counts one more connection from this address; `None` if it has `CONNECTIONS_MAX`.
    pub fn connection(&self, address: IpAddr) -> Option<Connection> {
        Counted::one_more(&self.connections, neighbourhood(address), CONNECTIONS_MAX)
    }

    /// Forgets everybody whose bucket is full again. Called now and then, so that memory follows use.
    pub fn forget(&self) {
        self.sign_in.retain_recent();
        self.address.retain_recent();
        self.make.retain_recent();
        self.push.retain_recent();
        self.report.retain_recent();
        self.look.retain_recent();
        self.device.retain_recent();
        self.read.retain_recent();
    }

    fn check<K: Hash + Eq + Clone>(&self, bucket: &Bucket<K>, key: &K) -> Result<(), ApiError> {
        bucket.check_key(key).map_err(|refused| {
            let wait = refused.wait_time_from(self.clock.now());
            ApiError::TooFast { wait_s: wait.as_secs() + 1 }
        })
    }
}

/// The addresses one subscriber of a provider can take on freely: one of IPv4, 2^64 of IPv6.
fn neighbourhood(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
    }
}

fn of(count: u32) -> NonZeroU32 {
    NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN)
}

/// A bucket of `burst` that gets one back every `period`.
fn every(period: Duration, burst: u32) -> Quota {
    Quota::with_period(period).unwrap_or(Quota::per_second(NonZeroU32::MIN)).allow_burst(of(burst))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use uuid::Uuid;

    #[test]
    fn guessing_at_one_account_ends_and_others_go_on() {
        let limits = Limits::new(of(1));
        let home: IpAddr = "192.0.2.7".parse().unwrap();
        for _ in 0..SIGN_IN_BURST {
            assert_eq!(limits.sign_in(home, "ada@example.org"), Ok(()));
        }
        assert!(matches!(limits.sign_in(home, "ada@example.org"), Err(ApiError::TooFast { wait_s: 1..=13 })));
        assert_eq!(limits.sign_in(home, "bob@example.org"), Ok(()));
        assert_eq!(limits.sign_in("192.0.2.8".parse().unwrap(), "ada@example.org"), Ok(()));
    }

    #[test]
    fn channels_are_counted_while_they_are_open() {
        let limits = Limits::new(of(1));
        let mut open: Vec<Channel> = (0..CHANNELS_MAX).filter_map(|_| limits.channel([7; 32])).collect();
        assert_eq!(open.len(), CHANNELS_MAX);
        assert!(limits.channel([7; 32]).is_none());
        assert!(limits.channel([8; 32]).is_some());
        open.pop();
        assert!(limits.channel([7; 32]).is_some());
        drop(open);
        assert!(limits.channels.lock().unwrap().is_empty());
    }

    #[test]
    fn one_subscriber_holds_so_many_connections_open_and_others_still_come() {
        let limits = Limits::new(of(1));
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let mut open: Vec<Connection> =
            (0..CONNECTIONS_MAX).filter_map(|_| limits.connection(address("2001:db8::1"))).collect();
        assert_eq!(open.len(), CONNECTIONS_MAX);
        assert!(limits.connection(address("2001:db8::2")).is_none());
        assert!(limits.connection(address("2001:db8:1::1")).is_some());
        open.pop();
        assert!(limits.connection(address("2001:db8::2")).is_some());
    }

    #[tokio::test]
    async fn who_reads_without_end_waits_alone() {
        let limits = Limits::new(of(1));
        let (one, other) = (MemberId(Uuid::from_u128(1)), MemberId(Uuid::from_u128(2)));
        let mut turns = 0;
        while limits.read_turn(one).now_or_never().is_some() {
            turns += 1;
        }
        // Those that came back while they were used are a few.
        assert!((READ_BURST..2 * READ_BURST).contains(&turns), "{turns}");
        assert!(limits.read_turn(other).now_or_never().is_some());
        limits.read_turn(one).await;
    }

    #[test]
    fn new_devices_are_few_an_hour_for_each_member() {
        let limits = Limits::new(of(1));
        let (one, other) = (MemberId(Uuid::from_u128(1)), MemberId(Uuid::from_u128(2)));
        assert!((0..DEVICE_BURST).all(|_| limits.device(one) == Ok(())));
        assert!(matches!(limits.device(one), Err(ApiError::TooFast { wait_s: 3_000..=3_600 })));
        assert_eq!(limits.device(other), Ok(()));
    }

    #[test]
    fn one_subscriber_is_one_address() {
        let one: IpAddr = "2001:db8:1:2::1".parse().unwrap();
        let other: IpAddr = "2001:db8:1:2:ffff::9".parse().unwrap();
        let foreign: IpAddr = "2001:db8:1:3::1".parse().unwrap();
        assert_eq!(neighbourhood(one), neighbourhood(other));
        assert_ne!(neighbourhood(one), neighbourhood(foreign));
        assert_eq!(neighbourhood("::ffff:192.0.2.7".parse().unwrap()), "192.0.2.7".parse::<IpAddr>().unwrap());
    }
}
