//! How a page begins: drawn by the server with its data, or as the data-free shell that the service worker keeps, at any
//! address. Either way the device takes over right after the first render. Its code is a file of its own, as a page's is
//! (see `app::pages`): nobody waits for it before the first click.

mod typed;

use crate::api::seed::{Seed, Viewer};
use crate::app::pages::NotFetched;
use crate::app::records::{Link, Records};
use crate::app::{App, WhenShown, dom, early, pages};
use crate::browser::worker::Worker;
use crate::browser::{device, profile};

use futures::channel::oneshot;
use futures::future::select;
use leptos::mount::{hydrate_from_async, mount_to_body};
use leptos::prelude::*;
use leptos::wasm_split::wasm_split;
use leptos_router::ChooseView;
use send_wrapper::SendWrapper;
use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use typed::Typed;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::Response;

/// The other pages are fetched after this time at the latest, however much of the records is still on its way.
const CALM_WAIT_MS: u64 = 5_000;

/// What stands on the page, and what it needs.
enum Page {
    /// The server drew it: take it over as it is.
    Rendered,
    /// The shell, in the browser of somebody who was signed in: draw it from what this device has.
    Shell(Seed),
    /// The shell, in a browser that knows nobody.
    FirstVisit,
}

/// Which page this is. The server's marker on the root element tells them apart, never the address.
fn page() -> Page {
    let boot = document().document_element().and_then(|root| root.get_attribute("data-boot"));
    match (boot.as_deref(), profile::viewer()) {
        (Some("device"), Some(viewer)) => Page::Shell(Seed { viewer: Some(viewer), ..Seed::default() }),
        (Some("device"), None) => Page::FirstVisit,
        _ => Page::Rendered,
    }
}

/// Takes over the page that the server drew, or draws it from what this device has.
pub fn begin() {
    let page = page();
    spawn_local(async {
        let (drawn, when_drawn) = oneshot::channel();
        match page {
            Page::Rendered => {
                let typed = Typed::follow();
                let taking_over = hydrate_from_async(leptos::tachys::dom::body(), || {
                    provide_device(when_drawn);
                    App()
                });
                taking_over.await.forget();
                let pressed = early::pressed();
                typed.put_back().await;
                if let Some(button) = pressed {
                    early::press(&button);
                }
            }
            Page::Shell(seed) => {
                // The service worker keeps every page beside the shell, so this waits for no network. A page that is
                // missing all the same says so when it is opened.
                pages::fetch_all().await.ok();
                mount_to_body(|| {
                    provide_context(seed);
                    provide_device(when_drawn);
                    App()
                });
            }
            Page::FirstVisit => {
                let page = pages::first_visit().choose().await;
                mount_to_body(move || page);
                say_alive();
            }
        }
        // Nobody listens where nobody is signed in.
        drawn.send(()).ok();
    });
}

/// Gives the application its device once it has been drawn: not earlier, because what the server rendered must be what is
/// taken over.
fn provide_device(drawn: oneshot::Receiver<()>) {
    let drawn = SendWrapper::new(RefCell::new(Some(drawn)));
    provide_context(WhenShown(Arc::new(move |records: Records| {
        let Some(drawn) = drawn.borrow_mut().take() else { return };
        let unfinished = move || records.is_storing() || dom::focus_unkept();
        let worker = Worker::follow(move || records.set_update_ready(), unfinished);
        // Not followed: who is signed in changes only with the page.
        let viewer: Option<Viewer> = records.viewer().get_untracked();
        let calmed = once_calm(records);
        spawn_local(async move {
            // It is either drawn, or the application broke and said so.
            if drawn.await.is_err() {
                return;
            }
            say_alive();
            let (first, later) = match worker.clone() {
                Some(worker) if viewer.is_some() && worker.is_first() => (None, Some(worker)),
                worker => (worker, None),
            };
            if let Some(worker) = first {
                worker.register();
            }
            let Some(viewer) = viewer else { return };
            profile::keep_viewer(&viewer);
            open_device(records, viewer, worker).await;
            // The other pages come last, and a first service worker, which fetches them too: what is not here yet of the records
            // is wanted sooner. Not much later, because from then on every page opens whatever becomes of the network, or of
            // the build this page came with.
            select(calmed, Box::pin(pages::wait(CALM_WAIT_MS))).await;
            if let Err(error) = pages::fetch_all().await {
                leptos::logging::warn!("{error}");
            }
            if let Some(worker) = later {
                worker.register();
            }
        });
    })));
}

/// Told once nothing is on its way to this device any more, or nothing can be.
fn once_calm(records: Records) -> oneshot::Receiver<()> {
    let (calm, calmed) = oneshot::channel();
    let (calm, status) = (SendWrapper::new(RefCell::new(Some(calm))), records.status());
    Effect::new(move |_| {
        let arriving = status.with(|status| match status.link {
            Link::Joining => true,
            Link::Live => !status.missing.is_empty(),
            Link::Offline | Link::SignedOut | Link::Revoked | Link::UpdateNeeded => false,
        });
        if let Some(calm) = calm.borrow_mut().take_if(|_| !arriving) {
            // Nobody waits any more where it took too long.
            calm.send(()).ok();
        }
    });
    calmed
}

/// Starts the device as soon as its code is here. What a person does until then waits in `Records`.
async fn open_device(records: Records, viewer: Viewer, worker: Option<Rc<Worker>>) {
    #[wasm_split(device, wasm_split_path = ::leptos::wasm_split, fallible)]
    fn start_device(
        records: Records,
        viewer: Viewer,
        worker: Option<Rc<Worker>>,
    ) -> Result<Pin<Box<dyn Future<Output = ()>>>, NotFetched> {
        Ok(Box::pin(device::start(records, viewer, worker)))
    }
    let mut failed = 0_u64;
    let mut gone = false;
    loop {
        match start_device(records, viewer.clone(), worker.clone()).await {
            Ok(starting) => return starting.await,
            Err(NotFetched) => failed += 1,
        }
        if failed == 1 {
            records.tell(
                "The connection broke before Tidemark was here entirely. Keep this page open: it goes on trying, and stores your edits once it has arrived.",
                None,
            );
        } else if !gone && server_answers().await {
            // A server that answers, and does not have the file, has another build by now: it will never come.
            gone = true;
            records.set_update_ready();
            records.tell(
                "A part of Tidemark is not on the server any more: it was probably updated. What you do on this page is not stored. Copy what you need of it, then reload the page.",
                None,
            );
        }
        pages::wait_to_fetch_again().await;
    }
}

/// Whether the server can be reached.
async fn server_answers() -> bool {
    let answer = JsFuture::from(window().fetch_with_str("/health/live")).await;
    answer.is_ok_and(|answer| answer.unchecked_into::<Response>().ok())
}

/// Marks the document as taken over: from here on a click does something. The browser tests wait for it.
fn say_alive() {
    let marked = document().document_element().map(|root| root.set_attribute("data-alive", ""));
    if let Some(Err(error)) = marked {
        leptos::logging::warn!("the document could not be marked as taken over: {error:?}");
    }
}
