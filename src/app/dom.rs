//! The few things a page asks of the document itself. On the server they do nothing: nobody scrolls or types there.

#[cfg(feature = "hydrate")]
mod here {
    use leptos::prelude::{document, window};
    use wasm_bindgen::JsCast;

    /// Moves the focus to the element with this id, in the next frame, once it has been drawn.
    pub fn focus(id: String) {
        leptos::prelude::request_animation_frame(move || {
            let Some(element) = document().get_element_by_id(&id) else { return };
            let Ok(element) = element.dyn_into::<web_sys::HtmlElement>() else { return };
            // Focus moves to what a person just asked for; if it cannot, it stays where it is.
            if element.focus().is_err() {
                leptos::logging::warn!("the focus could not be moved to {id}");
            }
        });
    }

    /// Whether a key was pressed on the element that listens, not on something inside it.
    pub fn is_own(event: &web_sys::KeyboardEvent) -> bool {
        event.target() == event.current_target()
    }

    /// How far the element of a scroll event is scrolled and how high it is, pixels.
    pub fn scrolled(event: &web_sys::Event) -> Option<(i32, i32)> {
        let element = event.target()?.dyn_into::<web_sys::Element>().ok()?;
        Some((element.scroll_top(), element.client_height()))
    }

    /// How high the element with this id is, pixels.
    pub fn height(id: &str) -> Option<i32> {
        Some(document().get_element_by_id(id)?.client_height())
    }

    /// Calls this whenever the window has another size, as long as the component that asks lives.
    pub fn when_resized(then: impl Fn() + 'static) {
        use leptos::prelude::{Effect, on_cleanup, window_event_listener};
        let then = std::rc::Rc::new(then);
        Effect::new(move || {
            let then = then.clone();
            let listening = window_event_listener(leptos::ev::resize, move |_| then());
            on_cleanup(move || listening.remove());
        });
    }

    /// Calls this once, so much later.
    pub fn later(wait_ms: u64, then: impl FnOnce() + 'static) {
        leptos::prelude::set_timeout(then, std::time::Duration::from_millis(wait_ms));
    }

    /// Scrolls the element with this id so far down.
    pub fn scroll_to(id: &str, top: i32) {
        if let Some(element) = document().get_element_by_id(id) {
            element.set_scroll_top(top);
        }
    }

    /// Keeps unfinished text between loads of the page.
    pub fn keep(name: &str, text: &str) {
        let Ok(Some(storage)) = window().local_storage() else { return };
        let kept = if text.is_empty() { storage.remove_item(name) } else { storage.set_item(name, text) };
        if kept.is_err() {
            leptos::logging::warn!("unfinished text could not be kept");
        }
    }

    /// Unfinished text kept before.
    pub fn kept(name: &str) -> Option<String> {
        window().local_storage().ok()??.get_item(name).ok()?
    }

    /// The address this page was loaded from, without a path: what a link that leaves the browser starts with.
    pub fn origin() -> String {
        window().location().origin().unwrap_or_default()
    }

    /// Selects all of the input that got the focus, ready to be copied.
    pub fn select(event: &web_sys::FocusEvent) {
        if let Some(input) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok()) {
            input.select();
        }
    }

    /// Loads another page, for changes of who is signed in: nothing of the page before may remain in memory.
    pub fn load(path: &str) {
        if window().location().assign(path).is_err() {
            leptos::logging::warn!("the browser refused to load {path}");
        }
    }

    /// Reads the text of the file chosen in this event's input and hands it on; none if the browser could not read it.
    pub fn chosen_text(event: &web_sys::Event, then: impl FnOnce(Option<String>) + 'static) {
        let input = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlInputElement>().ok());
        let Some(input) = input else { return };
        let Some(file) = input.files().and_then(|files| files.get(0)) else { return };
        // So that choosing the same file again is a choice again.
        input.set_value("");
        leptos::task::spawn_local(async move {
            let read = wasm_bindgen_futures::JsFuture::from(file.text()).await;
            then(read.ok().and_then(|text| text.as_string()));
        });
    }

    /// Has the browser ask before the page is left, as long as `holds` says that something would go with it.
    pub fn ask_before_leaving(holds: impl Fn() -> bool + 'static) {
        let asked = leptos::prelude::window_event_listener(leptos::ev::beforeunload, move |event| {
            if holds() {
                event.prevent_default();
            }
        });
        leptos::prelude::on_cleanup(move || asked.remove());
    }
}

// Described above, where they do something.
#[allow(missing_docs)]
#[cfg(not(feature = "hydrate"))]
mod here {
    pub fn focus(_: String) {}
    pub fn is_own(_: &leptos::web_sys::KeyboardEvent) -> bool {
        false
    }
    pub fn scrolled(_: &leptos::web_sys::Event) -> Option<(i32, i32)> {
        None
    }
    pub fn height(_: &str) -> Option<i32> {
        None
    }
    pub fn when_resized(_: impl Fn() + 'static) {}
    pub fn later(_: u64, _: impl FnOnce() + 'static) {}
    pub fn scroll_to(_: &str, _: i32) {}
    pub fn keep(_: &str, _: &str) {}
    pub fn kept(_: &str) -> Option<String> {
        None
    }
    pub fn origin() -> String {
        String::new()
    }
    pub fn select(_: &leptos::web_sys::FocusEvent) {}
    pub fn load(_: &str) {}
    pub fn chosen_text(_: &leptos::web_sys::Event, _: impl FnOnce(Option<String>) + 'static) {}
    pub fn ask_before_leaving(_: impl Fn() -> bool + 'static) {}
}

pub use here::*;
