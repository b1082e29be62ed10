//! What stands where records belong that are not on this device.

use crate::app::components::live::{live, words};
use crate::app::records::use_records;
use crate::sync::replica::Link;
use leptos::prelude::*;

/// Records that have not arrived yet: lines that stand in for them while they are on their way, words where nothing comes
/// before something else has happened. An empty place would read as if there were none.
#[component]
pub fn Arriving() -> impl IntoView {
    let status = use_records().status();
    let waits_for = move || {
        status.with(|status| match status.link {
            Link::Joining | Link::Live => None,
            Link::Offline => Some("It comes with the connection."),
            Link::SignedOut => Some("It comes once you have signed in again."),
            Link::Revoked => Some("You are no longer a member of this workspace."),
            Link::UpdateNeeded => Some("It comes with the update of this page."),
        })
    };
    let says = move || match waits_for() {
        Some(what) => format!("What belongs here is not on this device yet. {what}"),
        None => "Arriving from the server".to_owned(),
    };
    view! {
        <div class="skeleton" role="status" data-waits=move || waits_for().is_some().then_some("")>
            <p class="quiet-text">{words(says)}</p>
            <span class="skeleton-line" aria-hidden="true"></span>
            <span class="skeleton-line" aria-hidden="true"></span>
            <span class="skeleton-line" aria-hidden="true"></span>
        </div>
    }
    .into_any()
}

/// `Arriving` as long as nothing is here and nothing is known.
pub fn unless_here(here: impl Fn() -> bool + Send + 'static) -> AnyView {
    live(move || if here() { ().into_any() } else { view! { <Arriving/> }.into_any() })
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
    live(move || if known.get() { children() } else { view! { <Arriving/> }.into_any() })
}
