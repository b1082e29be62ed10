//! The machine room: store, live hub, accounts, HTTP.

pub mod accounts;
pub mod caller;
pub mod cli;
pub mod config;
pub mod demo;
pub mod errors;
pub mod exchange;
pub mod health;
pub mod incident;
pub mod limits;
pub mod middleware;
pub mod pages;
pub mod review;
pub mod routes;
pub mod seed;
pub mod serve;
pub mod socket;
pub mod state;

pub mod bench;
pub mod core;
pub mod hub;
pub mod store;
