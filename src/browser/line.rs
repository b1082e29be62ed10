//! The conversation with the server: the live channel, a WebSocket of binary messages, or, where a proxy refuses it, the same
//! messages one request at a time. The replica cannot tell them apart. What was said by a line that has been given up is not
//! heard any more.

use crate::api::sync::{LIVE_PATH, hello, pull, push};
use crate::api::{ApiError, account};
use crate::browser::clock::pause;
use crate::model::id::MemberId;
use crate::model::record::Version;
use crate::model::scope::Scope;
use crate::sync::replica::Event;
use crate::sync::wire;
use crate::sync::wire::{FromDevice, FromServer, Hello, Pull, Pulled, Pushed, Welcome};
use js_sys::{ArrayBuffer, Uint8Array};
use leptos::prelude::window;
use leptos::task::spawn_local;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::future::Future;
use std::rc::Rc;
use wasm_bindgen::prelude::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, MessageEvent, WebSocket};

/// So many sockets that never opened, one after the other, and requests are tried instead: once may be a server that starts.
const REFUSED_MAX: u32 = 2;
/// Between two looks at the server without a socket, while something happens.
const LOOK_MS_MIN: i32 = 2_000;
/// The same, while nothing does: each quiet look doubles the wait up to this.
const LOOK_MS_MAX: i32 = 15_000;

/// How long requests are used before a socket is tried again beside them: what refused it may have been a server that started. Each
/// try doubles it, up to the second.
const SOCKET_AGAIN_MS: i32 = 30_000;
const SOCKET_AGAIN_MS_MAX: i32 = 480_000;

/// One line after the other to the server.
pub struct Line {
    member: MemberId,
    way: RefCell<Way>,
    /// Counts lines; what an older one says is not heard.
    nth: Cell<u64>,
    refused: Cell<u32>,
    /// Whether the last socket was given up before it opened or failed: what swallows sockets may let requests pass, so those are
    /// tried next, and a socket again after them.
    hung: Cell<bool>,
    tell: Box<dyn Fn(Event)>,
}

/// How the current line goes.
enum Way {
    Down,
    Socket(WebSocket),
    Requests(Rc<Requests>),
}

/// What a line of requests has to remember, because each request stands alone.
#[derive(Default)]
struct Requests {
    hello: RefCell<Option<Hello>>,
    scopes: RefCell<BTreeSet<Scope>>,
    head: Cell<Version>,
    wait_ms: Cell<i32>,
}

impl Line {
    /// A line that is down. `tell` hears what happens on it.
    pub fn new(member: MemberId, tell: impl Fn(Event) + 'static) -> Rc<Self> {
        Rc::new(Self {
            member,
            way: RefCell::new(Way::Down),
            nth: Cell::new(0),
            refused: Cell::new(0),
            hung: Cell::new(false),
            tell: Box::new(tell),
        })
    }

    /// Sets the line up: answered by `Connected` or `Disconnected`.
    pub fn connect(self: &Rc<Self>) {
        self.end();
        if self.hung.take() {
            self.try_requests(self.nth.get());
        } else if let Err(error) = self.open_socket() {
            leptos::logging::warn!("no live channel: {error:?}");
            self.refused.set(REFUSED_MAX);
            self.try_requests(self.nth.get());
        }
    }

    /// Sends a message.
    pub fn send(self: &Rc<Self>, message: Vec<u8>) {
        let nth = self.nth.get();
        let sent = match &*self.way.borrow() {
            // It broke a moment ago, and the replica is about to hear of it.
            Way::Down => Ok(()),
            Way::Socket(socket) => socket.send_with_u8_array(&message),
            Way::Requests(requests) => {
                self.clone().answer(nth, requests.clone(), message);
                Ok(())
            }
        };
        if let Err(error) = sent {
            leptos::logging::warn!("the live channel took no message: {error:?}");
            self.lose(nth);
        }
    }

    /// Sends an encoded `wire::Push` by a request of its own.
    pub fn post(self: &Rc<Self>, message: Vec<u8>) {
        let line = self.clone();
        let nth = self.nth.get();
        spawn_local(async move {
            let pushed = push(line.member, ByteBuf::from(message)).await.ok();
            match pushed.and_then(|bytes| wire::decode(&bytes).ok()) {
                Some(pushed) => line.hear(nth, &FromServer::Pushed(pushed)),
                None => line.say(nth, Event::Disconnected),
            }
        });
    }

    /// The browser says that the network is gone: a socket would notice minutes later.
    pub fn cut(&self) {
        let up = !matches!(&*self.way.borrow(), Way::Down);
        if up {
            self.lose(self.nth.get());
        }
    }

    /// Takes the line down without a word. A socket that has neither opened nor failed by then is taken for swallowed.
    pub fn hang_up(&self) {
        let opening =
            matches!(&*self.way.borrow(), Way::Socket(socket) if socket.ready_state() == WebSocket::CONNECTING);
        self.hung.set(opening);
        self.end();
    }

    fn end(&self) {
        self.nth.set(self.nth.get() + 1);
        if let Way::Socket(socket) = self.way.replace(Way::Down) {
            // Closing one that is closed already changes nothing.
            socket.close().ok();
        }
    }

    fn open_socket(self: &Rc<Self>) -> Result<(), JsValue> {
        let nth = self.nth.get();
        let socket = self.socket()?;
        socket.set_binary_type(BinaryType::Arraybuffer);

        let ever_opened = Rc::new(Cell::new(false));
        let opened_before = ever_opened.clone();
        let line = self.clone();
        let opened = Closure::<dyn Fn()>::new(move || {
            ever_opened.set(true);
            line.refused.set(0);
            line.say(nth, Event::Connected);
        });
        socket.set_onopen(Some(opened.as_ref().unchecked_ref()));
        let line = self.clone();
        let heard = Closure::<dyn Fn(MessageEvent)>::new(move |event: MessageEvent| {
            // Text on this channel is not ours; the replica says so.
            let message = event.data().dyn_into::<ArrayBuffer>().map(|data| Uint8Array::new(&data).to_vec());
            line.say(nth, Event::Received(message.unwrap_or_default()));
        });
        socket.set_onmessage(Some(heard.as_ref().unchecked_ref()));
        let line = self.clone();
        let closed = Closure::once_into_js(move || {
            // The callbacks live exactly as long as their socket.
            drop((opened, heard));
            line.closed(nth, opened_before.get());
        });
        socket.set_onclose(Some(closed.unchecked_ref()));
        *self.way.borrow_mut() = Way::Socket(socket);
        Ok(())
    }

    fn socket(&self) -> Result<WebSocket, JsValue> {
        let location = window().location();
        let scheme = if location.protocol()? == "https:" { "wss" } else { "ws" };
        WebSocket::new(&format!("{scheme}://{}{LIVE_PATH}?member={}", location.host()?, self.member))
    }

    /// Tries whether a socket opens now, beside requests that go on meanwhile. If it does, the next line is one.
    fn try_socket(self: &Rc<Self>, nth: u64) {
        let Ok(tried) = self.socket() else { return };
        let (line, socket) = (self.clone(), tried.clone());
        let opened = Closure::once_into_js(move || {
            socket.close().ok();
            if nth == line.nth.get() {
                line.refused.set(0);
                line.lose(nth);
            }
        });
        tried.set_onopen(Some(opened.unchecked_ref()));
    }

    fn closed(self: &Rc<Self>, nth: u64, opened: bool) {
        if nth != self.nth.get() {
            return;
        }
        if !opened {
            self.refused.set(self.refused.get().saturating_add(1));
        }
        if opened || self.refused.get() < REFUSED_MAX {
            self.lose(nth);
        } else {
            self.try_requests(nth);
        }
    }

    /// Whether requests get through where a socket does not; if they do not either, there is no network.
    fn try_requests(self: &Rc<Self>, nth: u64) {
        let line = self.clone();
        spawn_local(async move {
            let answered = !matches!(account::me().await, Err(ApiError::Unreachable | ApiError::NotOurs));
            if nth != line.nth.get() {
                return;
            }
            if answered {
                let requests = Requests { wait_ms: Cell::new(LOOK_MS_MIN), ..Requests::default() };
                *line.way.borrow_mut() = Way::Requests(Rc::new(requests));
                line.say(nth, Event::Connected);
            } else {
                line.lose(nth);
            }
        });
    }

    fn lose(&self, nth: u64) {
        if nth == self.nth.get() {
            self.end();
            (self.tell)(Event::Disconnected);
        }
    }

    fn say(&self, nth: u64, event: Event) {
        if nth == self.nth.get() {
            (self.tell)(event);
        }
    }

    fn hear(&self, nth: u64, message: &FromServer) {
        match wire::encode(message) {
            Ok(bytes) => self.say(nth, Event::Received(bytes)),
            Err(error) => {
                leptos::logging::warn!("an answer could not be handed on: {error}");
                self.lose(nth);
            }
        }
    }

    /// Answers one message by requests, as the live channel would.
    fn answer(self: Rc<Self>, nth: u64, requests: Rc<Requests>, message: Vec<u8>) {
        spawn_local(async move {
            let answered = match wire::decode(&message) {
                Ok(FromDevice::Hello(hello)) => self.greet(nth, &requests, hello).await,
                Ok(FromDevice::Push(message)) => {
                    requests.wait_ms.set(LOOK_MS_MIN);
                    ask::<_, Pushed, _>(self.member, &message, push)
                        .await
                        .map(|pushed| self.hear(nth, &FromServer::Pushed(pushed)))
                }
                Ok(FromDevice::Pull(message) | FromDevice::Follow(message)) => self.catch_up(nth, &message).await,
                Ok(FromDevice::Beat) => self.look(nth, &requests).await,
                // What this build wrote it can read.
                Err(_) => Err(ApiError::Malformed),
            };
            self.end_on(nth, answered);
        });
    }

    /// A refusal is heard as on the live channel; anything else ends the line, and another one is tried later.
    fn end_on(&self, nth: u64, answered: Result<(), ApiError>) {
        let Err(error) = answered else { return };
        if let Some(refusal) = error.refusal() {
            self.hear(nth, &FromServer::Refused { refusal, says: error.to_string() });
        }
        self.lose(nth);
    }

    async fn greet(self: &Rc<Self>, nth: u64, requests: &Rc<Requests>, message: Hello) -> Result<(), ApiError> {
        let welcome: Welcome = ask(self.member, &message, hello).await?;
        requests.saw(&welcome);
        *requests.hello.borrow_mut() = Some(message);
        self.hear(nth, &FromServer::Welcome(welcome));
        self.clone().keep_looking(nth, requests.clone());
        Ok(())
    }

    async fn catch_up(&self, nth: u64, message: &Pull) -> Result<(), ApiError> {
        let pulled: Pulled = ask(self.member, message, pull).await?;
        self.hear(nth, &FromServer::Pulled(pulled));
        Ok(())
    }

    /// Looks every few seconds, because without a socket the server cannot speak first.
    fn keep_looking(self: Rc<Self>, nth: u64, requests: Rc<Requests>) {
        spawn_local(async move {
            let (mut waited_ms, mut again_ms) = (0, SOCKET_AGAIN_MS);
            loop {
                let wait_ms = requests.wait_ms.get();
                pause(wait_ms).await;
                if nth != self.nth.get() {
                    return;
                }
                waited_ms += wait_ms;
                if waited_ms >= again_ms {
                    (waited_ms, again_ms) = (0, (2 * again_ms).min(SOCKET_AGAIN_MS_MAX));
                    self.try_socket(nth);
                }
                let looked = self.look(nth, &requests).await;
                let failed = looked.is_err();
                self.end_on(nth, looked);
                if failed {
                    return;
                }
            }
        });
    }

    /// What the live channel says by itself: scopes that came and went, and where the others stand. The replica pulls what
    /// it lacks.
    async fn look(&self, nth: u64, requests: &Requests) -> Result<(), ApiError> {
        let Some(message) = requests.hello.borrow().clone() else { return Ok(()) };
        let welcome: Welcome = ask(self.member, &message, hello).await?;
        let (came, went) = requests.saw(&welcome);
        for scope in came {
            self.hear(nth, &FromServer::ScopeJoin(scope));
        }
        for scope in went {
            self.hear(nth, &FromServer::ScopeLeave(scope));
        }
        let Welcome { head, now_ms, scopes, .. } = welcome;
        self.hear(nth, &FromServer::Beat { head, now_ms, scopes });
        Ok(())
    }
}

impl Requests {
    /// Which scopes came and went since the last look; and the next look is sooner when anything changed.
    fn saw(&self, welcome: &Welcome) -> (Vec<Scope>, Vec<Scope>) {
        let now: BTreeSet<Scope> = welcome.scopes.iter().map(|state| state.scope).collect();
        let before = self.scopes.replace(now.clone());
        let changed = self.head.replace(welcome.head) != welcome.head;
        self.wait_ms.set(if changed { LOOK_MS_MIN } else { self.wait_ms.get().saturating_mul(2).min(LOOK_MS_MAX) });
        (now.difference(&before).copied().collect(), before.difference(&now).copied().collect())
    }
}

/// One request with one wire message each way.
async fn ask<Q, A, F>(member: MemberId, message: &Q, call: impl FnOnce(MemberId, ByteBuf) -> F) -> Result<A, ApiError>
where
    Q: Serialize,
    A: DeserializeOwned,
    F: Future<Output = Result<ByteBuf, ApiError>>,
{
    let message = wire::encode(message).map_err(|_| ApiError::TooLarge)?;
    let answer = call(member, ByteBuf::from(message)).await?;
    wire::decode(&answer).map_err(|_| ApiError::NotOurs)
}
