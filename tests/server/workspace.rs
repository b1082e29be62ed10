//! `/api/workspace/…`, `/api/invitation/…`, `/api/member/…`.

use crate::app::{Browser, Device, TestApp, note};
use tidemark::api::ApiError;
use tidemark::api::account::Me;
use tidemark::api::workspace::{Invitation, Invited, OpenInvitation, Presence};
use tidemark::model::choice::Role;
use tidemark::model::id::MemberId;
use tidemark::model::record::Key;
use tidemark::model::scope::Scope;
use tidemark::sync::op::Entry;
use tidemark::sync::wire::{Pull, Pulled, SnapshotChunk, SnapshotWanted};

fn token(invited: &Invited) -> &str {
    invited.path.strip_prefix("/invitation/").unwrap()
}

#[tokio::test]
async fn an_invitation_makes_one_person_a_member_once() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let invited: Invited =
        ada.call("invitation/create", &[("member", &as_ada.to_string()), ("role", "viewer")]).await.unwrap();

    let seen: Invitation = app.browser().call("invitation/look", &[("token", token(&invited))]).await.unwrap();
    assert_eq!((seen.workspace_name.as_str(), seen.by.as_str(), seen.role), ("Ada's", "Ada", Role::Viewer));

    let bob = app.person("Bob").await;
    let me: Me = bob.call("invitation/accept", &[("token", token(&invited))]).await.unwrap();
    assert_eq!(me.memberships.iter().map(|place| place.role).collect::<Vec<_>>(), [Role::Viewer]);

    let eve = app.person("Eve").await;
    let used = eve.call::<Me>("invitation/accept", &[("token", token(&invited))]).await;
    assert_eq!(used, Err(ApiError::InvitationGone));
}

#[tokio::test]
async fn somebody_who_belongs_already_uses_no_invitation_up() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let invited: Invited =
        ada.call("invitation/create", &[("member", &as_ada.to_string()), ("role", "viewer")]).await.unwrap();
    let me: Me = ada.call("invitation/accept", &[("token", token(&invited))]).await.unwrap();
    assert_eq!(
        me.memberships.iter().map(|place| (place.member, place.role)).collect::<Vec<_>>(),
        [(as_ada, Role::Owner)]
    );

    let bob = app.person("Bob").await;
    let seen: Invitation = bob.call("invitation/look", &[("token", token(&invited))]).await.unwrap();
    assert_eq!(seen.workspace, me.memberships[0].workspace);
    let me: Me = bob.call("invitation/accept", &[("token", token(&invited))]).await.unwrap();
    assert_eq!(me.memberships.iter().map(|place| place.role).collect::<Vec<_>>(), [Role::Viewer]);
    // Nor is anything lost by doing it twice.
    assert!(bob.call::<Me>("invitation/accept", &[("token", token(&invited))]).await.is_ok());
}

#[tokio::test]
async fn an_invitation_for_an_address_is_for_nobody_else() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let form = [("member", &*as_ada.to_string()), ("role", "member"), ("email", "Bob@Example.org")];
    let invited: Invited = ada.call("invitation/create", &form).await.unwrap();
    // Everybody reads that somebody was invited, and nobody whom.
    let pull = Pull { tidemarks: [(Scope::Workspace, 0)].into() };
    let pulled: Pulled = ada.exchange("sync/pull", as_ada, &pull).await.unwrap();
    let told = format!("{pulled:?}");
    assert!(told.contains("Invited one person as member") && !told.contains("xample.org"), "{told}");
    let eve = app.person("Eve").await;
    let wrong = eve.call::<Me>("invitation/accept", &[("token", token(&invited))]).await;
    assert_eq!(wrong, Err(ApiError::InvitationForAnother));
    let bob = app.person("Bob").await;
    assert!(bob.call::<Me>("invitation/accept", &[("token", token(&invited))]).await.is_ok());
}

#[tokio::test]
async fn only_those_above_may_invite_and_remove() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (cid, as_cid) = app.member_of(&ada, as_ada, "Cid", Role::Admin).await;

    let invite = async |browser: &crate::app::Browser<'_>, member: tidemark::model::id::MemberId, role: Role| {
        let form = [("member", &*member.to_string()), ("role", role.name())];
        browser.call::<Invited>("invitation/create", &form).await.map(drop)
    };
    assert_eq!(invite(&bob, as_bob, Role::Viewer).await, Err(ApiError::Forbidden));
    assert_eq!(invite(&cid, as_cid, Role::Member).await, Ok(()));
    assert_eq!(invite(&cid, as_cid, Role::Admin).await, Err(ApiError::Forbidden));
    // In somebody else's name.
    assert_eq!(invite(&bob, as_ada, Role::Viewer).await, Err(ApiError::NotFound));

    let remove = async |browser: &crate::app::Browser<'_>,
                        member: tidemark::model::id::MemberId,
                        whom: tidemark::model::id::MemberId| {
        browser.call::<()>("member/remove", &[("member", &member.to_string()), ("remove", &whom.to_string())]).await
    };
    assert_eq!(remove(&bob, as_bob, as_cid).await, Err(ApiError::Forbidden));
    assert_eq!(remove(&cid, as_cid, as_ada).await, Err(ApiError::Forbidden));
    assert_eq!(remove(&ada, as_ada, as_ada).await, Err(ApiError::LastOwner));
    assert_eq!(remove(&cid, as_cid, as_bob).await, Ok(()));
    // Anybody may leave.
    assert_eq!(remove(&cid, as_cid, as_cid).await, Ok(()));
}

#[tokio::test]
async fn somebody_who_left_comes_back_as_the_same_member() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    let me: Option<Me> = bob.call("me", &[]).await.unwrap();
    assert_eq!(me.unwrap().viewer, None);

    let again: Invited =
        ada.call("invitation/create", &[("member", &as_ada.to_string()), ("role", "admin")]).await.unwrap();
    let me: Me = bob.call("invitation/accept", &[("token", token(&again))]).await.unwrap();
    let place = &me.memberships[0];
    assert_eq!((place.member, place.role), (as_bob, Role::Admin));
    bob.push(as_bob, &[note("Back")]).await.unwrap();
}

#[tokio::test]
async fn one_person_switches_between_workspaces() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    let second: Me = ada.call("workspace/create", &[("name", "Second")]).await.unwrap();
    assert_eq!(second.viewer.as_ref().unwrap().workspace_name, "Second");
    let first = second.memberships.iter().find(|place| place.workspace_name == "Ada's").unwrap().workspace;
    let me: Me = ada.call("workspace/switch", &[("workspace", &first.to_string())]).await.unwrap();
    assert_eq!(me.viewer.unwrap().workspace, first);

    let (_, _) = app.owner("Eve").await;
    let eves: Vec<_> = app.state.accounts.find("eve@example.org").await.unwrap().into_iter().collect();
    let hers = app.state.accounts.memberships(eves[0].id).await.unwrap()[0].workspace;
    let refused = ada.call::<Me>("workspace/switch", &[("workspace", &hers.to_string())]).await;
    assert_eq!(refused, Err(ApiError::NotFound));
}

#[tokio::test]
async fn nothing_crosses_from_one_workspace_to_another() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (eve, as_eve) = app.owner("Eve").await;
    let secret = note("For Ada's people");
    ada.push(as_ada, std::slice::from_ref(&secret)).await.unwrap();

    // As a member of Ada's, which Eve is not.
    let pull = Pull { tidemarks: [(Scope::Workspace, 0)].into() };
    assert_eq!(eve.exchange::<Pulled>("sync/pull", as_ada, &pull).await, Err(ApiError::NotFound));
    assert_eq!(eve.push(as_ada, &[note("From outside")]).await, Err(ApiError::NotFound));
    // As herself: her own workspace, without Ada's note.
    let pulled: Pulled = eve.exchange("sync/pull", as_eve, &pull).await.unwrap();
    assert!(pulled.frames.iter().flat_map(|frame| &frame.entries).all(|entry| entry.record != secret.record));
    let wanted = SnapshotWanted { scope: Scope::Personal(as_ada), at: None, after: None };
    assert_eq!(eve.exchange::<SnapshotChunk>("sync/snapshot", as_eve, &wanted).await, Err(ApiError::NotFound));

    #[derive(serde::Serialize)]
    struct History {
        member: tidemark::model::id::MemberId,
        record: Key,
    }
    let entries: Result<Vec<Entry>, _> =
        eve.call_json("history", &History { member: as_eve, record: secret.key() }).await;
    assert!(
        entries.as_ref().is_err_and(|error| *error == ApiError::NotFound)
            || entries.is_ok_and(|entries| entries.is_empty())
    );
    let entries: Vec<Entry> =
        ada.call_json("history", &History { member: as_ada, record: secret.key() }).await.unwrap();
    assert_eq!(entries.len(), 1);
}

#[tokio::test]
async fn an_invitation_can_be_seen_and_withdrawn_by_those_who_may_make_it() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (cid, as_cid) = app.member_of(&ada, as_ada, "Cid", Role::Admin).await;
    let (eve, as_eve) = app.owner("Eve").await;
    let invite = async |role: Role| {
        let form = [("member", &*as_ada.to_string()), ("role", role.name())];
        ada.call::<Invited>("invitation/create", &form).await.unwrap()
    };
    let (viewer, admin) = (invite(Role::Viewer).await, invite(Role::Admin).await);

    let list = async |browser: &crate::app::Browser<'_>, member: tidemark::model::id::MemberId| {
        browser.call::<Vec<OpenInvitation>>("invitation/list", &[("member", &member.to_string())]).await
    };
    // Used ones are not open: those of Bob and Cid are not listed.
    let open = list(&cid, as_cid).await.unwrap();
    let mut roles: Vec<Role> = open.iter().map(|one| one.role).collect();
    roles.sort();
    assert_eq!(roles, [Role::Viewer, Role::Admin]);
    assert_eq!(list(&bob, as_bob).await.map(drop), Err(ApiError::Forbidden));
    assert_eq!(list(&eve, as_ada).await.map(drop), Err(ApiError::NotFound));
    assert_eq!(list(&eve, as_eve).await, Ok(Vec::new()));

    let id = |role: Role| open.iter().find(|one| one.role == role).unwrap().id.0.to_string();
    let withdraw = async |browser: &crate::app::Browser<'_>, member: tidemark::model::id::MemberId, id: &str| {
        let form = [("member", &*member.to_string()), ("invitation", id)];
        browser.call::<()>("invitation/withdraw", &form).await
    };
    assert_eq!(withdraw(&bob, as_bob, &id(Role::Viewer)).await, Err(ApiError::Forbidden));
    assert_eq!(withdraw(&cid, as_cid, &id(Role::Admin)).await, Err(ApiError::Forbidden));
    assert_eq!(withdraw(&eve, as_eve, &id(Role::Viewer)).await, Err(ApiError::NotFound));
    assert_eq!(withdraw(&cid, as_cid, &id(Role::Viewer)).await, Ok(()));
    assert_eq!(withdraw(&cid, as_cid, &id(Role::Viewer)).await, Err(ApiError::NotFound));

    let dan = app.person("Dan").await;
    let gone = dan.call::<Me>("invitation/accept", &[("token", token(&viewer))]).await;
    assert_eq!(gone, Err(ApiError::InvitationGone));
    assert!(dan.call::<Me>("invitation/accept", &[("token", token(&admin))]).await.is_ok());
}

#[tokio::test]
async fn who_is_there_is_told_to_members_and_what_is_held_to_those_who_govern() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let (cid, as_cid) = app.member_of(&ada, as_ada, "Cid", Role::Admin).await;
    let (eve, as_eve) = app.owner("Eve").await;
    let presence = async |browser: &Browser<'_>, member: MemberId| {
        let presence =
            browser.call_json::<Presence>("workspace/presence", &serde_json::json!({ "member": member })).await;
        presence.map(|presence| (presence.connected.len(), presence.held))
    };
    assert_eq!(presence(&ada, as_ada).await, Ok((0, Some(0))));
    let (channel, _) = Device::live(&bob, as_bob).await;
    assert_eq!(presence(&ada, as_ada).await, Ok((1, Some(0))));
    assert_eq!(presence(&cid, as_cid).await, Ok((1, Some(0))));
    assert_eq!(presence(&bob, as_bob).await, Ok((1, None)));
    // Nothing of it crosses.
    assert_eq!(presence(&eve, as_eve).await, Ok((0, Some(0))));
    assert_eq!(presence(&eve, as_ada).await, Err(ApiError::NotFound));
    assert_eq!(presence(&app.browser(), as_ada).await, Err(ApiError::SignedOut));

    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    drop(channel);
    bob.push(as_bob, &[note("Readings from the basement")]).await.unwrap();
    assert_eq!(presence(&bob, as_bob).await, Err(ApiError::Revoked));
    assert_eq!(presence(&ada, as_ada).await.map(|(_, held)| held), Ok(Some(1)));
    assert_eq!(presence(&cid, as_cid).await.map(|(_, held)| held), Ok(Some(1)));
}
