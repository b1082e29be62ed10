//! The sync centre pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Sync centre.
#[component]
pub fn SyncCentrePage() -> impl IntoView {
    view! {
        <Title text="Sync centre"/>
        <h1>"Sync centre"</h1>
    }
}
