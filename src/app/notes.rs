//! The notes pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Notes.
#[component]
pub fn NotesPage() -> impl IntoView {
    view! {
        <Title text="Notes"/>
        <h1>"Notes"</h1>
    }
}

/// Note.
#[component]
pub fn NotePage() -> impl IntoView {
    view! {
        <Title text="Note"/>
        <h1>"Note"</h1>
    }
}
