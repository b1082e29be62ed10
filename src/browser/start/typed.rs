//! What a person typed or chose before the program was here to hear of it. Taking the page over puts the program's own values
//! into every control, so theirs are remembered until then, put back afterwards, and told to the program as if they had been
//! given just now.

use crate::app::pages;
use js_sys::Reflect;
use leptos::prelude::{WindowListenerHandle, document, window, window_event_listener};
use std::cell::RefCell;
use std::rc::Rc;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Element, HtmlInputElement, HtmlSelectElement, HtmlTextAreaElement};

/// What is typed or chosen in. A password is not for this program to keep, and what is hidden nobody typed.
const CONTROLS: &str = "input:not([type=password], [type=hidden], [type=file]), textarea, select";
/// What its person has certainly touched. After a reload or a step back the browser fills controls in by itself, with what
/// stood in them before: nobody has chosen that.
const TOUCHED: &str = ":focus, :user-valid, :user-invalid";

/// What a person left in a control.
enum Left {
    Text(String),
    Ticked(bool),
}

/// The controls in which something else stands than the server drew.
type Controls = Vec<(Element, Left)>;

/// What was typed and chosen so far, followed.
pub struct Typed {
    controls: Rc<RefCell<Controls>>,
    listening: WindowListenerHandle,
}

impl Typed {
    /// Remembers what there is, and what comes.
    pub fn follow() -> Self {
        let controls = Rc::new(RefCell::new(collect()));
        let following = controls.clone();
        let listening = window_event_listener(leptos::ev::input, move |_| *following.borrow_mut() = collect());
        Self { controls, listening }
    }

    /// Puts it back into the page that has been taken over.
    pub async fn put_back(self) {
        self.listening.remove();
        let controls = self.controls.take();
        if controls.is_empty() {
            return;
        }
        // By then the page has put its own unfinished text in its place.
        pages::wait(0).await;
        for (control, left) in controls {
            if control.is_connected() && !control.has_attribute("disabled") {
                put(&control, left);
            }
        }
    }
}

fn collect() -> Controls {
    let Ok(found) = document().query_selector_all(CONTROLS) else { return Vec::new() };
    let opened_anew = opened_anew();
    let controls = (0..found.length()).filter_map(|nth| found.get(nth)?.dyn_into::<Element>().ok());
    // An engine that does not know these selectors says of nothing that it was touched.
    let touched = |control: &Element| opened_anew || control.matches(TOUCHED) == Ok(true);
    controls.filter_map(|control| left_in(&control).filter(|_| touched(&control)).map(|left| (control, left))).collect()
}

/// Whether this page was asked for by its address or a link.
fn opened_anew() -> bool {
    let navigation = window().performance().map(|performance| performance.get_entries_by_type("navigation").get(0));
    let sort = navigation.and_then(|navigation| Reflect::get(&navigation, &JsValue::from_str("type")).ok());
    sort.and_then(|sort| sort.as_string()).as_deref() == Some("navigate")
}

/// What a person left in this control, where that is not what the server drew.
fn left_in(control: &Element) -> Option<Left> {
    if let Some(input) = control.dyn_ref::<HtmlInputElement>() {
        let ticked = input.checked();
        return match input.type_().as_str() {
            "checkbox" => (ticked != input.default_checked()).then_some(Left::Ticked(ticked)),
            // The one that was chosen lets go of the others.
            "radio" => (ticked && !input.default_checked()).then_some(Left::Ticked(true)),
            _ => (input.value() != input.default_value()).then(|| Left::Text(input.value())),
        };
    }
    if let Some(text) = control.dyn_ref::<HtmlTextAreaElement>() {
        return (text.value() != text.default_value().unwrap_or_default()).then(|| Left::Text(text.value()));
    }
    let list = control.dyn_ref::<HtmlSelectElement>()?;
    let drawn = ["option[selected]", "option"].iter().find_map(|option| control.query_selector(option).ok().flatten());
    let drawn = drawn.and_then(|option| option.get_attribute("value")).unwrap_or_default();
    (list.value() != drawn).then(|| Left::Text(list.value()))
}

fn put(control: &Element, left: Left) {
    let text = match (left, control.dyn_ref::<HtmlInputElement>()) {
        (Left::Ticked(ticked), Some(input)) => {
            // As the click found it, so that the click leaves it as it was left.
            input.set_checked(!ticked);
            return input.click();
        }
        (Left::Ticked(_), None) => return,
        (Left::Text(text), _) => text,
    };
    // Unfinished text of an earlier visit stays, above what was added to it.
    let kept = control.dyn_ref::<HtmlTextAreaElement>().map(|kept| kept.value());
    let text = match kept.filter(|kept| !kept.is_empty() && *kept != text) {
        Some(kept) => format!("{kept}\n{text}"),
        None => text,
    };
    let put = Reflect::set(control, &JsValue::from_str("value"), &JsValue::from_str(&text));
    let told = put.and_then(|_| tell(control, "input"));
    // A choice is made at once; a text may not be finished while somebody is in it.
    let inside = document().active_element().as_ref() == Some(control);
    let writing = inside && !control.is_instance_of::<HtmlSelectElement>();
    let told = if writing { told } else { told.and_then(|()| tell(control, "change")) };
    if let Err(error) = told {
        leptos::logging::warn!("what was typed before could not be put back: {error:?}");
    }
}

fn tell(control: &Element, name: &str) -> Result<(), JsValue> {
    let event = document().create_event("Event")?;
    event.init_event_with_bubbles(name, true);
    control.dispatch_event(&event)?;
    Ok(())
}
