//! How a page begins: drawn by the server with its data, or as the data-free shell that the service worker keeps, at any
//! address. Either way the device takes over right after the first render.

use crate::api::seed::{Seed, Viewer};
use crate::app::WhenShown;
use crate::app::records::Records;
use crate::browser::worker::Worker;
use crate::browser::{device, profile};
use leptos::prelude::*;
use leptos::task::spawn_local;
use std::sync::Arc;

/// What stands on the page, and what it needs.
pub enum Page {
    /// The server drew it: take it over as it is.
    Rendered,
    /// The shell, in the browser of somebody who was signed in: draw it from what this device has.
    Shell(Seed),
    /// The shell, in a browser that knows nobody.
    FirstVisit,
}

/// Which page this is. The server's marker on the root element tells them apart, never the address.
pub fn page() -> Page {
    let boot = document().document_element().and_then(|root| root.get_attribute("data-boot"));
    match (boot.as_deref(), profile::viewer()) {
        (Some("device"), Some(viewer)) => Page::Shell(Seed { viewer: Some(viewer), ..Seed::default() }),
        (Some("device"), None) => Page::FirstVisit,
        _ => Page::Rendered,
    }
}

/// Gives the application its device once it has been drawn.
pub fn provide_device() {
    provide_context(WhenShown(Arc::new(|records: Records| {
        say_alive();
        let worker = Worker::register(move || records.set_update_ready());
        // Not followed: who is signed in changes only with the page.
        let viewer: Option<Viewer> = records.viewer().get_untracked();
        if let Some(viewer) = viewer {
            profile::keep_viewer(&viewer);
            spawn_local(device::start(records, viewer, worker));
        }
    })));
}

/// Marks the document as taken over: from here on a click does something. The browser tests wait for it.
fn say_alive() {
    let marked = document().document_element().map(|root| root.set_attribute("data-alive", ""));
    if let Some(Err(error)) = marked {
        leptos::logging::warn!("the document could not be marked as taken over: {error:?}");
    }
}

/// What the shell shows in a browser that knows nobody.
#[component]
pub fn FirstVisit() -> impl IntoView {
    view! {
        <main class="alone">
            <h1>"There is no connection"</h1>
            <p>
                "A first visit, and signing in, need one. Once you have been signed in here, Tidemark opens without it, with everything you had."
            </p>
            <p>
                <button type="button" class="button" on:click=|_| {
                    if window().location().reload().is_err() {
                        leptos::logging::warn!("the page could not be loaded again");
                    }
                }>"Try again"</button>
            </p>
        </main>
    }
}
