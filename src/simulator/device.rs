//! The devices of a simulated world and their tabs: what each of them is and has, not what it does.

use crate::model::scope::Scope;
use crate::simulator::disk::Disk;
use crate::simulator::plan::TABS;
use crate::sync::replica::{Database, Event, Identity, Replica, Timer};
use std::collections::{BTreeMap, VecDeque};

/// Which tab of which device, in which of its lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TabId {
    /// By place.
    pub device: usize,
    /// By place.
    pub tab: usize,
    /// Which of its lives.
    pub life: u64,
}

/// One tab.
pub struct Tab {
    /// Which of its lives.
    pub life: u64,
    /// What runs in it.
    pub replica: Replica,
    /// Whether it does not run; what it misses waits.
    pub frozen: bool,
    /// Whether it would own the network.
    pub stands: bool,
    /// What came while it was frozen, oldest first.
    pub missed: VecDeque<Event>,
    /// Which reminder was set last, by its number in the queue: one that was replaced does not ring.
    pub timers: BTreeMap<Timer, u64>,
    /// The number of its channel, if one stands.
    pub line: Option<u64>,
    /// When the last message of the channel arrives, so that messages keep their order unless trouble reorders them.
    pub arrives_ms: [i64; 2],
    /// Its tidemarks as they were seen last.
    pub tidemarks: BTreeMap<Scope, u64>,
    /// Whether its build is too old for what the server writes.
    pub stands_still: bool,
}

/// One device.
pub struct Device {
    /// Whose copy it holds.
    pub identity: Identity,
    /// What it has stored.
    pub disk: Disk,
    /// The open ones.
    pub tabs: [Option<Tab>; TABS],
    /// Which tab holds the lock of the network.
    pub leader: Option<usize>,
    /// Whether the server can be reached.
    pub online: bool,
    /// How far its clock is ahead of the true time, milliseconds.
    pub skew_ms: i64,
    /// How many tabs were ever opened on it.
    pub lives: u64,
    /// How often it was updated to a newer build.
    pub updates: u16,
    /// Which tabs end at their next storage operation.
    pub brinks: [Option<Brink>; TABS],
    /// Which database cannot be read when a tab does so next.
    pub fails: Option<Database>,
}

/// Where a tab ends that is about to end over a storage operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brink {
    /// Before it.
    Before,
    /// After it, and before it hears of it.
    After,
}

impl Tab {
    /// A tab that was just opened.
    pub fn new(life: u64, replica: Replica) -> Self {
        Self {
            life,
            replica,
            frozen: false,
            stands: true,
            missed: VecDeque::new(),
            timers: BTreeMap::new(),
            line: None,
            arrives_ms: [0; 2],
            tidemarks: BTreeMap::new(),
            stands_still: false,
        }
    }
}

impl Device {
    /// A device with nothing stored and no tab open.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            disk: Disk::default(),
            tabs: [None, None],
            leader: None,
            online: true,
            skew_ms: 0,
            lives: 0,
            updates: 0,
            brinks: [None; TABS],
            fails: None,
        }
    }
}
