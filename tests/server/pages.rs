//! Rendered pages: with whose data, and without.

use crate::activity::made;
use crate::app::{Browser, TestApp, change, note, private_project, text};
use axum::body::Body;
use axum::http::StatusCode;
use std::collections::BTreeSet;
use tidemark::api::seed::Seed;
use tidemark::api::workspace::Invited;
use tidemark::model::choice::Role;
use tidemark::model::kinds::Kind;
use tidemark::model::value::Value;
use tidemark::sync::op::{Action, Outcome};

#[tokio::test]
async fn a_page_is_rendered_with_the_data_of_whoever_looks() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (eve, _) = app.owner("Eve").await;
    ada.push(as_ada, &[note("Quay inspection")]).await.unwrap();

    let response = ada.get("/notes").await;
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(text(response).await.contains("Quay inspection"));
    assert!(!text(eve.get("/notes").await).await.contains("Quay inspection"));
    assert!(!text(app.browser().get("/notes").await).await.contains("Quay inspection"));
}

#[tokio::test]
async fn the_shell_for_offline_use_holds_nobodys_data() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    ada.push(as_ada, &[note("Quay inspection")]).await.unwrap();
    let page = text(ada.get("/shell").await).await;
    assert!(page.contains("data-boot=\"device\""), "{page}");
    assert!(!page.contains("ada@example.org") && !page.contains("Quay inspection"));
}

#[tokio::test]
async fn a_page_is_packed_where_the_browser_unpacks() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    for (takes, packed) in [("gzip, br", Some("br")), ("gzip", Some("gzip")), ("identity", None)] {
        let request = ada.request("GET", "/").header("accept-encoding", takes).body(Body::empty()).unwrap();
        let response = app.ask(request, ada.address).await;
        assert_eq!(response.headers().get("content-encoding").map(|by| by.to_str().unwrap()), packed, "{takes}");
    }
}

/// Otherwise the size of a packed page tells at once whether words that somebody had put into it resemble what else it holds.
#[tokio::test]
async fn a_page_carries_padding_of_a_random_length() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    let mut lengths = BTreeSet::new();
    for _ in 0..4 {
        let page = text(ada.get("/").await).await;
        let (_, padding) = page.split_once("<meta name=\"padding\" content=\"").expect("padding");
        lengths.insert(padding.find('"').unwrap());
    }
    // Four of 256 lengths that are all the same would be chance one time in seventeen million.
    assert!(lengths.len() > 1, "{lengths:?}");
}

#[tokio::test]
async fn an_address_without_a_page_is_not_found() {
    let app = TestApp::start().await;
    assert_eq!(app.browser().get("/nowhere").await.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_private_project_is_in_nobody_elses_page() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, _) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let project = private_project("Reorganisation");
    ada.push(as_ada, std::slice::from_ref(&project)).await.unwrap();
    for path in ["/".to_owned(), "/projects".to_owned(), format!("/project/{}", project.record)] {
        let shown = |seed: Seed| seed.records.iter().any(|record| record.id == project.record);
        assert!(shown(seed(&ada, &path).await), "{path}");
        assert!(!shown(seed(&bob, &path).await), "{path}");
    }
}

#[tokio::test]
async fn times_are_by_the_clock_of_whoever_looks() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let form = [("member", &*as_ada.to_string()), ("role", "member")];
    let invited: Invited = ada.call("invitation/create", &form).await.unwrap();
    let mut anybody = app.browser();
    for (said, known) in [
        (None, "UTC"),
        (Some("Asia/Kathmandu"), "Asia/Kathmandu"),
        (Some("../../etc/localtime"), "UTC"),
        (Some("%"), "UTC"),
    ] {
        anybody.cookie = said.map(|said| format!("tidemark-zone={said}"));
        let page = text(anybody.get(&invited.path).await).await;
        let until = jiff::Timestamp::from_millisecond(invited.expires_ms).unwrap().in_tz(known).unwrap();
        let until = until.strftime(if known == "UTC" { "%-d %b %Y, %H:%M UTC" } else { "%-d %b %Y, %H:%M" });
        assert!(page.contains(&format!("{until}<")) || page.contains(&format!("{until}.")), "{said:?} {until}: {page}");
        assert_eq!(page.contains("data-zone=\"local\""), known != "UTC", "{said:?}");
    }
    anybody.cookie = Some("tidemark-zone=Asia/Kathmandu".to_owned());
    assert!(!text(anybody.get("/shell").await).await.contains("data-zone="), "it is kept for wherever it is opened");
}

#[tokio::test]
async fn an_empty_workspace_is_called_empty_before_anything_was_copied() {
    let app = TestApp::start().await;
    let (ada, _) = app.owner("Ada").await;
    for (path, words) in [
        ("/", "No open task is yours."),
        ("/", "No project is running."),
        ("/", "Nothing waits for you."),
        ("/projects", "No projects yet."),
        ("/notes", "No notes yet."),
        ("/conflicts", "Nothing waits for you."),
        ("/notifications", "Nothing yet."),
    ] {
        let page = text(ada.get(path).await).await;
        assert!(page.contains(words) && !page.contains("Arriving from the server"), "{path}: {page}");
    }
}

#[tokio::test]
async fn a_sensitive_value_that_lost_is_shown_to_its_author_alone() {
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Admin).await;
    let mut made = private_project("Reorganisation");
    let Action::Create { fields } = &mut made.action else { panic!("{made:?}") };
    fields.insert("budget".into(), Value::from(100_000));
    let made_at = ada.push(as_ada, std::slice::from_ref(&made)).await.unwrap().receipts[0].seq;
    let budget = |cents: i64| change(made.key(), "budget", made_at, 100_000, cents);
    ada.push(as_ada, &[budget(123_456)]).await.unwrap();
    let lost = bob.push(as_bob, &[budget(765_432)]).await.unwrap();
    assert_eq!(lost.receipts[0].outcome, Outcome::Superseded, "{lost:?}");

    let his = text(bob.get("/notifications").await).await;
    assert!(his.contains("What was entered in “Reorganisation” does not stand."), "{his}");
    assert!(his.contains("<p>Budget<!>: <!>765,432"), "{his}");
    for path in ["/notifications", "/conflicts", "/"] {
        let hers = text(ada.get(path).await).await;
        assert!(!hers.contains("765,432") && !hers.contains("765432"), "{path}");
    }
}

#[tokio::test]
async fn what_somebody_called_a_record_is_text_in_the_head_too() {
    const TITLE: &str = "Plan & </title><b>out</b>";
    let app = TestApp::start().await;
    let (ada, as_ada) = app.owner("Ada").await;
    let (bob, as_bob) = app.member_of(&ada, as_ada, "Bob", Role::Member).await;
    let title = || ("title", Value::from(TITLE));
    let project = made(Kind::Project, &[title()]);
    let phase = made(Kind::Phase, &[title(), ("project", project.record.into())]);
    let step = made(Kind::Step, &[title(), ("phase", phase.record.into())]);
    let task = made(Kind::Task, &[title(), ("step", step.record.into())]);
    let leaf = made(Kind::Note, &[title()]);
    let all = [project.clone(), phase, step, task.clone(), leaf.clone()];
    let at = ada.push(as_ada, &all).await.unwrap().receipts[3].seq;
    let estimate = |minutes: i64| change(task.key(), "estimate", at, Value::Null, minutes);
    ada.push(as_ada, &[estimate(90)]).await.unwrap();
    let conflict = bob.push(as_bob, &[estimate(60)]).await.unwrap().receipts[0].conflict.unwrap();
    for (path, words) in [
        (format!("/project/{}", project.record), ""),
        (format!("/project/{}/task/{}", project.record, task.record), ""),
        (format!("/note/{}", leaf.record), ""),
        (format!("/conflict/{conflict}"), "Conflict: "),
    ] {
        let page = text(ada.get(&path).await).await;
        let title = format!("<title>{words}Plan &amp; &lt;/title>&lt;b>out&lt;/b> · Tidemark</title>");
        assert!(page.contains(&title), "{path}: {page}");
        assert!(!page.contains("<b>out"), "{path}: {page}");
    }
}

async fn seed(browser: &Browser<'_>, path: &str) -> Seed {
    browser.call("page-seed", &[("path", path)]).await.unwrap()
}
