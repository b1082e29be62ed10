//! The dashboard pages.

use leptos::prelude::*;
use leptos_meta::Title;

/// Dashboard.
#[component]
pub fn DashboardPage() -> impl IntoView {
    view! {
        <Title text="Dashboard"/>
        <h1>"Dashboard"</h1>
    }
}
