//! The commands, run as a person runs them.

use crate::app::{TestApp, note};
use std::path::Path;
use std::process::{Command, Output};
use tidemark::server::store::Store as _;
use tidemark::server::store::sqlite::Sqlite;

fn tidemark(arguments: &[&str], data: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tidemark")).args(arguments).arg("--data").arg(data).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test]
async fn a_backup_of_a_running_server_can_be_gone_back_to() {
    let mut app = TestApp::start().await;
    {
        let (ada, member) = app.owner("Ada").await;
        ada.push(member, &[note("In the backup")]).await.unwrap();
    }
    let copy = app.folder.join("copy.db");
    let output = tidemark(&["backup", copy.to_str().unwrap()], &app.folder);
    assert!(output.status.success(), "{}", said(&output));
    let again = tidemark(&["backup", copy.to_str().unwrap()], &app.folder);
    assert!(!again.status.success() && said(&again).contains("exists already"), "{}", said(&again));

    let before = app.state.core.store().workspaces().await.unwrap()[0].clone();
    app.stop().await.unwrap().unwrap();
    let output = tidemark(&["restore", copy.to_str().unwrap()], &app.folder);
    assert!(output.status.success(), "{}", said(&output));
    let restored = Sqlite::open(&app.folder.join("tidemark.db")).await.unwrap();
    let after = restored.workspaces().await.unwrap()[0].clone();
    assert_eq!((after.id, after.head), (before.id, before.head));
    assert!(after.epoch > before.epoch, "{} {}", after.epoch, before.epoch);
    restored.close().await;
}

#[tokio::test]
async fn what_is_no_backup_replaces_nothing() {
    let mut app = TestApp::start().await;
    app.owner("Ada").await;
    app.stop().await.unwrap().unwrap();
    let wrong = app.folder.join("wrong.db");
    std::fs::write(&wrong, "this is not a database, but it is long enough to look like one").unwrap();
    let output = tidemark(&["restore", wrong.to_str().unwrap()], &app.folder);
    assert!(!output.status.success() && said(&output).contains("Nothing was changed"), "{}", said(&output));
    let kept = Sqlite::open(&app.folder.join("tidemark.db")).await.unwrap();
    assert_eq!(kept.workspaces().await.unwrap().len(), 1);
    kept.close().await;
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_do() {
    let folder = std::env::temp_dir().join(format!("tidemark-doctor-{}", std::process::id()));
    let output = tidemark(&["doctor", "--site", "/nonexistent"], &folder);
    let says = said(&output);
    assert!(!output.status.success(), "{says}");
    assert!(says.contains("WRONG  pages") && says.contains("make build"), "{says}");
    assert!(says.contains("ok     data folder") && says.contains("1 thing is wrong."), "{says}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_setting_that_cannot_be_is_refused_in_plain_words() {
    let folder = std::env::temp_dir();
    let output = tidemark(&["serve", "--public-url", "http://tide.example.org"], &folder);
    assert!(!output.status.success());
    assert!(said(&output).contains("browsers refuse session cookies"), "{}", said(&output));
    let output = tidemark(&["demo", "--listen", "0.0.0.0:3000"], &folder);
    assert!(!output.status.success() && said(&output).contains("this machine only"), "{}", said(&output));
}
