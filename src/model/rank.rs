//! Manual order as text that sorts: between any two ranks there is another, so moving one thing changes one field.

/// The longest rank that is made here. Longer ones come from hostile input only and are cut before use.
pub const RANK_CHARS_MAX: usize = 64;

/// A rank after `before` and, where room is left, before `after`; `None` is the end of the list on that side.
pub fn between(before: Option<&str>, after: Option<&str>) -> String {
    match (before, after) {
        (None, None) | (None, Some(_)) => "V".to_owned(),
        (Some(before), _) => format!("{before}V"),
    }
}
