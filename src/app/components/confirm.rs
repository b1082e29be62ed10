//! A button for what cannot be undone: it asks once more, in place. The focus goes to the answer that changes nothing, which
//! Escape gives too, and comes back from there.

use crate::app::dom;
use leptos::html::Button;
use leptos::prelude::*;

/// First press asks, second does.
#[component]
pub fn Confirm(
    /// What the button says.
    label: &'static str,
    /// What it says when it asks.
    sure: &'static str,
    /// Its name for those who do not see what it stands beside.
    #[prop(into)]
    name: Signal<String>,
    /// What it does.
    on_sure: Callback<()>,
) -> impl IntoView {
    let asking = RwSignal::new(false);
    let ask = NodeRef::<Button>::new();
    let keep = NodeRef::<Button>::new();
    let answered = move || {
        asking.set(false);
        dom::focus_button(ask);
    };
    let on_key = move |event: leptos::ev::KeyboardEvent| {
        if event.key() == "Escape" {
            event.stop_propagation();
            answered();
        }
    };
    view! {
        <Show
            when=move || asking.get()
            fallback=move || view! {
                <button node_ref=ask type="button" class="button quiet" aria-label=move || name.get() on:click=move |_| {
                    asking.set(true);
                    dom::focus_button(keep);
                }>{label}</button>
            }
        >
            <button
                type="button"
                class="button danger"
                aria-label=move || format!("{sure}: {}", name.get())
                on:keydown=on_key
                on:click=move |_| {
                    answered();
                    on_sure.run(());
                }
            >{sure}</button>
            <button
                node_ref=keep
                type="button"
                class="button quiet"
                aria-label=move || format!("Keep it, instead of: {}", name.get())
                on:keydown=on_key
                on:click=move |_| answered()
            >"Keep it"</button>
        </Show>
    }
    .into_any()
}
