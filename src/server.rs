//! The machine room: store, live hub, accounts, HTTP.

pub mod accounts;
pub mod exchange;
pub mod review;
pub mod seed;

pub mod core;
pub mod hub;
pub mod store;
