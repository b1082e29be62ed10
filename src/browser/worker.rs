//! This page's end of the service worker: registering it, seeing that a newer build waits, switching to it once the person
//! agreed, and asking for a background push when edits wait and the network is gone.

use crate::browser::clock::pause;
use js_sys::{Function, Object, Promise, Reflect};
use leptos::prelude::window;
use leptos::task::spawn_local;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ServiceWorker, ServiceWorkerContainer, ServiceWorkerRegistration, ServiceWorkerState};

/// Where the server serves it: at the top, because it takes care of every address.
const SCRIPT: &str = "/service-worker.js";
/// How often it is registered on one page: the network may be gone just then. An engine that forbids it goes on doing so.
const TRIES_MAX: u32 = 5;
/// Between tries.
const TRY_AGAIN_MS: i32 = 10_000;
/// The tag of the background push, as in the script.
const OUTBOX_TAG: &str = "tidemark-outbox";

/// The service worker of this page.
pub struct Worker {
    container: ServiceWorkerContainer,
    registration: RefCell<Option<ServiceWorkerRegistration>>,
    agreed: Cell<bool>,
    ready: Box<dyn Fn()>,
    unfinished: Box<dyn Fn() -> bool>,
}

impl Worker {
    /// Follows it. `ready` is called when a newer build waits; `unfinished` says whether loading the page again would lose something.
    /// `None` in an engine without service workers, or on a page
    /// without a secure origin: the application works there too, while there is a network.
    pub fn follow(ready: impl Fn() + 'static, unfinished: impl Fn() -> bool + 'static) -> Option<Rc<Self>> {
        let container = Reflect::get(&window().navigator(), &JsValue::from_str("serviceWorker")).ok()?;
        let container = container.dyn_into::<ServiceWorkerContainer>().ok()?;
        let worker = Rc::new(Self {
            container,
            registration: RefCell::default(),
            agreed: Cell::new(false),
            ready: Box::new(ready),
            unfinished: Box::new(unfinished),
        });
        worker.watch_control();
        Some(worker)
    }

    /// Whether this page was loaded without one: what it registers then fetches every file of the build.
    pub fn is_first(&self) -> bool {
        self.container.controller().is_none()
    }

    /// Registers it, or looks whether there is a newer one.
    pub fn register(self: &Rc<Self>) {
        let registering = self.clone();
        spawn_local(async move {
            for _ in 0..TRIES_MAX {
                match JsFuture::from(registering.container.register(SCRIPT)).await {
                    Ok(registration) => return registering.watch(registration.unchecked_into()),
                    Err(error) => leptos::logging::warn!("no service worker: {error:?}"),
                }
                pause(TRY_AGAIN_MS).await;
            }
        });
    }

    /// Switches to the build that waits. The page reloads as soon as it is in charge, or now if it is already.
    pub fn update(&self) {
        self.agreed.set(true);
        let waiting = self.registration.borrow().as_ref().and_then(ServiceWorkerRegistration::waiting);
        let Some(waiting) = waiting else { return reload() };
        tell(&waiting, "skip-waiting");
    }

    /// Looks whether the server has a newer build: a page that stays open for days would not hear of it.
    pub fn look_for_update(&self) {
        let looked = self.registration.borrow().as_ref().map(ServiceWorkerRegistration::update);
        if let Some(Ok(promise)) = looked {
            // Without a network there is nothing newer.
            spawn_local(async move { drop(JsFuture::from(promise).await) });
        }
    }

    /// Asks the browser to let the worker push the outbox when there is a network again, even if no tab is open then. Not
    /// every engine can; the next tab does it there.
    pub fn push_later(&self) {
        let registration = self.registration.borrow().clone();
        let asked = registration.and_then(|registration| {
            let sync = Reflect::get(&registration, &JsValue::from_str("sync")).ok()?;
            let register: Function = Reflect::get(&sync, &JsValue::from_str("register")).ok()?.dyn_into().ok()?;
            register.call1(&sync, &JsValue::from_str(OUTBOX_TAG)).ok()?.dyn_into::<Promise>().ok()
        });
        if let Some(promise) = asked {
            // Refused where the person turned background work off: as in an engine that cannot.
            spawn_local(async move { drop(JsFuture::from(promise).await) });
        }
    }

    /// Another build took charge of this page: at our wish it is loaded again, and otherwise, because another tab agreed, the
    /// person of this one is asked. The first worker of all takes charge of a page that is as new as itself.
    fn watch_control(self: &Rc<Self>) {
        let worker = self.clone();
        let controlled = Cell::new(worker.container.controller().is_some());
        let changed = Closure::<dyn Fn()>::new(move || {
            let another = controlled.replace(true);
            // It may take a while until it is in charge, and its person goes on meanwhile.
            if worker.agreed.replace(false) && !(worker.unfinished)() {
                reload();
            } else if another {
                (worker.ready)();
            }
        });
        self.container.set_oncontrollerchange(Some(changed.as_ref().unchecked_ref()));
        // Watches as long as the page lives.
        changed.forget();
    }

    fn watch(self: &Rc<Self>, registration: ServiceWorkerRegistration) {
        if registration.waiting().is_some() && self.container.controller().is_some() {
            (self.ready)();
        }
        // It took charge of every page there was while this one was on its way.
        if let Some(active) = registration.active()
            && self.is_first()
        {
            tell(&active, "claim");
        }
        let worker = self.clone();
        let found = Closure::<dyn Fn()>::new(move || {
            let installing = worker.registration.borrow().as_ref().and_then(ServiceWorkerRegistration::installing);
            if let Some(installing) = installing {
                worker.watch_install(installing);
            }
        });
        registration.set_onupdatefound(Some(found.as_ref().unchecked_ref()));
        // Watches as long as the page lives.
        found.forget();
        let installing = registration.installing();
        *self.registration.borrow_mut() = Some(registration);
        if let Some(installing) = installing {
            self.watch_install(installing);
        }
    }

    fn watch_install(self: &Rc<Self>, installing: ServiceWorker) {
        let worker = self.clone();
        let watched = installing.clone();
        let changed = Closure::<dyn Fn()>::new(move || {
            if watched.state() == ServiceWorkerState::Installed && worker.container.controller().is_some() {
                (worker.ready)();
            }
        });
        installing.set_onstatechange(Some(changed.as_ref().unchecked_ref()));
        // There are as many as builds that arrive while one page is open.
        changed.forget();
    }
}

/// Sends a worker one of the messages its script knows.
fn tell(worker: &ServiceWorker, what: &str) {
    let message = Object::new();
    let sent = Reflect::set(&message, &JsValue::from_str("type"), &JsValue::from_str(what))
        .and_then(|_| worker.post_message(&message));
    if let Err(error) = sent {
        leptos::logging::warn!("the service worker could not be told: {error:?}");
    }
}

fn reload() {
    if let Err(error) = window().location().reload() {
        leptos::logging::warn!("the page could not be loaded again: {error:?}");
    }
}
