//! What the shell shows in a browser that knows nobody.

use crate::app::dom;
use leptos::prelude::*;

/// That a first visit needs a connection, and another try.
#[component]
pub fn FirstVisitPage() -> impl IntoView {
    view! {
        <main class="alone">
            <h1>"There is no connection"</h1>
            <p>
                "A first visit, and signing in, need one. Once you have been signed in here, Tidemark opens without it, with everything you had."
            </p>
            // As long as it takes: there is nothing to show instead.
            <p><button type="button" class="button" on:click=|_| dom::load("?patiently")>"Try again"</button></p>
        </main>
    }
}
