//! The device: thin adapters between the replica and IndexedDB, tabs, sockets and the service worker. What to do is decided
//! in `sync::replica`; here it is done.

pub mod chunks;
pub mod clock;
pub mod device;
pub mod file;
pub mod last_resort;
pub mod line;
pub mod profile;
pub mod start;
pub mod storage;
pub mod tabs;
pub mod worker;
