//! Tidemark: a self-hosted, local-first work dashboard. The module list, in the order in which dependencies may point
//! (down only), and the browser's entry.

// A page is one nested type; the deepest of them passes the compiler's usual limit of 128.
#![recursion_limit = "256"]
// What tests share among themselves is read with them.
#![cfg_attr(not(test), warn(missing_docs))]

#[cfg(any(feature = "ssr", feature = "hydrate"))]
pub mod api;
#[cfg(any(feature = "ssr", feature = "hydrate"))]
pub mod app;
#[cfg(feature = "hydrate")]
pub mod browser;
pub mod model;
#[cfg(feature = "ssr")]
pub mod server;
#[cfg(feature = "ssr")]
pub mod simulator;
pub mod sync;

/// The browser's entry: takes over the page that the server drew, or draws it from what this device has.
#[cfg(feature = "hydrate")]
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    use browser::start::{FirstVisit, Page, page, provide_device};
    use leptos::prelude::*;

    browser::last_resort::install();
    match page() {
        Page::Rendered => leptos::mount::hydrate_body(|| {
            provide_device();
            app::App()
        }),
        Page::Shell(seed) => leptos::mount::mount_to_body(|| {
            provide_context(seed);
            provide_device();
            app::App()
        }),
        Page::FirstVisit => leptos::mount::mount_to_body(FirstVisit),
    }
}
