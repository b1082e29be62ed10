//! People by name and by initials.

use crate::app::frame::initials;
use crate::app::records::use_records;
use crate::model::catalog::Kind;
use crate::model::id::RecordId;
use crate::model::record::Key;
use leptos::prelude::*;

/// The name of a member, `Somebody` while the record is not here.
#[component]
pub fn MemberName(
    /// Who; the id of a `member` record.
    #[prop(into)]
    member: Signal<Option<RecordId>>,
) -> impl IntoView {
    let records = use_records();
    move || member_name(records, member.get())
}

/// The name of a member as text, followed.
pub fn member_name(records: crate::app::records::Records, member: Option<RecordId>) -> String {
    member
        .and_then(|id| records.get(Key::new(Kind::Member, id)).get())
        .map(|record| record.text("name").to_owned())
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| "Somebody".to_owned())
}

/// The initials of several members, their names for those who ask.
#[component]
pub fn Avatars(
    /// Who; ids of `member` records.
    #[prop(into)]
    members: Signal<Vec<RecordId>>,
) -> impl IntoView {
    let records = use_records();
    move || {
        let members = members.get();
        (!members.is_empty()).then(|| {
            let names: Vec<_> = members.into_iter().map(|id| member_name(records, Some(id))).collect();
            let all = names.join(", ");
            view! {
                <span class="avatars" title=all.clone()>
                    <span class="sr-only">{format!("Assigned to {all}")}</span>
                    {names
                        .into_iter()
                        .take(3)
                        .map(|name| view! { <span class="avatar" aria-hidden="true">{initials(&name)}</span> })
                        .collect_view()}
                </span>
            }
        })
    }
}
