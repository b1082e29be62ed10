//! What is pressed before the program is here to hear of it: the last button is remembered, and pressed once the page is alive.
//! Links work without the program, and so do forms that the browser sends by itself: theirs are not pressed again.

use leptos::prelude::*;

/// Under which name the page remembers the button.
const NAME: &str = "pressedEarly";

/// Of a form that the browser sends.
const SENT_ANYWAY: &str = "form:not([method=dialog]) button:not([type=button])";

/// The inline script that remembers it, as long as the page is not alive. Whoever presses something else has thought better of it.
#[component]
pub fn RememberPressed() -> impl IntoView {
    let nonce = leptos::nonce::use_nonce();
    let script = format!(
        "addEventListener('click',e=>{{if('alive' in document.documentElement.dataset)return;\
         let b=e.target.closest('button');window.{NAME}=b&&b.matches('{SENT_ANYWAY}')?null:b}},true)"
    );
    view! { <script nonce=nonce>{script}</script> }
}

/// The button that was pressed before. To be asked for as soon as the page is taken over: what is pressed after that is heard.
#[cfg(feature = "hydrate")]
pub fn pressed() -> Option<leptos::web_sys::HtmlElement> {
    use leptos::wasm_bindgen::{JsCast, JsValue};
    js_sys::Reflect::get(&window(), &JsValue::from_str(NAME)).ok()?.dyn_into().ok()
}

/// Presses it, if it is still there.
#[cfg(feature = "hydrate")]
pub fn press(button: &leptos::web_sys::HtmlElement) {
    if button.is_connected() {
        button.click();
    }
}
