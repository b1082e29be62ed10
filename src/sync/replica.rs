//! The device, without a device: a state machine that is told what happened and says what to do (`step`). It holds the
//! three states of a copy (base, outbox, view), decides what is pushed, applied, rebased, fetched and purged, and never
//! touches a clock, a disk or a socket. The browser and the simulator run it unchanged.

pub mod draft;
pub mod exchange;
pub mod outbox;
pub mod status;

pub use draft::Draft;
pub use exchange::{
    Alive, Database, Effect, Event, Identity, Incident, Moment, Notice, OnlyIf, Save, Saved, Slot, Table, Ticket,
    Timer, Write,
};
pub use outbox::{Pending, PendingState, Place, Refused, Tray, TrayEntry};
pub use status::{Link, Memory, Missing, Status};
