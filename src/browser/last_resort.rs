//! What happens when the application itself breaks: the console gets the details, and the person the only words that matter.

use leptos::prelude::document;
use wasm_bindgen::JsValue;

/// What the person reads. The outbox is on disk before anything else happens to an edit, so this is true.
const SAYS: &str = "Something broke. Nothing was lost: your edits are kept on this device. Reload the page to go on.";

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
