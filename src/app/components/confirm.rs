//! A button for what cannot be undone: it asks once more, in place.

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
    view! {
        <Show
            when=move || asking.get()
            fallback=move || view! {
                <button type="button" class="button quiet" aria-label=move || name.get() on:click=move |_| asking.set(true)>{label}</button>
            }
        >
            <button type="button" class="button danger" on:click=move |_| {
                asking.set(false);
                on_sure.run(());
            }>{sure}</button>
            <button type="button" class="button quiet" on:click=move |_| asking.set(false)>"Keep it"</button>
        </Show>
    }
    .into_any()
}
