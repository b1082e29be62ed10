//! Deliberately planted bugs, by which the simulator proves that it would notice real ones. They exist in test builds only:
//! everywhere else `planted` is a constant no, and the compiler drops what stands behind it.

/// A bug that can be planted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutant {
    /// The server settles a resent op a second time.
    ForgetReceipts,
    /// The server takes every edit as if nobody else had changed the field.
    IgnoreBase,
    /// The server drops the losing value without a record.
    DropLoser,
    /// The server lets an edit of a deleted record vanish.
    DropEditOfDeleted,
    /// The server deletes a record and leaves what stands under it.
    LeaveOrphans,
    /// The device discards a refused op instead of putting it into the tray.
    DropRefused,
    /// The device applies a frame although one before it is missing.
    IgnoreGap,
    /// The device pushes its outbox in the wrong order.
    PushBackwards,
    /// The device keeps the records of a scope it had to leave.
    KeepLeftScope,
    /// The device does not offer its settled ops again after the server was restored.
    ForgetSettled,
    /// The device waits for the answer to a push for as long as the line lives.
    WaitForEver,
    /// The device lets its tidemark pass over what its build cannot read.
    SkipNewer,
    /// The server answers for a push that its full disk did not take.
    AnswerUnstored,
}

impl Mutant {
    /// Every one of them.
    pub const ALL: &'static [Self] = &[
        Self::ForgetReceipts,
        Self::IgnoreBase,
        Self::DropLoser,
        Self::DropEditOfDeleted,
        Self::LeaveOrphans,
        Self::DropRefused,
        Self::IgnoreGap,
        Self::PushBackwards,
        Self::KeepLeftScope,
        Self::ForgetSettled,
        Self::WaitForEver,
        Self::SkipNewer,
        Self::AnswerUnstored,
    ];
}

#[cfg(test)]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutant>> = const { std::cell::Cell::new(None) };
}

/// Plants a bug in everything that this thread runs from now on, or takes it out again.
#[cfg(test)]
pub fn plant(mutant: Option<Mutant>) {
    PLANTED.with(|planted| planted.set(mutant));
}

/// Whether this bug is planted.
#[cfg(test)]
pub fn planted(mutant: Mutant) -> bool {
    PLANTED.with(std::cell::Cell::get) == Some(mutant)
}

/// Whether this bug is planted: never, outside of tests.
#[cfg(not(test))]
pub const fn planted(_mutant: Mutant) -> bool {
    false
}
