//! The few things a page asks of the document itself. On the server they do nothing: nobody scrolls or types there.

/// Where something dragged is held over the element that listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Over {
    /// From its left edge, pixels.
    pub x_px: i32,
    /// From its upper edge, pixels.
    pub y_px: i32,
    /// How wide it is, pixels.
    pub width_px: i32,
    /// How high it is, pixels.
    pub height_px: i32,
    /// How far it is scrolled down, pixels.
    pub scrolled_px: i32,
}

/// How the children of an element lie in the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Lie {
    /// The upper edge of the element, from that of the window, pixels.
    pub top_px: f64,
    /// How high the window is, pixels.
    pub window_px: f64,
    /// The upper edge of each child, and the lower one of the last, from that of the element, pixels.
    pub tops_px: Vec<f64>,
    /// Which child the focus is in.
    pub focused: Option<usize>,
}

#[cfg(feature = "hydrate")]
mod here {
    use super::{Lie, Over};
    use leptos::prelude::{GetUntracked, NodeRef, document, window, window_event_listener_untyped};
    use std::cell::{Cell, RefCell};
    use wasm_bindgen::JsCast;
    use wasm_bindgen::closure::Closure;

    /// Where the focus goes when what it was on is gone: the page inside its frame.
    const PAGE_ID: &str = "page";
    /// Text that a person can write and that nothing keeps. A line of a record is its own edit as soon as it is left, unless
    /// something is wrong with it. A date is chosen, and a password nobody keeps.
    const WRITTEN: &str = ":is(input, textarea):read-write:not([data-kept=yes], [type=password], [type=date], \
        .line > [aria-invalid=false])";

    thread_local! {
        /// Where the focus was before it came to something that goes away again.
        static FOCUS_BEFORE: RefCell<Option<web_sys::Node>> = const { RefCell::new(None) };
        /// What has the focus on the page, what comes after it there, what it is in, what comes after that, and so on up to the
        /// page.
        static FOCUS_TRAIL: RefCell<Vec<web_sys::HtmlElement>> = const { RefCell::new(Vec::new()) };
        /// Where the focus goes once what has it is taken away, as whoever takes it away has said.
        static FOCUS_HEIR: RefCell<Option<Find>> = const { RefCell::new(None) };
        /// How often somebody has asked for the focus: what mends a loss from before then comes too late.
        static FOCUS_ASKED: Cell<u32> = const { Cell::new(0) };
    }

    /// Looks for an element when it is needed.
    type Find = Box<dyn FnOnce() -> Option<web_sys::Element>>;

    /// Moves the focus to the element with this id, in the next frame, once it has been drawn. A person who went elsewhere
    /// meanwhile stays there: what they have begun to type would end up in two places.
    pub fn focus(id: String) {
        let before = document().active_element();
        focus_asked();
        leptos::prelude::request_animation_frame(move || {
            let now = document().active_element();
            let nowhere = now.as_ref().is_none_or(|now| now.tag_name().eq_ignore_ascii_case("body"));
            if now != before && !nowhere {
                return;
            }
            let Some(element) = document().get_element_by_id(&id) else { return };
            let Ok(element) = element.dyn_into::<web_sys::HtmlElement>() else { return };
            // Focus moves to what a person just asked for; if it cannot, it stays where it is.
            if element.focus().is_err() {
                leptos::logging::warn!("the focus could not be moved to {id}");
            }
        });
    }

    fn focus_asked() {
        FOCUS_ASKED.set(FOCUS_ASKED.get().wrapping_add(1));
    }

    /// Moves the focus to what is found in the next frame, or else to the page, if it is on nothing that can be seen: what had it
    /// was taken away or hidden. If that comes later, so does this. A person who went elsewhere meanwhile stays there.
    fn bequeath_focus(find: Find) {
        focus_asked();
        leptos::prelude::request_animation_frame(move || {
            if focus_is_seen() {
                FOCUS_HEIR.set(Some(find));
            } else {
                give_focus(find);
            }
        });
    }

    fn give_focus(find: Find) {
        let to = find().filter(|to| to.is_connected()).or_else(|| document().get_element_by_id(PAGE_ID));
        let Some(Ok(to)) = to.map(|to| to.dyn_into::<web_sys::HtmlElement>()) else { return };
        // A heading takes the focus only where it is told so.
        if to.tab_index() < 0 && !to.has_attribute("tabindex") {
            to.set_tab_index(-1);
        }
        if to.focus().is_err() {
            leptos::logging::warn!("the focus is on nothing that can be seen");
        }
    }

    fn focus_is_seen() -> bool {
        let at = document().active_element().and_then(|at| at.dyn_into::<web_sys::HtmlElement>().ok());
        at.is_some_and(|at| at.offset_parent().is_some())
    }

    /// Mends a lost focus with the first element that one of these selectors finds, asked in their order.
    pub fn focus_first(selectors: Vec<String>) {
        bequeath_focus(Box::new(move || {
            selectors.iter().find_map(|selector| document().query_selector(selector).ok().flatten())
        }));
    }

    /// Mends a lost focus with this button.
    pub fn focus_button(button: NodeRef<leptos::html::Button>) {
        bequeath_focus(Box::new(move || button.try_get_untracked().flatten().map(web_sys::Element::from)));
    }

    /// From now on, when what has the focus on the page is taken away or disabled and nothing else takes it, it goes to what
    /// came next there, or to what it was in: otherwise the next Tab would begin at the top of the document.
    pub fn keep_focus() {
        window_event_listener_untyped("focusin", |event| {
            FOCUS_HEIR.take();
            FOCUS_TRAIL.set(trail(event.target()));
        });
        // Whoever presses something else has left it.
        window_event_listener_untyped("pointerdown", |event| {
            FOCUS_HEIR.take();
            let at = event.target().and_then(|at| at.dyn_into::<web_sys::Node>().ok());
            if !FOCUS_TRAIL.with_borrow(|trail| trail.first().is_some_and(|last| last.contains(at.as_ref()))) {
                FOCUS_TRAIL.take();
            }
        });
        let mend = Closure::<dyn Fn()>::new(|| {
            let lost = |at: &web_sys::HtmlElement| !at.is_connected() || at.matches(":disabled").unwrap_or(false);
            if !FOCUS_TRAIL.with_borrow(|trail| trail.first().is_some_and(lost)) {
                return;
            }
            let (named, trail) = (FOCUS_HEIR.take(), FOCUS_TRAIL.take());
            let heir = move || {
                let seen = |at: &web_sys::HtmlElement| at.offset_parent().is_some() && !lost(at);
                let next = || trail.into_iter().find(seen).map(web_sys::Element::from);
                named.and_then(|find| find()).filter(|named| named.is_connected()).or_else(next)
            };
            let asked = FOCUS_ASKED.get();
            let mend = move || {
                if FOCUS_ASKED.get() == asked && !focus_is_seen() {
                    give_focus(Box::new(heir));
                }
            };
            // After the frame in which whoever took it away gives the focus to something else.
            leptos::prelude::request_animation_frame(move || leptos::prelude::request_animation_frame(mend));
        });
        let what = web_sys::MutationObserverInit::new();
        what.set_child_list(true);
        what.set_subtree(true);
        what.set_attribute_filter(&js_sys::Array::of1(&"disabled".into()));
        let observer = web_sys::MutationObserver::new(mend.as_ref().unchecked_ref());
        let observed = observer.and_then(|observer| observer.observe_with_options(&document(), &what));
        if observed.is_err() {
            leptos::logging::warn!("a lost focus will not be mended");
        }
        mend.forget();
    }

    /// Nothing for what is not on the page, nor for the rows of a tree: one that is scrolled away is gone too, and the tree sees to
    /// its focus itself.
    fn trail(from: Option<web_sys::EventTarget>) -> Vec<web_sys::HtmlElement> {
        let mut trail = Vec::new();
        let mut at = from.and_then(|from| from.dyn_into::<web_sys::Element>().ok());
        while let Some(element) = at {
            let is_page = element.id() == PAGE_ID;
            if element.matches("[role=treegrid]").unwrap_or(false) {
                return Vec::new();
            }
            let next = element.next_element_sibling().filter(|_| !is_page);
            at = element.parent_element();
            trail.extend([Some(element), next].into_iter().flatten().filter_map(|element| element.dyn_into().ok()));
            if is_page {
                return trail;
            }
        }
        Vec::new()
    }

    /// Remembers where the focus was before it came to the element that listens.
    pub fn remember_focus(event: &web_sys::FocusEvent) {
        let within = event.current_target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        let from = event.related_target().and_then(|from| from.dyn_into::<web_sys::Node>().ok());
        // Not from one thing inside it to another.
        if from.is_none() || !within.is_some_and(|within| within.contains(from.as_ref())) {
            FOCUS_BEFORE.set(from);
        }
    }

    /// Mends a lost focus with what had it before.
    pub fn focus_back() {
        let before = FOCUS_BEFORE.take();
        bequeath_focus(Box::new(move || before.and_then(|before| before.dyn_into::<web_sys::Element>().ok())));
    }

    /// Moves the focus to something written that neither an edit nor this browser keeps; whether there is such a thing.
    pub fn focus_unkept() -> bool {
        let Ok(controls) = document().query_selector_all(WRITTEN) else { return false };
        let unkept = (0..controls.length()).filter_map(|nth| controls.get(nth)).find(|control| {
            let part = |name: &str| js_sys::Reflect::get(control, &name.into()).ok();
            part("value") != part("defaultValue")
        });
        let Some(Ok(unkept)) = unkept.map(|control| control.dyn_into::<web_sys::HtmlElement>()) else { return false };
        if unkept.focus().is_err() {
            leptos::logging::warn!("the focus could not be moved to what is not sent");
        }
        true
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

    /// Calls this whenever anything on the page was scrolled, as long as the component that asks lives.
    pub fn when_scrolled(then: impl Fn() + 'static) {
        use leptos::prelude::{Effect, on_cleanup};
        let then = std::rc::Rc::new(then);
        Effect::new(move || {
            let then = then.clone();
            let heard = send_wrapper::SendWrapper::new(Closure::<dyn Fn()>::new(move || then()));
            // What scrolls inside the page tells only those who listen on the way down to it.
            let listener = |heard: &Closure<dyn Fn()>| heard.as_ref().unchecked_ref::<js_sys::Function>().clone();
            let listening = window().add_event_listener_with_callback_and_bool("scroll", &listener(&heard), true);
            on_cleanup(move || {
                let ended = window().remove_event_listener_with_callback_and_bool("scroll", &listener(&heard), true);
                if listening.is_err() || ended.is_err() {
                    leptos::logging::warn!("a list did not hear of scrolling");
                }
            });
        });
    }

    /// Calls this before the next frame.
    pub fn next_frame(then: impl FnOnce() + 'static) {
        leptos::prelude::request_animation_frame(then);
    }

    /// How the children of the element with this id lie.
    pub fn lie_of(id: &str) -> Option<Lie> {
        let element = document().get_element_by_id(id)?;
        let window_px = window().inner_height().ok()?.as_f64()?;
        let (at, children) = (document().active_element(), element.children());
        let (top_px, mut bottom_px) = (element.get_bounding_client_rect().top(), 0.0);
        let (mut tops_px, mut focused) = (Vec::new(), None);
        for nth in 0..children.length() {
            let Some(child) = children.item(nth) else { continue };
            let place = child.get_bounding_client_rect();
            if at.is_some() && child.contains(at.as_deref()) {
                focused = Some(tops_px.len());
            }
            tops_px.push(place.top() - top_px);
            bottom_px = place.bottom() - top_px;
        }
        tops_px.push(bottom_px);
        Some(Lie { top_px, window_px, tops_px, focused })
    }

    /// Tells screen readers which of how many each child of the element with this id is, counted from 0; one that is not counted
    /// has no place. Where all are in the document they count themselves.
    pub fn number_rows(id: &str, places: &[Option<usize>], of: usize) {
        let Some(children) = document().get_element_by_id(id).map(|element| element.children()) else { return };
        let partly = places.len() != of;
        for (nth, place) in (0..).zip(places) {
            let Some((child, place)) = children.item(nth).zip(*place) else { continue };
            for (name, value) in [("aria-posinset", place + 1), ("aria-setsize", of)] {
                let done = match partly {
                    true => child.set_attribute(name, &value.to_string()),
                    false => child.remove_attribute(name),
                };
                if done.is_err() {
                    leptos::logging::warn!("a row has no number");
                }
            }
        }
    }

    /// Calls this once, so much later.
    pub fn later(wait_ms: u64, then: impl FnOnce() + 'static) {
        leptos::prelude::set_timeout(then, std::time::Duration::from_millis(wait_ms));
    }

    /// Calls this again and again, so far apart, as long as the component that asks lives.
    pub fn every(wait_ms: u64, then: impl Fn() + Clone + 'static) {
        use leptos::prelude::{Effect, on_cleanup, set_interval_with_handle};
        Effect::new(move || {
            // Without a timer what is shown stays as it was until it changes by itself.
            if let Ok(timer) = set_interval_with_handle(then.clone(), std::time::Duration::from_millis(wait_ms)) {
                on_cleanup(move || timer.clear());
            }
        });
    }

    /// Now by this device's clock, Unix milliseconds.
    pub fn now_ms() -> i64 {
        js_sys::Date::now() as i64
    }

    /// Today where this device is, as a date is stored.
    pub fn today() -> String {
        let now = js_sys::Date::new_0();
        format!("{:04}-{:02}-{:02}", now.get_full_year(), now.get_month() + 1, now.get_date())
    }

    /// The element that is dragged from now on goes by this name outside the page; inside it is moved, not copied.
    pub fn begin_drag(event: &web_sys::DragEvent, name: &str) {
        let Some(carried) = event.data_transfer() else { return };
        carried.set_effect_allowed("move");
        // Some browsers drag nothing that carries nothing.
        if carried.set_data("text/plain", name).is_err() {
            leptos::logging::warn!("what is dragged could not be named");
        }
    }

    /// What is dragged may be let go here.
    pub fn may_drop(event: &web_sys::DragEvent) {
        event.prevent_default();
        if let Some(carried) = event.data_transfer() {
            carried.set_drop_effect("move");
        }
    }

    /// Where over the element that listens something dragged is held.
    pub fn over(event: &web_sys::DragEvent) -> Option<Over> {
        let element = event.current_target()?.dyn_into::<web_sys::Element>().ok()?;
        let place = element.get_bounding_client_rect();
        Some(Over {
            x_px: event.client_x() - place.left() as i32,
            y_px: event.client_y() - place.top() as i32,
            width_px: place.width() as i32,
            height_px: place.height() as i32,
            scrolled_px: element.scroll_top(),
        })
    }

    /// Whether what is dragged has left the element that listens, and not only something inside it for something else inside it.
    pub fn left(event: &web_sys::DragEvent) -> bool {
        let within = event.current_target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        let to = event.related_target().and_then(|target| target.dyn_into::<web_sys::Node>().ok());
        !within.is_some_and(|within| within.contains(to.as_ref()) && to.is_some())
    }

    /// Scrolls the element with this id so far down.
    pub fn scroll_to(id: &str, top: i32) {
        if let Some(element) = document().get_element_by_id(id) {
            element.set_scroll_top(top);
        }
    }

    /// Says on the root element whether a page is on its way, for the style sheet to show.
    pub fn show_busy(busy: bool) {
        let shown = document()
            .document_element()
            .map(|root| root.set_attribute("data-busy", if busy { "true" } else { "false" }));
        if let Some(Err(_)) = shown {
            leptos::logging::warn!("nothing shows that a page is on its way");
        }
    }

    /// Keeps unfinished text between loads of the page; whether this browser has room for it.
    pub fn keep(name: &str, text: &str) -> bool {
        let storage = window().local_storage().ok().flatten();
        storage.is_some_and(|storage| storage.set_item(name, text).is_ok())
    }

    /// Forgets unfinished text, if it is this: another tab may have kept its own in the same place. Whether it was this.
    pub fn forget(name: &str, text: &str) -> bool {
        let own = kept(name).is_some_and(|kept| kept == text);
        let storage = window().local_storage().ok().flatten().filter(|_| own);
        storage.is_some_and(|storage| storage.remove_item(name).is_ok())
    }

    /// Calls this whenever another tab forgets the text of this name, with what it took it for, as long as its owner lives. What
    /// tabs keep reaches the others a moment later, so it may have been newer.
    pub fn when_forgotten_elsewhere(name: String, run: impl Fn(String) + 'static) {
        use leptos::prelude::{on_cleanup, window_event_listener};
        let listening = window_event_listener(leptos::ev::storage, move |event| {
            if event.new_value().is_none() && event.key().is_some_and(|key| key == name) {
                run(event.old_value().unwrap_or_default());
            }
        });
        on_cleanup(move || listening.remove());
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

    fn input_of(event: &web_sys::Event) -> Option<web_sys::HtmlInputElement> {
        event.target()?.dyn_into().ok()
    }

    /// What is in the input of this event; none while that is only part of a date or number, which browsers give out as nothing.
    pub fn typed(event: &web_sys::Event) -> Option<String> {
        let input = input_of(event)?;
        let text = input.value();
        // None of them has to be filled in: an empty one is wrong only if it is not empty to whoever types.
        let half = text.is_empty() && input.matches(":invalid").unwrap_or(false);
        (!half).then_some(text)
    }

    /// Puts this text into the input of this event, over whatever is in it.
    pub fn put(event: &web_sys::Event, text: &str) {
        if let Some(input) = input_of(event) {
            input.set_value(text);
        }
    }

    /// Called before what is inside the element with this id is drawn anew: if something there has the focus and loses it by
    /// that, what this selector finds there gets it in the next frame. Nothing scrolls for it.
    pub fn hold_focus(within: &str, heir: &'static str) {
        let Some(within) = document().get_element_by_id(within) else { return };
        if !within.contains(document().active_element().as_deref()) {
            return;
        }
        leptos::prelude::request_animation_frame(move || {
            let lost = document().active_element().is_none_or(|now| now.tag_name().eq_ignore_ascii_case("body"));
            let heir = within.query_selector(heir).ok().flatten().filter(|_| lost);
            let Some(Ok(heir)) = heir.map(|heir| heir.dyn_into::<web_sys::HtmlElement>()) else { return };
            let top = within.scroll_top();
            if heir.focus().is_err() {
                leptos::logging::warn!("the focus is lost");
            }
            within.set_scroll_top(top);
        });
    }
}

// Described above, where they do something.
#[allow(missing_docs)]
#[cfg(not(feature = "hydrate"))]
mod here {
    use super::{Lie, Over};
    use leptos::prelude::NodeRef;

    pub fn begin_drag(_: &leptos::web_sys::DragEvent, _: &str) {}
    pub fn may_drop(_: &leptos::web_sys::DragEvent) {}
    pub fn over(_: &leptos::web_sys::DragEvent) -> Option<Over> {
        None
    }
    pub fn left(_: &leptos::web_sys::DragEvent) -> bool {
        false
    }
    pub fn focus(_: String) {}
    pub fn focus_first(_: Vec<String>) {}
    pub fn focus_button(_: NodeRef<leptos::html::Button>) {}
    pub fn keep_focus() {}
    pub fn remember_focus(_: &leptos::web_sys::FocusEvent) {}
    pub fn focus_back() {}
    pub fn focus_unkept() -> bool {
        false
    }
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
    pub fn when_scrolled(_: impl Fn() + 'static) {}
    pub fn next_frame(_: impl FnOnce() + 'static) {}
    pub fn lie_of(_: &str) -> Option<Lie> {
        None
    }
    pub fn number_rows(_: &str, _: &[Option<usize>], _: usize) {}
    pub fn show_busy(_: bool) {}
    pub fn later(_: u64, _: impl FnOnce() + 'static) {}
    pub fn every(_: u64, _: impl Fn() + Clone + 'static) {}
    pub fn now_ms() -> i64 {
        0
    }
    pub fn scroll_to(_: &str, _: i32) {}
    pub fn today() -> String {
        String::new()
    }
    pub fn keep(_: &str, _: &str) -> bool {
        true
    }
    pub fn forget(_: &str, _: &str) -> bool {
        false
    }
    pub fn when_forgotten_elsewhere(_: String, _: impl Fn(String) + 'static) {}
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
    pub fn typed(_: &leptos::web_sys::Event) -> Option<String> {
        None
    }
    pub fn put(_: &leptos::web_sys::Event, _: &str) {}
    pub fn hold_focus(_: &str, _: &'static str) {}
}

pub use here::*;
