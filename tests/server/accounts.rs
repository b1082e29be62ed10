//! `/api/sign-up`, `/api/sign-in`, `/api/sign-out`, `/api/me`, `/api/session/…`, `/api/password/change`.

use crate::app::{ATTEMPTS_MAX, Browser, Device, PASSWORD, TestApp, refusal, text};
use tidemark::api::ApiError;
use tidemark::api::account::{Me, SessionId, SignedIn};
use tidemark::model::choice::Role;
use tidemark::sync::wire::{FromDevice, FromServer, Refusal};

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_answered_alike() {
    let app = TestApp::start().await;
    app.person("Ada").await;
    let mut browser = app.browser();
    assert_eq!(browser.sign_in("ada@example.org", "tide goes out").await, Err(ApiError::WrongPassword));
    assert_eq!(browser.sign_in("nobody@example.org", PASSWORD).await, Err(ApiError::WrongPassword));
    assert_eq!(browser.cookie, None);
}

#[tokio::test]
async fn an_address_has_one_account_however_it_is_spelt() {
    let app = TestApp::start().await;
    app.person("Ada").await;
    let taken = app.browser().sign_up("Another", " ADA@Example.org ", PASSWORD).await;
    assert_eq!(taken, Err(ApiError::EmailTaken));
    let me = app.browser().sign_in("Ada@example.ORG", PASSWORD).await.unwrap();
    assert_eq!((me.name.as_str(), me.viewer), ("Ada", None));
}

#[tokio::test]
async fn every_wrong_field_is_named_with_what_to_do() {
    let app = TestApp::start().await;
    let Err(ApiError::Invalid(faults)) = app.browser().sign_up(" ", "not an address", "short").await else {
        panic!("it was taken");
    };
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field.as_str()).collect();
    assert_eq!(fields, ["name", "email", "password"]);
    assert!(faults.iter().all(|fault| fault.says.len() > 10), "{faults:?}");
}

#[tokio::test]
async fn a_session_lasts_until_signing_out_and_not_longer() {
    let app = TestApp::start().await;
    let mut browser = app.person("Ada").await;
    let cookie = browser.cookie.clone().unwrap();
    assert!(cookie.starts_with("__Host-tidemark="), "{cookie}");
    let me: Option<Me> = browser.call("me", &[]).await.unwrap();
    assert_eq!(me.unwrap().email, "ada@example.org");

    let response = browser.post("sign-out", Vec::new(), "application/x-www-form-urlencoded").await;
    let forget = response.headers().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    assert!(forget.starts_with("__Host-tidemark=;") && forget.contains("Max-Age=0"), "{forget}");

    // The old cookie opens nothing, even if the browser kept it.
    browser.cookie = Some(cookie);
    let me: Option<Me> = browser.call("me", &[]).await.unwrap();
    assert_eq!(me, None);
    let refused = browser.call::<Me>("workspace/create", &[("name", "x")]).await;
    assert_eq!(refused, Err(ApiError::SignedOut));
}

#[tokio::test]
async fn signing_in_again_ends_the_session_that_was_there() {
    let app = TestApp::start().await;
    let mut browser = app.person("Ada").await;
    let before = browser.cookie.clone();
    browser.sign_in("ada@example.org", PASSWORD).await.unwrap();
    assert_ne!(browser.cookie, before);
    browser.cookie = before;
    assert_eq!(browser.call::<Option<Me>>("me", &[]).await, Ok(None));
}

#[tokio::test]
async fn guessing_is_slowed_down_for_one_address_and_account_only() {
    let app = TestApp::start().await;
    app.person("Ada").await;
    let mut guesser = app.browser();
    guesser.address = "192.0.2.66".parse().unwrap();
    let mut guesses = Vec::new();
    while guesses.len() < ATTEMPTS_MAX && !matches!(guesses.last(), Some(Err(ApiError::TooFast { .. }))) {
        guesses.push(guesser.sign_in("ada@example.org", "tide goes out").await.map(drop));
    }
    let refused = guesses.pop();
    assert!(matches!(refused, Some(Err(ApiError::TooFast { wait_s: 1.. }))), "{refused:?}");
    assert!(guesses.len() >= 10 && guesses.iter().all(|guess| *guess == Err(ApiError::WrongPassword)), "{guesses:?}");
    // Ada herself, elsewhere, gets in.
    assert!(app.browser().sign_in("ada@example.org", PASSWORD).await.is_ok());
}

#[tokio::test]
async fn where_accounts_are_by_invitation_only_the_first_needs_none() {
    let app = TestApp::invited_only().await;
    let (owner, member) = app.owner("Ada").await;
    assert_eq!(app.browser().sign_up("Bob", "bob@example.org", PASSWORD).await, Err(ApiError::InvitationNeeded));
    let form = [("name", "Bob"), ("email", "bob@example.org"), ("password", PASSWORD), ("invitation", "made up")];
    assert_eq!(app.browser().enter("sign-up", &form).await, Err(ApiError::InvitationGone));

    let form = [("member", &*member.to_string()), ("role", "member")];
    let invited: tidemark::api::workspace::Invited = owner.call("invitation/create", &form).await.unwrap();
    let token = invited.path.strip_prefix("/invitation/").unwrap();
    let form = |name, email| [("name", name), ("email", email), ("password", PASSWORD), ("invitation", token)];
    // An address that is taken leaves the invitation to others, and it makes one account, which then accepts it.
    assert_eq!(app.browser().enter("sign-up", &form("Ann", "ada@example.org")).await, Err(ApiError::EmailTaken));
    let mut bob = app.browser();
    assert!(bob.enter("sign-up", &form("Bob", "bob@example.org")).await.is_ok());
    let eve = app.browser().enter("sign-up", &form("Eve", "eve@example.org")).await;
    assert_eq!(eve, Err(ApiError::InvitationGone));
    assert_eq!(owner.call::<Me>("invitation/accept", &[("token", token)]).await, Err(ApiError::InvitationGone));
    // Bob may open his link where he is not signed in yet.
    assert!(
        app.browser()
            .call::<tidemark::api::workspace::Invitation>("invitation/look", &[("token", token)])
            .await
            .is_ok()
    );
    let me: Me = bob.call("invitation/accept", &[("token", token)]).await.unwrap();
    assert_eq!(me.memberships.len(), 1);

    // One for an address makes no account for another.
    let form = [("member", &*member.to_string()), ("role", "member"), ("email", "cid@example.org")];
    let invited: tidemark::api::workspace::Invited = owner.call("invitation/create", &form).await.unwrap();
    let token = invited.path.strip_prefix("/invitation/").unwrap();
    let form = [("name", "Eve"), ("email", "eve@example.org"), ("password", PASSWORD), ("invitation", token)];
    assert_eq!(app.browser().enter("sign-up", &form).await, Err(ApiError::InvitationForAnother));
}

#[tokio::test]
async fn a_token_somebody_else_planted_is_not_taken_over() {
    let app = TestApp::start().await;
    app.person("Ada").await;
    let mut browser = app.browser();
    let planted = format!("__Host-tidemark={}", "a".repeat(64));
    browser.cookie = Some(planted.clone());
    assert_eq!(browser.call::<Option<Me>>("me", &[]).await, Ok(None));
    browser.sign_in("ada@example.org", PASSWORD).await.unwrap();
    assert_ne!(browser.cookie, Some(planted.clone()));
    browser.cookie = Some(planted);
    assert_eq!(browser.call::<Option<Me>>("me", &[]).await, Ok(None));
}

#[tokio::test]
async fn a_changed_password_is_the_only_one_and_ends_every_other_session() {
    const NEXT: &str = "tide goes out again";
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let mut tablet = app.browser();
    tablet.sign_in("ada@example.org", PASSWORD).await.unwrap();
    let (mut on_tablet, _) = Device::live(&tablet, as_ada).await;
    let (mut here, _) = Device::live(&ada, as_ada).await;

    let change =
        async |current: &str, new: &str| ada.call::<()>("password/change", &[("current", current), ("new", new)]).await;
    let field = |answer: Result<(), ApiError>| match answer {
        Err(ApiError::Invalid(faults)) => faults[0].field.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(field(change("not this one", NEXT).await), "current");
    assert_eq!(field(change(PASSWORD, "short").await), "new");
    assert_eq!(field(change(PASSWORD, "ada@example.org").await), "new");
    assert!(tablet.call::<Option<Me>>("me", &[]).await.unwrap().is_some());

    assert_eq!(change(PASSWORD, NEXT).await, Ok(()));
    assert_eq!(on_tablet.hear_until(refusal).await, Refusal::SignedOut);
    assert_eq!(tablet.call::<Option<Me>>("me", &[]).await, Ok(None));
    assert!(ada.call::<Option<Me>>("me", &[]).await.unwrap().is_some());
    here.say(&FromDevice::Beat).await;
    here.hear_until(|message| matches!(message, FromServer::Beat { .. }).then_some(())).await;
    assert_eq!(app.browser().sign_in("ada@example.org", PASSWORD).await, Err(ApiError::WrongPassword));
    assert!(app.browser().sign_in("ada@example.org", NEXT).await.is_ok());
}

#[tokio::test]
async fn nothing_is_begun_with_a_password_that_was_changed_since() {
    let app = TestApp::start().await;
    let ada = app.person("Ada").await;
    let slow = async || app.state.accounts.verify("ada@example.org", PASSWORD.to_owned()).await.ok().unwrap();
    let (to_sign_in, to_change) = (slow().await, slow().await);
    let change = [("current", PASSWORD), ("new", "tide goes out again")];
    assert_eq!(ada.call::<()>("password/change", &change).await, Ok(()));
    let begun = app.state.accounts.start_session(&to_sign_in, "slow", app.state.core.now_ms()).await;
    assert_eq!(begun.map(drop), Err(ApiError::WrongPassword));
    let changed = app.state.accounts.change_password(&to_change, "tide comes back".to_owned(), &[0; 32]).await;
    assert_eq!(changed, Err(ApiError::WrongPassword));
    let list: Vec<SignedIn> = ada.call("session/list", &[]).await.unwrap();
    assert_eq!(list.len(), 1);
}

#[tokio::test]
async fn guessing_a_password_from_inside_is_slowed_down_too() {
    let app = TestApp::start().await;
    let ada = app.person("Ada").await;
    let mut last = Ok(());
    for _ in 0..ATTEMPTS_MAX {
        last = ada.call::<()>("password/change", &[("current", "a guess"), ("new", "another password")]).await;
        if matches!(last, Err(ApiError::TooFast { .. })) {
            break;
        }
    }
    assert!(matches!(last, Err(ApiError::TooFast { wait_s: 1.. })), "{last:?}");
}

#[tokio::test]
async fn one_sees_where_one_is_signed_in_and_ends_it_there() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let mut tablet = app.browser();
    tablet.sign_in("ada@example.org", PASSWORD).await.unwrap();
    let mut phone = app.browser();
    phone.sign_in("ada@example.org", PASSWORD).await.unwrap();
    let eve = app.person("Eve").await;

    let list = async |browser: &Browser<'_>| browser.call::<Vec<SignedIn>>("session/list", &[]).await.unwrap();
    assert_eq!(list(&eve).await.len(), 1);
    let all = list(&ada).await;
    assert_eq!((all.len(), all.iter().filter(|one| one.here).count()), (3, 1));
    let on_tablet = list(&tablet).await.into_iter().find(|one| one.here).unwrap().id;

    let end = async |browser: &Browser<'_>, id: SessionId| {
        browser.call::<()>("session/end", &[("session", &id.0.to_string())]).await
    };
    assert_eq!(end(&eve, on_tablet).await, Err(ApiError::NotFound));
    let (mut device, _) = Device::live(&tablet, as_ada).await;
    assert_eq!(end(&ada, on_tablet).await, Ok(()));
    assert_eq!(device.hear_until(refusal).await, Refusal::SignedOut);
    assert_eq!(tablet.call::<Option<Me>>("me", &[]).await, Ok(None));
    assert_eq!(end(&ada, on_tablet).await, Err(ApiError::NotFound));

    assert_eq!(ada.call::<()>("session/end-others", &[]).await, Ok(()));
    assert_eq!(phone.call::<Option<Me>>("me", &[]).await, Ok(None));
    assert_eq!(list(&ada).await.iter().map(|one| one.here).collect::<Vec<_>>(), [true]);
    assert_eq!(list(&eve).await.len(), 1);
    assert_eq!(app.browser().call::<Vec<SignedIn>>("session/list", &[]).await, Err(ApiError::SignedOut));
}

#[tokio::test]
async fn without_a_script_one_comes_to_what_one_came_for() {
    let app = TestApp::start().await;
    let ada = [("name", "Ada"), ("email", "ada@example.org"), ("password", PASSWORD)];
    let mut browser = app.browser();
    assert_eq!(browser.visit("/").await, "/sign-in");
    assert_eq!(browser.visit("/notes").await, "/sign-in?next=/notes");
    assert_eq!(browser.submit("/sign-up?next=/", "sign-up", &ada).await, "/workspaces");
    // Whoever is signed in is not asked to sign in, whatever page they open.
    assert_eq!(browser.visit("/").await, "/workspaces");
    assert_eq!(browser.visit("/notes").await, "/workspaces");
    assert_eq!(browser.submit("/workspaces", "workspace/create", &[("name", "Harbour works")]).await, "/");

    let ada = ada.get(1..).unwrap();
    for (page, sent_to) in [
        ("/sign-in", "/"),
        ("/sign-in?next=/project/x", "/project/x"),
        ("/sign-in?next=%2Fproject%2Fx&__err=a", "/project/x"),
        ("/sign-in?next=//elsewhere.example", "/"),
        ("/sign-in?next=/%5Celsewhere.example", "/"),
        ("/sign-in?next=/%09/elsewhere.example", "/"),
        ("/sign-in?next=/%0d%0aset-cookie:a", "/"),
        ("/sign-in?next=/%C3%A4", "/"),
        ("/sign-in?next=https://elsewhere.example", "/"),
    ] {
        assert_eq!(app.browser().submit(page, "sign-in", ada).await, sent_to, "{page}");
    }

    let owner: Option<Me> = browser.call("me", &[]).await.unwrap();
    let member = owner.unwrap().viewer.unwrap().member;
    let form = [("member", &*member.to_string()), ("role", "member")];
    let invited: tidemark::api::workspace::Invited = browser.call("invitation/create", &form).await.unwrap();
    let token = invited.path.strip_prefix("/invitation/").unwrap();
    let form = [("name", "Bob"), ("email", "bob@example.org"), ("password", PASSWORD), ("invitation", token)];
    let mut bob = app.browser();
    assert_eq!(bob.submit(&format!("/sign-up?invitation={token}"), "sign-up", &form).await, invited.path);
    let next = format!("/sign-in?next={}", invited.path);
    let form = [("email", "bob@example.org"), ("password", PASSWORD)];
    assert_eq!(bob.submit(&next, "sign-in", &form).await, invited.path);
}

#[tokio::test]
async fn somebody_who_was_removed_reads_so_and_who_they_are() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let gone = [("member", &*as_ada.to_string()), ("remove", &*as_bob.to_string())];
    ada.call::<()>("member/remove", &gone).await.unwrap();
    assert_eq!(bob.visit("/projects").await, "/workspaces");
    let read = async || {
        let page = text(bob.get("/workspaces").await).await;
        for words in ["You are in no workspace any more.", "bob@example.org", "Sign out"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    };
    read().await;
    // The same in the moment before the removal is noted.
    app.state.accounts.note_returned(as_bob).await.unwrap();
    read().await;
    let new = text(app.person("Cid").await.get("/workspaces").await).await;
    assert!(new.contains("You are in no workspace yet."), "{new}");
}
