//! Tidemark: a self-hosted, local-first work dashboard. The module list, in the order in which dependencies may point
//! (down only), and the browser's entry.

// A page is one nested type; the deepest of them passes the compiler's usual limit of 128.
#![recursion_limit = "256"]

pub mod api;
pub mod app;
#[cfg(feature = "hydrate")]
pub mod browser;
pub mod model;
#[cfg(feature = "ssr")]
pub mod server;
pub mod sync;
