//! The projects pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Projects.
#[component]
pub fn ProjectsPage() -> impl IntoView {
    view! {
        <Title text="Projects"/>
        <h1>"Projects"</h1>
    }
}

/// Project.
#[component]
pub fn ProjectPage() -> impl IntoView {
    view! {
        <Title text="Project"/>
        <h1>"Project"</h1>
    }
}
