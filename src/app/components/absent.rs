//! What stands where records belong that are not on this device.

use crate::app::components::live::live;
use crate::app::records::use_records;
use crate::sync::replica::Link;
use leptos::prelude::*;

/// Records that have not arrived yet: lines that stand in for them while they are on their way, words where nothing comes
/// before something else has happened. An empty place would read as if there were none.
#[component]
pub fn Arriving() -> impl IntoView {
    let status = use_records().status();
    let link = move || status.with(|status| status.link);
    // What is in the page once for all of them is smaller than what each closure would be compiled to: see `live`.
    let on_its_way = Memo::new(move |_| matches!(link(), Link::Joining | Link::Live));
    live(move || match (on_its_way.get(), untrack(link)) {
        (true, _) => view! {
            <div class="skeleton" role="status">
                <span class="sr-only">"Arriving from the server"</span>
                <span class="skeleton-line" aria-hidden="true"></span>
                <span class="skeleton-line" aria-hidden="true"></span>
                <span class="skeleton-line" aria-hidden="true"></span>
            </div>
        }
        .into_any(),
        (false, link) => {
            let when = match link {
                Link::SignedOut => "once you have signed in again",
                Link::UpdateNeeded => "with the update of this page",
                _ => "with the connection",
            };
            let says = format!("What belongs here is not on this device yet. It comes {when}.");
            view! { <p class="quiet-text">{says}</p> }.into_any()
        }
    })
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
