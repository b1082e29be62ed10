//! What somebody has begun to write and not sent. This browser keeps it until it is sent or cleared, so that neither a reload
//! nor the way to another page loses it.

use crate::app::dom;
use crate::app::records::use_records;
use leptos::prelude::*;

/// What is said beside unfinished text that cannot be kept.
pub const NO_ROOM: &str = "This browser has no room to keep what you type here: save it before you leave.";

/// The text of one control while it is not sent. Copied into every closure of it.
#[derive(Clone, Copy)]
pub struct Unsent {
    name: StoredValue<String>,
    text: RwSignal<String>,
    kept: RwSignal<bool>,
}

impl Unsent {
    /// What this control holds; whatever was kept of it is put into it once the page is drawn.
    pub fn new(of: &str) -> Self {
        let name = StoredValue::new(use_records().draft_name(of));
        let unsent = Self { name, text: RwSignal::new(String::new()), kept: RwSignal::new(true) };
        Effect::new(move || {
            if let Some(text) = name.with_value(|name| dom::kept(name)) {
                unsent.text.set(text);
            }
        });
        // Another tab sent what it held, and forgot what was typed here at the same moment with it.
        dom::when_forgotten_elsewhere(name.get_value(), move |forgotten| {
            let text = unsent.peek();
            if !text.is_empty() && text != forgotten {
                unsent.write(text);
            }
        });
        unsent
    }

    /// What is in it, followed.
    pub fn get(self) -> String {
        self.text.get()
    }

    /// What is in it now.
    pub fn peek(self) -> String {
        self.text.try_get_untracked().unwrap_or_default()
    }

    /// Somebody types.
    pub fn write(self, text: String) {
        let kept = self.name.try_with_value(|name| match text.is_empty() {
            true => {
                dom::forget(name, &self.peek());
                true
            }
            false => dom::keep(name, &text),
        });
        self.kept.try_set(kept.unwrap_or(true));
        self.text.try_set(text);
    }

    /// Puts something into it that needs no keeping, where it is empty.
    pub fn suggest(self, text: String) {
        if self.peek().is_empty() {
            self.text.try_set(text);
        }
    }

    /// It was sent, and is empty again.
    pub fn sent(self) {
        self.write(String::new());
    }

    /// Whether this browser keeps it, for the control's `data-kept`.
    pub fn is_kept(self) -> &'static str {
        if self.kept.get() { "yes" } else { "no" }
    }

    /// What to say beside it.
    pub fn says(self) -> Option<&'static str> {
        (!self.kept.get()).then_some(NO_ROOM)
    }
}
