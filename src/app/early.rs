//! What is pressed before the program is here to hear of it: the last button is remembered, and pressed once the page is alive.
//! Links and the forms that need no program work without this.

use leptos::prelude::*;

/// Under which name the page remembers the button.
const NAME: &str = "pressedEarly";

/// The inline script that remembers it, as long as the page is not alive. Whoever presses something else has thought better of it.
#[component]
pub fn RememberPressed() -> impl IntoView {
    let nonce = leptos::nonce::use_nonce();
    let script = format!(
        "addEventListener('click',e=>{{if(!('alive' in document.documentElement.dataset))\
         window.{NAME}=e.target.closest('button')}},true)"
    );
    view! { <script nonce=nonce>{script}</script> }
}

/// Presses the button that was pressed before, if it is still there.
#[cfg(feature = "hydrate")]
pub fn press() {
    use leptos::wasm_bindgen::{JsCast, JsValue};
    let pressed = js_sys::Reflect::get(&window(), &JsValue::from_str(NAME)).ok();
    let button = pressed.and_then(|pressed| pressed.dyn_into::<leptos::web_sys::HtmlElement>().ok());
    if let Some(button) = button.filter(|button| button.is_connected()) {
        button.click();
    }
}
