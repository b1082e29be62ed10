//! The conflicts pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Conflicts.
#[component]
pub fn ConflictsPage() -> impl IntoView {
    view! {
        <Title text="Conflicts"/>
        <h1>"Conflicts"</h1>
    }
}

/// Conflict.
#[component]
pub fn ConflictPage() -> impl IntoView {
    view! {
        <Title text="Conflict"/>
        <h1>"Conflict"</h1>
    }
}
