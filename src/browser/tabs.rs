//! The tabs of one copy: which of them owns the network, and what they tell each other. A Web Lock elects the owner, which
//! the browser passes on when that tab closes or crashes; a broadcast channel carries notices.

use crate::sync::replica::{Event, Notice};
use crate::sync::wire;
use js_sys::{Function, Object, Promise, Reflect, Uint8Array};
use leptos::prelude::{document, window};
use leptos::task::spawn_local;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{BroadcastChannel, MessageEvent};

#[wasm_bindgen]
extern "C" {
    /// `navigator.locks`, which web-sys offers to builds with an unstable switch only.
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(this: &LockManager, name: &str, options: &Object, granted: &JsValue) -> Result<Promise, JsValue>;
}

/// How a tab asks for the lock.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ask {
    /// After everybody who asked before.
    InTurn,
    /// At once: whoever holds it loses it.
    Stealing,
}

/// This tab among the others of the same copy.
pub struct Tabs {
    name: String,
    locks: Option<LockManager>,
    channel: Option<BroadcastChannel>,
    /// Whether it waits for the lock behind others.
    in_turn: Cell<bool>,
    /// Whether it would own the network.
    stands: Cell<bool>,
    /// Gives the lock back, while this tab holds it.
    release: RefCell<Option<Function>>,
    tell: Box<dyn Fn(Event)>,
}

impl Tabs {
    /// The tabs of the copy with this name; `tell` hears of elections and notices.
    pub fn new(name: String, tell: impl Fn(Event) + 'static) -> Rc<Self> {
        let locks = Reflect::get(&window().navigator(), &JsValue::from_str("locks"))
            .ok()
            .filter(JsValue::is_object)
            .map(JsCast::unchecked_into::<LockManager>);
        let channel = BroadcastChannel::new(&name).ok();
        Rc::new(Self {
            name,
            locks,
            channel,
            in_turn: Cell::new(false),
            stands: Cell::new(true),
            release: RefCell::default(),
            tell: Box::new(tell),
        })
    }

    /// Joins them: listens, and stands for election.
    pub fn join(self: &Rc<Self>) {
        self.listen();
        self.clone().ask(Ask::InTurn);
    }

    /// Tells the other tabs. Without a channel they are not heard; each then reads what it missed when it saves.
    pub fn say(&self, notice: &Notice) {
        let (Some(channel), Ok(bytes)) = (&self.channel, wire::encode(notice)) else { return };
        if let Err(error) = channel.post_message(&Uint8Array::from(bytes.as_slice())) {
            leptos::logging::warn!("the other tabs could not be told: {error:?}");
        }
    }

    /// Takes the lock from a tab that no longer answers. This one may have it already, and only have given its work up.
    pub fn take_over(self: &Rc<Self>) {
        if self.release.borrow().is_some() {
            (self.tell)(Event::Elected);
        } else if !document().hidden() {
            // Browsers slow the timers of hidden tabs down, so there an owner that is well seems frozen; nobody looks, either.
            self.clone().ask(Ask::Stealing);
        }
    }

    /// Leaves the lock to the others for good.
    pub fn stand_down(&self) {
        self.stands.set(false);
        let release = self.release.borrow_mut().take();
        if let Some(Err(error)) = release.map(|release| release.call0(&JsValue::NULL)) {
            leptos::logging::warn!("the lock of the network could not be given back: {error:?}");
        }
    }

    fn listen(self: &Rc<Self>) {
        let Some(channel) = &self.channel else { return };
        let tabs = self.clone();
        let heard = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            let Ok(bytes) = event.data().dyn_into::<Uint8Array>() else { return };
            // A tab with another build may say what this one does not understand; both read the same databases.
            if let Ok(notice) = wire::decode::<Notice>(&bytes.to_vec()) {
                (tabs.tell)(Event::Told(notice));
            }
        });
        channel.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        // Listens as long as the page lives.
        heard.forget();
    }

    fn ask(self: Rc<Self>, ask: Ask) {
        if !self.stands.get() {
            return;
        }
        let Some(locks) = &self.locks else {
            // An engine without locks, or a page without a secure origin: every tab elects itself. `Table::Head` is compared
            // and replaced by every save, so two such tabs cannot both write; the slower one reads again.
            if ask == Ask::InTurn {
                (self.tell)(Event::Elected);
            }
            return;
        };
        let options = Object::new();
        let set = match ask {
            Ask::InTurn if self.in_turn.replace(true) => return,
            Ask::InTurn => Ok(true),
            Ask::Stealing => Reflect::set(&options, &JsValue::from_str("steal"), &JsValue::TRUE),
        };
        let tabs = self.clone();
        let held = Rc::new(Cell::new(false));
        let holds = held.clone();
        let granted = Closure::once_into_js(move || {
            if ask == Ask::InTurn {
                tabs.in_turn.set(false);
            }
            // It may have waited in the queue while it stood down.
            if !tabs.stands.get() {
                return Promise::resolve(&JsValue::UNDEFINED);
            }
            holds.set(true);
            // Held until the tab ends, another steals it, or it is given back.
            let held = Promise::new(&mut |release, _| *tabs.release.borrow_mut() = Some(release));
            (tabs.tell)(Event::Elected);
            held
        });
        let asked = set.and_then(|_| locks.request(&self.name, &options, &granted));
        match asked {
            Ok(lost) => {
                let tabs = self.clone();
                spawn_local(async move {
                    // It is rejected when the lock is stolen or cannot be had at all, and otherwise never settles.
                    match JsFuture::from(lost).await {
                        Err(_) if held.get() => {
                            tabs.release.borrow_mut().take();
                            (tabs.tell)(Event::Deposed);
                            tabs.ask(Ask::InTurn);
                        }
                        Err(_) => (tabs.tell)(Event::Elected),
                        Ok(_) => {}
                    }
                });
            }
            Err(error) => {
                leptos::logging::warn!("the lock of the network could not be asked for: {error:?}");
                (self.tell)(Event::Elected);
            }
        }
    }
}
