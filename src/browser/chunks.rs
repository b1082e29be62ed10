//! Fetches the chunks of snapshots. Each chunk says where the next one starts, so that one is asked for before this one is
//! unpacked: the network and the server work meanwhile.

use crate::api::sync::snapshot;
use crate::model::id::MemberId;
use crate::sync::wire::{self, SnapshotWanted};
use futures::channel::oneshot;
use js_sys::Promise;
use leptos::logging::warn;
use leptos::task::spawn_local;
use serde_bytes::ByteBuf;
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;

/// An encoded `wire::SnapshotChunk`; `None` when there was no answer.
type Chunk = Option<Vec<u8>>;

/// Where this member's chunks come from.
pub struct Chunks {
    member: MemberId,
    /// What was asked for before the replica wanted it. One at a time: what it never wants is let go by the next.
    ahead: RefCell<Option<Ahead>>,
}

struct Ahead {
    wanted: SnapshotWanted,
    chunk: oneshot::Receiver<Chunk>,
}

impl Chunks {
    /// Those that this member may see.
    pub fn new(member: MemberId) -> Rc<Self> {
        Rc::new(Self { member, ahead: RefCell::default() })
    }

    /// This chunk; and the next one of its scope is on its way when this returns.
    pub async fn fetch(self: &Rc<Self>, wanted: &SnapshotWanted) -> Chunk {
        let asked = self.ahead.borrow_mut().take_if(|ahead| ahead.wanted == *wanted);
        let chunk = match asked {
            // The task that holds the other end always sends.
            Some(ahead) => ahead.chunk.await.unwrap_or(None),
            None => self.ask(wanted).await,
        };
        if let Some(next) = chunk.as_deref().and_then(wire::next_chunk) {
            self.clone().fetch_ahead(next);
            // The request leaves before this thread is busy with what has come.
            let turn = JsFuture::from(Promise::resolve(&JsValue::UNDEFINED)).await;
            turn.inspect_err(|error| warn!("a promise that is kept was broken: {error:?}")).ok();
        }
        chunk
    }

    fn fetch_ahead(self: Rc<Self>, wanted: SnapshotWanted) {
        let (done, chunk) = oneshot::channel();
        *self.ahead.borrow_mut() = Some(Ahead { wanted: wanted.clone(), chunk });
        // Nobody waits any more where another chunk was asked for instead.
        spawn_local(async move { drop(done.send(self.ask(&wanted).await)) });
    }

    async fn ask(&self, wanted: &SnapshotWanted) -> Chunk {
        // Whatever stood in the way, the replica asks again later.
        let message = wire::encode(wanted).inspect_err(|error| warn!("a chunk was not asked for: {error}")).ok()?;
        let chunk = snapshot(self.member, ByteBuf::from(message)).await;
        chunk.inspect_err(|error| warn!("a chunk did not come: {error}")).ok().map(ByteBuf::into_vec)
    }
}
