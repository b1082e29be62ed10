//! Tidemark: a self-hosted, local-first work dashboard. The module list, in the order in which dependencies may point
//! (down only), and the browser's entry.

pub mod api;
pub mod app;
#[cfg(feature = "hydrate")]
pub mod browser;
pub mod model;
#[cfg(feature = "ssr")]
pub mod server;
pub mod sync;
