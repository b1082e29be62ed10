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
    browser::last_resort::install();
    browser::start::begin();
}

/// Room in the program's data. `scripts/build.sh` cuts the program into files and lays its data out anew, file by file;
/// where that takes more room than the linker took, the splitter leaves all data in the file that starts. Nothing refers
/// to this, so it goes to none of them.
#[cfg(all(feature = "hydrate", target_family = "wasm"))]
#[used]
static ROOM: [u8; 4096] = [0xff; 4096];
