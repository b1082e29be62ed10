//! What changed between two texts, word by word.

use crate::sync::text::{Change, by_word};
use leptos::prelude::*;

/// Above this many characters together a word diff takes longer than a frame; the new text is shown as it is.
const DIFF_CHARS_MAX: usize = 40_000;

/// The words of `after`, with what was taken out of `before` struck through.
#[component]
pub fn Diff(
    /// What was there.
    before: String,
    /// What is there now.
    after: String,
) -> impl IntoView {
    if before.len() + after.len() > DIFF_CHARS_MAX {
        return view! { <div class="prose">{after}</div> }.into_any();
    }
    let words: Vec<_> =
        by_word(&before, &after).into_iter().map(|(change, words)| (change, words.to_owned())).collect();
    view! {
        <div class="prose">
            {words.into_iter().map(|(change, words)| match change {
                Change::Kept => view! { <span>{words}</span> }.into_any(),
                Change::Added => view! { <ins>{words}</ins> }.into_any(),
                Change::Removed => view! { <del>{words}</del> }.into_any(),
            }).collect_view()}
        </div>
    }
    .into_any()
}
