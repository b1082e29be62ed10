//! How long ago something was, by the server's clock: this device's own may be years off.

use crate::app::components::live::words;
use crate::app::dom;
use crate::app::format;
use leptos::prelude::*;

/// How often what says "5 min ago" is brought up to date, milliseconds: twice in the smallest unit it has.
const TICK_MS: u64 = 30_000;

/// The server's time as this page knows it, followed. Until the page runs it is what the server said last, so that the first render
/// reads no clock.
#[derive(Clone, Copy)]
pub struct ServerTime {
    now_ms: StoredValue<i64>,
    told: RwSignal<u64>,
}

impl ServerTime {
    /// Goes by what `told` says that it is, Unix milliseconds, followed; 0 while the server has not said.
    pub fn new(told: impl Fn() -> i64 + 'static) -> Self {
        let ahead = StoredValue::new(0_i64);
        let time = Self { now_ms: StoredValue::new(untrack(&told)), told: RwSignal::new(0) };
        Effect::new(move || {
            let now_ms = told();
            ahead.set_value(now_ms.saturating_sub(dom::now_ms()));
            time.set(now_ms);
        });
        dom::every(TICK_MS, move || {
            if let Some(ahead) = ahead.try_get_value() {
                time.set(dom::now_ms().saturating_add(ahead));
            }
        });
        time
    }

    fn set(self, now_ms: i64) {
        if self.now_ms.try_set_value(now_ms).is_none() {
            self.told.try_update(|times| *times += 1);
        }
    }

    /// How long ago this was; the instant itself as long as the server has not said what time it is.
    pub fn ago(self, at_ms: i64) -> String {
        self.told.track();
        match self.now_ms.get_value() {
            0 => format::instant(at_ms),
            now_ms => format::ago(at_ms, now_ms),
        }
    }
}

/// How long ago something was; the instant itself for whoever points at it, and for machines.
pub fn ago(at_ms: i64, now: ServerTime) -> AnyView {
    view! {
        <time datetime=format::instant_for_machines(at_ms) title=format::instant(at_ms)>{words(move || now.ago(at_ms))}</time>
    }
    .into_any()
}
