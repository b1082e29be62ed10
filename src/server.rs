//! The machine room: store, live hub, accounts, HTTP.

pub mod accounts;
pub mod exchange;
pub mod review;
pub mod seed;
