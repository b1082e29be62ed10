//! What happens when the application itself breaks: the console gets the details, and the person the only words that matter.

use leptos::prelude::document;
use wasm_bindgen::JsValue;

/// What the person reads. An edit is stored before it is sent, but a moment after it was made, and what somebody is still typing
/// is stored nowhere: more than this would not be true.
const SAYS: &str = "Something broke. Edits that were stored are kept on this device; what you typed or did a moment ago may not \
    be. Copy what you still need, then reload the page to go on.";

/// Says so when the application breaks.
pub fn install() {
    std::panic::set_hook(Box::new(|panic| {
        console_error_panic_hook::hook(panic);
        // There is nobody left to tell if the words cannot be shown either.
        show().ok();
    }));
}

fn show() -> Result<(), JsValue> {
    let words = document().create_element("p")?;
    words.set_attribute("role", "alert")?;
    words.set_class_name("banner");
    words.set_text_content(Some(SAYS));
    if let Some(body) = document().body() {
        body.prepend_with_node_1(&words)?;
    }
    Ok(())
}
