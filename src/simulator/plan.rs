//! What happens to the world of one seed, decided before it starts: who edits when, and what goes wrong. Every step
//! carries its own dice, so that leaving one out changes no other: that is what makes a failing history shrink.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Members of the simulated workspace. The first is its owner.
pub const MEMBERS: usize = 3;
/// Devices. The first member has two, so that one person disagrees with themselves too.
pub const DEVICES: usize = 4;
/// Tabs a device may have open at once.
pub const TABS: usize = 2;
/// How long people work and things go wrong, virtual milliseconds. Afterwards everything heals.
pub const TROUBLE_MS: i64 = 120_000;

/// Whose device it is.
pub fn member_of(device: usize) -> usize {
    [0, 0, 1, 2][device % DEVICES]
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When, virtual milliseconds after the start.
    pub at_ms: i64,
    /// Decides everything left open below.
    pub dice: u64,
    /// What.
    pub what: What,
}

/// What may happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A person edits something they see, or makes something new.
    Edit {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// A person tries again, or gives up, something that was rejected or waits.
    Decide {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// The owner applies or discards something that was quarantined.
    Review,
    /// The owner changes who may do or see what: a role, a membership, the privacy of a project.
    Administer,
    /// The device loses its network.
    Cut {
        /// Which.
        device: usize,
    },
    /// The network comes back.
    Mend {
        /// Which.
        device: usize,
    },
    /// The connection breaks and can be made again at once.
    Drop {
        /// Which.
        device: usize,
    },
    /// The tab ends at once; whatever it was storing may or may not have been stored.
    Kill {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// The tab ends at its next storage operation, just before or just after it; it is opened again a little later.
    Brink {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// The tab is opened, if it was not.
    Open {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// The tab stops running without ending, as browsers do to hidden tabs.
    Freeze {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// It runs again; what it missed arrives now.
    Thaw {
        /// On which device.
        device: usize,
        /// In which tab of it.
        tab: usize,
    },
    /// The server's process ends at once and starts again on what it had stored.
    CrashServer,
    /// The server's process ends over the next push: before it is stored, amid it, or after it and before anybody knows.
    BrinkServer,
    /// The server's disk is full from now on.
    FillServer,
    /// There is room again.
    FreeServer,
    /// The server is replaced by a newer build, which writes another schema.
    UpdateServer,
    /// The device gets the build that its server has.
    Update {
        /// Which.
        device: usize,
    },
    /// A member is removed from the workspace.
    Dismiss {
        /// Who, by place; never the owner.
        member: usize,
    },
    /// They accept an invitation, and are back.
    Readmit {
        /// Who, by place.
        member: usize,
    },
    /// The server's database is copied.
    Backup,
    /// The server's database is replaced by the copy, under a new epoch.
    Restore,
    /// The server forgets what is older than its retention allows.
    Compact,
    /// The device's disk is full from now on.
    Fill {
        /// Which.
        device: usize,
    },
    /// There is room again.
    Free {
        /// Which.
        device: usize,
    },
    /// The browser throws away the device's base, as it may when it is short of space.
    Evict {
        /// Which.
        device: usize,
    },
    /// The next time a tab of the device reads one of its two databases, it cannot.
    Misread {
        /// Which.
        device: usize,
    },
    /// The device's clock jumps, by up to ten years.
    Skew {
        /// Which.
        device: usize,
    },
}

/// Which troubles a history has. Each seed draws its own mixture, so that quiet ones exist beside wild ones.
fn troubles(dice: u64) -> &'static [fn(usize, usize) -> What] {
    const NETWORK: &[fn(usize, usize) -> What] = &[
        |device, _| What::Cut { device },
        |device, _| What::Mend { device },
        |device, _| What::Drop { device },
        |device, _| What::Drop { device },
    ];
    const TABS: &[fn(usize, usize) -> What] = &[
        |device, tab| What::Kill { device, tab },
        |device, tab| What::Brink { device, tab },
        |device, tab| What::Brink { device, tab },
        |device, tab| What::Open { device, tab },
        |device, tab| What::Freeze { device, tab },
        |device, tab| What::Thaw { device, tab },
        |device, tab| What::Open { device, tab },
    ];
    const SERVER: &[fn(usize, usize) -> What] = &[
        |_, _| What::CrashServer,
        |_, _| What::BrinkServer,
        |_, _| What::BrinkServer,
        |_, _| What::FillServer,
        |_, _| What::FreeServer,
        |_, _| What::Compact,
    ];
    const HISTORY: &[fn(usize, usize) -> What] =
        &[|_, _| What::CrashServer, |_, _| What::Backup, |_, _| What::Restore, |_, _| What::Compact];
    const UPDATES: &[fn(usize, usize) -> What] =
        &[|_, _| What::UpdateServer, |device, _| What::Update { device }, |device, _| What::Update { device }];
    const PEOPLE: &[fn(usize, usize) -> What] = &[
        |device, _| What::Dismiss { member: 1 + device % (MEMBERS - 1) },
        |device, _| What::Readmit { member: 1 + device % (MEMBERS - 1) },
        |device, _| What::Cut { device },
        |device, _| What::Mend { device },
    ];
    const DISK: &[fn(usize, usize) -> What] = &[
        |device, _| What::Fill { device },
        |device, _| What::Free { device },
        |device, _| What::Evict { device },
        |device, _| What::Skew { device },
    ];
    [NETWORK, TABS, SERVER, DISK, HISTORY, UPDATES, PEOPLE, TABS][(dice % 8) as usize]
}

/// The history of a seed, in order of time.
pub fn plan(seed: u64) -> Vec<Step> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let edits = 16 + rng.next_u64() % 48;
    let harm = rng.next_u64() % 24;
    let sorts = rng.next_u64();
    let mut steps = Vec::new();
    for _ in 0..edits {
        let device = (rng.next_u64() % DEVICES as u64) as usize;
        let tab = usize::from(rng.next_u64().is_multiple_of(4));
        let what = if rng.next_u64().is_multiple_of(12) { What::Administer } else { What::Edit { device, tab } };
        steps.push(Step { at_ms: (rng.next_u64() % TROUBLE_MS as u64) as i64, dice: rng.next_u64(), what });
    }
    for _ in 0..harm {
        let device = (rng.next_u64() % DEVICES as u64) as usize;
        let tab = usize::from(rng.next_u64().is_multiple_of(3));
        // A seed sticks to two sorts of trouble, so that each is also seen without the noise of the others.
        let sort = if rng.next_u64().is_multiple_of(2) { sorts } else { sorts >> 32 };
        let choices = troubles(sort);
        let what = choices[(rng.next_u64() % choices.len() as u64) as usize](device, tab);
        steps.push(Step { at_ms: (rng.next_u64() % TROUBLE_MS as u64) as i64, dice: rng.next_u64(), what });
    }
    // Drawn last, so that what earlier seeds found is still found by them.
    let misreads = if rng.next_u64().is_multiple_of(6) { 1 + rng.next_u64() % 4 } else { 0 };
    for _ in 0..misreads {
        let device = (rng.next_u64() % DEVICES as u64) as usize;
        let at_ms = (rng.next_u64() % TROUBLE_MS as u64) as i64;
        steps.push(Step { at_ms, dice: rng.next_u64(), what: What::Misread { device } });
    }
    let decisions = if rng.next_u64().is_multiple_of(2) { 1 + rng.next_u64() % 6 } else { 0 };
    for _ in 0..decisions {
        let device = (rng.next_u64() % DEVICES as u64) as usize;
        let tab = usize::from(rng.next_u64().is_multiple_of(4));
        let what = if rng.next_u64().is_multiple_of(3) { What::Review } else { What::Decide { device, tab } };
        steps.push(Step { at_ms: (rng.next_u64() % TROUBLE_MS as u64) as i64, dice: rng.next_u64(), what });
    }
    steps.sort_by_key(|step| (step.at_ms, step.dice));
    steps
}
