//! Time and dice for the replica, and waiting. Nothing here decides anything.

use crate::sync::replica::Moment;
use js_sys::{Date, Math, Promise};
use leptos::prelude::window;
use wasm_bindgen_futures::JsFuture;

/// Now, by this device's clock.
pub fn now_ms() -> i64 {
    Date::now() as i64
}

/// What the outside adds to an event.
pub fn moment() -> Moment {
    Moment { now_ms: now_ms(), jitter: (Math::random() * f64::from(u32::MAX)) as u32 }
}

/// Waits. Where the browser refuses a timer it does not wait at all: a retry that comes early does no harm.
pub async fn pause(wait_ms: i32) {
    let promise = Promise::new(&mut |resolve, _| {
        if window().set_timeout_with_callback_and_timeout_and_arguments_0(&resolve, wait_ms).is_err() {
            // Calling a promise's own resolver cannot fail.
            resolve.call0(&wasm_bindgen::JsValue::NULL).ok();
        }
    });
    // The promise is never rejected.
    JsFuture::from(promise).await.ok();
}
