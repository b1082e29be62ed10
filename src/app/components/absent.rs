//! What stands where records belong that are not on this device.

use crate::app::records::use_records;
use crate::sync::replica::Link;
use leptos::prelude::*;

/// Records that have not arrived yet: lines that stand in for them while they are on their way, words where nothing comes
/// before something else has happened. An empty place would read as if there were none.
#[component]
pub fn Arriving() -> impl IntoView {
    let status = use_records().status();
    let waits_for = Memo::new(move |_| {
        status.with(|status| match status.link {
            Link::Joining | Link::Live => None,
            Link::Offline => Some("It comes with the connection."),
            Link::SignedOut => Some("It comes once you have signed in again."),
            Link::Revoked => Some("You are no longer a member of this workspace."),
            Link::UpdateNeeded => Some("It comes with the update of this page."),
        })
    });
    view! {
        <Show
            when=move || waits_for.get().is_none()
            fallback=move || view! {
                <p class="quiet-text">"What belongs here is not on this device yet. " {move || waits_for.get()}</p>
            }
        >
            <div class="skeleton" role="status">
                <span class="sr-only">"Arriving from the server"</span>
                <span class="skeleton-line" aria-hidden="true"></span>
                <span class="skeleton-line" aria-hidden="true"></span>
                <span class="skeleton-line" aria-hidden="true"></span>
            </div>
        </Show>
    }
    .into_any()
}

/// What a list says that has nothing in it: that there is nothing, once that is known.
#[component]
pub fn NoneHere(
    /// Whether all records that belong in the list are on this device.
    #[prop(into)]
    known: Signal<bool>,
    /// What is said then.
    children: ChildrenFn,
) -> impl IntoView {
    view! { <Show when=move || known.get() fallback=|| view! { <Arriving/> }>{children()}</Show> }.into_any()
}
