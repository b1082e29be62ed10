//! The real server on a free loopback port with a database of its own, spoken to as browsers speak to it. Modules mirror what
//! they ask for: `accounts` is `/api/sign-…`, `workspace` is `/api/workspace`, `/api/invitation` and `/api/member`, `live` is
//! `/api/live`, and so on.

mod accounts;
mod activity;
mod app;
mod commands;
mod limits;
mod live;
mod logs;
mod middleware;
mod pages;
mod process;
mod sync;
mod workspace;
