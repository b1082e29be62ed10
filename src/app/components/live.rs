//! Pieces of a page that change, and lists whose rows come and go. Leptos compiles what draws a change once for every closure it
//! is given, which is most of a page's size; through these it is in the page once.

use leptos::prelude::*;
use std::sync::Arc;

/// Draws this again whenever something it reads has changed.
pub fn live(draw: impl FnMut() -> AnyView + Send + 'static) -> AnyView {
    let draw: Box<dyn FnMut() -> AnyView + Send> = Box::new(draw);
    draw.into_any()
}

/// The same for words alone.
pub fn words(says: impl FnMut() -> String + Send + 'static) -> AnyView {
    let says: Box<dyn FnMut() -> String + Send> = Box::new(says);
    says.into_any()
}

/// A list of rows by their ids: each is drawn once and stays as it is while others come and go. The ids of records, ops and
/// entries all fit.
pub fn rows(
    each: impl Fn() -> Vec<u128> + Send + Sync + 'static,
    row: impl Fn(u128) -> AnyView + Send + Sync + 'static,
) -> AnyView {
    keyed(Box::new(each), Arc::new(row))
}

fn keyed(each: Box<dyn Fn() -> Vec<u128> + Send + Sync>, row: Arc<dyn Fn(u128) -> AnyView + Send + Sync>) -> AnyView {
    view! { <For each=move || each() key=|id| *id children=move |id| row(id)/> }.into_any()
}
