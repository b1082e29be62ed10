//! What changed between two texts, word by word.

use leptos::prelude::*;
use similar::{ChangeTag, TextDiff};

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
    let words: Vec<_> = TextDiff::from_words(before.as_str(), after.as_str())
        .iter_all_changes()
        .map(|change| (change.tag(), change.value().to_owned()))
        .collect();
    view! {
        <div class="prose">
            {words.into_iter().map(|(tag, words)| match tag {
                ChangeTag::Equal => view! { <span>{words}</span> }.into_any(),
                ChangeTag::Insert => view! { <ins>{words}</ins> }.into_any(),
                ChangeTag::Delete => view! { <del>{words}</del> }.into_any(),
            }).collect_view()}
        </div>
    }
    .into_any()
}
