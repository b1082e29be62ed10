//! The members pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Members.
#[component]
pub fn MembersPage() -> impl IntoView {
    view! {
        <Title text="Members"/>
        <h1>"Members"</h1>
    }
}
