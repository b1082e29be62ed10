//! The commands, run as a person runs them.

use crate::app::{Browser, PASSWORD, TestApp, note};
use crate::process::{FORM, Server, post};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tidemark::api::account::Me;
use tidemark::model::kinds::Kind;
use tidemark::server::store::sqlite::Sqlite;
use tidemark::server::store::{Page, Select, Store as _};
use tidemark::sync::op::{Op, Outcome, SCHEMA};
use tidemark::sync::wire::{PROTOCOL, Pull, Pulled, Welcome};
use uuid::Uuid;

/// A folder that goes with its owner.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let folder = std::env::temp_dir().join(format!("tidemark-commands-{}", Uuid::now_v7()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, holds: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, holds).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Runs a command in the folder of its data, so that no configuration of this machine is found.
fn tidemark(arguments: &[&str], data: &Path) -> Output {
    let here = data.ancestors().find(|folder| folder.is_dir()).unwrap();
    Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(arguments)
        .arg("--data")
        .arg(data)
        .current_dir(here)
        .env_clear()
        .output()
        .unwrap()
}

/// It failed with exit code 1 and one sentence or two, of which these words are part.
#[track_caller]
fn refused(output: &Output, words: &[&str]) {
    let says = said(output);
    assert_eq!(output.status.code(), Some(1), "{says}");
    assert!(!says.contains("panicked") && words.iter().all(|word| says.contains(word)), "{says}");
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
    assert_eq!(after.id, before.id);
    assert!(after.epoch > before.epoch, "{} {}", after.epoch, before.epoch);
    // What comes next is above everything that was ever numbered.
    assert!(after.head > before.head.max(before.epoch), "{} {}", after.head, before.head);
    let notes = restored.records(after.id, &Select::Kind(Kind::Note), Page { count_max: 9, bytes_max: usize::MAX });
    assert_eq!(notes.await.unwrap().rows.len(), 1);
    restored.close().await.unwrap();
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
    kept.close().await.unwrap();
}

/// What the device of a person did, and sends again after its server's history was replaced.
async fn work(browser: &Browser<'_>, member: tidemark::model::id::MemberId, count: usize) -> Vec<Op> {
    let mut done = Vec::new();
    for _ in 0..count {
        let ops = [note("One"), note("Two"), note("Three")];
        let pushed = browser.push(member, &ops).await.unwrap();
        assert!(pushed.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied));
        done.extend(ops);
    }
    done
}

#[tokio::test]
async fn after_a_restore_a_device_learns_of_it_and_sends_again_what_is_missing() {
    let folder = Folder::new();
    let data = folder.0.join("data");
    let copy = folder.0.join("copy.db");
    let mut app = TestApp::on(&data).await;
    let (before, me, done) = {
        let (ada, as_ada) = app.owner("Ada").await;
        let before: Welcome =
            ada.exchange("sync/hello", as_ada, &crate::app::hello_of(PROTOCOL, SCHEMA)).await.unwrap();
        // The backup is made while edits come in: some are in it, some are not, none is in it half.
        let (done, output) = tokio::join!(work(&ada, as_ada, 30), async {
            let (data, copy) = (data.clone(), copy.clone());
            tokio::task::spawn_blocking(move || tidemark(&["backup", copy.to_str().unwrap()], &data)).await.unwrap()
        });
        assert!(output.status.success(), "{}", said(&output));
        (before, as_ada, [done, work(&ada, as_ada, 3).await].concat())
    };
    app.stop().await.unwrap().unwrap();
    let output = tidemark(&["restore", copy.to_str().unwrap()], &data);
    assert!(output.status.success() && said(&output).contains("is kept as"), "{}", said(&output));

    let mut app = TestApp::on(&data).await;
    let mut ada = app.browser();
    ada.sign_in("ada@example.org", PASSWORD).await.unwrap();
    let after: Welcome = ada.exchange("sync/hello", me, &crate::app::hello_of(PROTOCOL, SCHEMA)).await.unwrap();
    assert!(after.epoch > before.epoch && after.workspace == before.workspace);
    let lacked = done.len() as u64 - notes(&ada, me).await.len() as u64;
    assert!(lacked >= 9, "the last three pushes came after the backup, but {lacked} edits are missing");
    for ops in done.chunks(50) {
        let pushed = ada.push(me, ops).await.unwrap();
        assert!(pushed.receipts.iter().all(|receipt| receipt.outcome == Outcome::Applied), "{pushed:?}");
        assert_eq!(pushed.epoch, after.epoch);
    }
    let mut all: Vec<_> = done.iter().map(|op| op.record).collect();
    let mut there = notes(&ada, me).await;
    all.sort();
    there.sort();
    assert_eq!(there, all);
    drop(ada);
    app.stop().await.unwrap().unwrap();
}

/// The notes in the change log, each as often as it was made.
async fn notes(browser: &Browser<'_>, member: tidemark::model::id::MemberId) -> Vec<tidemark::model::id::RecordId> {
    let mut tidemark = 0;
    let mut found = Vec::new();
    loop {
        let pull = Pull { tidemarks: [(tidemark::model::scope::Scope::Workspace, tidemark)].into() };
        let pulled: Pulled = browser.exchange("sync/pull", member, &pull).await.unwrap();
        let entries = pulled.frames.iter().flat_map(|frame| &frame.entries);
        found.extend(entries.filter(|entry| entry.kind.spec().name == "note").map(|entry| entry.record));
        tidemark = pulled.frames[0].to;
        if !pulled.more {
            return found;
        }
    }
}

#[tokio::test]
async fn the_database_of_a_killed_server_is_backed_up_whole() {
    let folder = Folder::new();
    let data = folder.0.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let server = Server::start("serve", &data, Stdio::inherit(), &["--log", "error"]).await;
    let form = b"name=Ada&email=ada%40example.org&password=tide+comes+in".to_vec();
    let answer = post(server.address, "sign-up", "", FORM, form).await.unwrap();
    let me: Me = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(me.email, "ada@example.org");
    server.kill().await;
    let copy = folder.0.join("copy.db");
    let output = tidemark(&["backup", copy.to_str().unwrap()], &data);
    assert!(output.status.success(), "{}", said(&output));
    assert!(!folder.0.join("copy.db.partial").exists() && !folder.0.join("copy.db-wal").exists());
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
    let output = tidemark(&["restore", copy.to_str().unwrap()], &folder.0.join("elsewhere"));
    assert!(output.status.success(), "{}", said(&output));
    let restored = folder.0.join("elsewhere/tidemark.db");
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark"))
        .args(["doctor", "--data"])
        .arg(restored.parent().unwrap())
        .current_dir(&folder.0)
        .env_clear()
        .output()
        .unwrap();
    assert!(
        said(&output).contains("tidemark.db is sound") && said(&output).contains("accounts: 1"),
        "{}",
        said(&output)
    );
}

#[tokio::test]
async fn what_was_committed_last_and_lies_beside_a_file_is_restored_with_it() {
    let folder = Folder::new();
    let data = folder.0.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let server = Server::start("serve", &data, Stdio::inherit(), &["--log", "error"]).await;
    let form = b"name=Ada&email=ada%40example.org&password=tide+comes+in".to_vec();
    assert_eq!(post(server.address, "sign-up", "", FORM, form).await.unwrap().status, 200);
    server.kill().await;
    let copied = folder.0.join("copied.db");
    std::fs::copy(data.join("tidemark.db"), &copied).unwrap();
    assert!(std::fs::copy(data.join("tidemark.db-wal"), folder.0.join("copied.db-wal")).unwrap() > 0);
    let sound = |data: &Path| {
        let says = said(&tidemark(&["doctor"], data));
        assert!(says.contains("tidemark.db is sound") && says.contains("accounts: 1"), "{says}");
    };
    let elsewhere = folder.0.join("elsewhere");
    let output = tidemark(&["restore", copied.to_str().unwrap()], &elsewhere);
    assert!(output.status.success(), "{}", said(&output));
    sound(&elsewhere);
    // So is what a restore put aside.
    let output = tidemark(&["restore", copied.to_str().unwrap()], &data);
    assert!(output.status.success(), "{}", said(&output));
    let kept = data.join("tidemark.db.before-restore-1");
    let again = folder.0.join("again");
    let output = tidemark(&["restore", kept.to_str().unwrap()], &again);
    assert!(output.status.success(), "{}", said(&output));
    sound(&again);
}

#[tokio::test]
async fn what_is_no_usable_backup_is_called_by_its_name_and_replaces_nothing() {
    let mut app = TestApp::start().await;
    app.owner("Ada").await;
    app.stop().await.unwrap().unwrap();
    let data = app.folder.clone();
    let copy = data.join("copy.db");
    assert!(tidemark(&["backup", copy.to_str().unwrap()], &data).status.success());
    let whole = std::fs::read(&copy).unwrap();
    let before = std::fs::read(data.join("tidemark.db")).unwrap();

    let truncated = data.join("truncated.db");
    std::fs::write(&truncated, &whole[..whole.len() / 2]).unwrap();
    let scribbled = data.join("scribbled.db");
    let mut bytes = whole.clone();
    // Over the inside of a page in the middle: its header says nothing sensible any more.
    let at = bytes.len() / 2 / 4096 * 4096;
    bytes[at..at + 64].fill(0xff);
    std::fs::write(&scribbled, &bytes).unwrap();
    let empty = data.join("empty.db");
    std::fs::write(&empty, b"").unwrap();
    let text = data.join("text.db");
    std::fs::write(&text, "this is not a database ".repeat(1_000)).unwrap();
    let foreign = foreign_database(&data.join("foreign.db")).await;
    for (file, words) in [
        (&truncated, "is damaged"),
        (&scribbled, "is damaged"),
        (&empty, "holds nothing"),
        (&text, "is not a database"),
        (&foreign, "of another program"),
        (&data.join("missing.db"), "There is no backup"),
    ] {
        let output = tidemark(&["restore", file.to_str().unwrap()], &data);
        refused(&output, &[words, "Nothing was changed"]);
        assert!(!data.join("tidemark.db.restoring").exists());
    }
    assert_eq!(std::fs::read(data.join("tidemark.db")).unwrap(), before);
}

/// A database that some other program made.
async fn foreign_database(path: &Path) -> PathBuf {
    use sqlx::{ConnectOptions as _, Connection as _, Executor as _};
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute("CREATE TABLE recipe (name TEXT)").await.unwrap();
    connection.close().await.unwrap();
    path.to_owned()
}

#[tokio::test]
async fn the_database_of_another_program_is_left_alone() {
    let folder = Folder::new();
    let path = foreign_database(&folder.0.join("tidemark.db")).await;
    let before = std::fs::read(&path).unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    refused(&tidemark(&serve, &folder.0), &["is the database of another program", "Nothing was changed"]);
    refused(&tidemark(&["doctor"], &folder.0), &["WRONG  database", "of another program"]);
    let copy = folder.0.join("copy.db");
    refused(&tidemark(&["backup", copy.to_str().unwrap()], &folder.0), &["No backup was made", "another program"]);
    assert!(!copy.exists());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    std::fs::write(&path, "scribble ".repeat(2_000)).unwrap();
    refused(&tidemark(&serve, &folder.0), &["is not a database", "tidemark restore"]);
    refused(&tidemark(&["doctor"], &folder.0), &["WRONG  database", "is not a database"]);
}

#[tokio::test]
async fn a_running_server_is_neither_restored_over_nor_started_twice() {
    let app = TestApp::start().await;
    let folder = Folder::new();
    let data = folder.0.join("data");
    std::fs::create_dir_all(&data).unwrap();
    let server = Server::start("serve", &data, Stdio::inherit(), &["--log", "error"]).await;
    assert!(server.said.iter().any(|line| line.contains(&server.address.to_string())), "{:?}", server.said);
    let copy = folder.0.join("copy.db");
    assert!(tidemark(&["backup", copy.to_str().unwrap()], &data).status.success());
    refused(&tidemark(&["restore", copy.to_str().unwrap()], &data), &["Another Tidemark uses the data folder"]);
    refused(&tidemark(&["serve", "--listen", "127.0.0.1:0"], &data), &["Another Tidemark uses the data folder"]);
    assert!(said(&tidemark(&["doctor"], &data)).contains("one runs on this folder"));
    assert!(server.stop().await.success());
    assert!(said(&tidemark(&["doctor"], &data)).contains("none runs on this folder"));
    drop(app);
}

#[test]
fn the_doctor_names_what_is_wrong_and_what_to_do_and_changes_nothing() {
    let folder = Folder::new();
    let data = folder.0.join("not/there/yet");
    let output = tidemark(&["doctor", "--site", "/nonexistent"], &data);
    let says = said(&output);
    refused(
        &output,
        &["WRONG  pages", "make build", "ok     data folder", "is made at the first start", "1 thing is wrong."],
    );
    assert!(
        says.contains("ok     connections")
            && says.contains("ok     clock")
            && says.contains("ok     disk")
            && says.contains("  sign-up             open")
    );
    assert!(!folder.0.join("not").exists());
    let output = tidemark(&["doctor", "--listen", "0.0.0.0:80"], &data);
    refused(&output, &["WRONG  public address", "--public-url"]);
    let proxied = ["doctor", "--public-url", "https://tide.example.org"];
    refused(&tidemark(&proxied, &data), &["WRONG  callers", "--caller forwarded"]);
    let output = tidemark(&[&proxied[..], &["--caller", "forwarded"]].concat(), &data);
    assert!(said(&output).contains("ok     callers"), "{}", said(&output));
}

#[test]
fn a_setting_that_cannot_be_is_refused_in_plain_words() {
    let folder = Folder::new();
    let data = folder.0.join("data");
    let serve = |more: &[&str]| tidemark(&[&["serve"], more].concat(), &data);
    refused(&serve(&["--public-url", "http://tide.example.org"]), &["browsers refuse session cookies"]);
    let output = serve(&["--public-url", "https://ada:secret@tide.example.org"]);
    refused(&output, &["before an @"]);
    assert!(!said(&output).contains("secret"));
    refused(&serve(&["--log", "a=b=c"]), &["log filter"]);
    refused(&serve(&["--pushes-per-second", "0"]), &["number above 0"]);
    let unknown = folder.file("unknown.toml", b"listn = '127.0.0.1:1'");
    refused(&serve(&["--config", unknown.to_str().unwrap()]), &["listn", "tidemark serve --help"]);
    refused(&serve(&["--config", "missing.toml"]), &["missing.toml cannot be read"]);
    refused(&tidemark(&["demo", "--listen", "0.0.0.0:3000"], &data), &["this machine only"]);
    let file = folder.file("file", b"");
    refused(&tidemark(&["serve"], &file.join("below")), &["cannot be used", "Check the path"]);
    refused(&tidemark(&["doctor"], &file), &["WRONG  data folder", "is no folder"]);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    refused(&serve(&["--listen", &address]), &["already listens at", &address]);
    refused(&tidemark(&["backup", "/nonexistent/copy.db"], &data), &["There is no database at"]);
    // What cannot be understood at all ends with the other exit code, and names the way to help.
    let output = serve(&["--listen", "nonsense"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("--help"), "{}", said(&output));
}

#[tokio::test]
async fn the_demo_is_made_once_and_everybody_in_it_can_sign_in() {
    let folder = Folder::new();
    for _ in 0..2 {
        let demo = Server::start("demo", &folder.0, Stdio::inherit(), &["--log", "error"]).await;
        let mut people = 0;
        for line in &demo.said {
            let Some((email, rest)) = line.trim().split_once(' ').filter(|(word, _)| word.contains('@')) else {
                continue;
            };
            let password = "northwind tide";
            assert!(rest.trim().starts_with(password), "{line}");
            let form = format!("email={}&password={}", email.replace('@', "%40"), password.replace(' ', "+"));
            let answer = post(demo.address, "sign-in", "", FORM, form.into_bytes()).await.unwrap();
            let me: Me = serde_json::from_slice(&answer.body).unwrap();
            assert_eq!(me.viewer.map(|viewer| viewer.workspace_name).as_deref(), Some("Northwind Grid"));
            people += 1;
        }
        assert!(people >= 3, "{:?}", demo.said);
        assert!(demo.stop().await.success());
    }
    let output = tidemark(&["doctor"], &folder.0);
    assert!(said(&output).contains("1, with") && said(&output).contains("is sound"), "{}", said(&output));
}

#[test]
fn a_few_simulated_lives_are_lived_and_counted() {
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark")).args(["simulate", "--seeds", "1..4"]).output().unwrap();
    assert!(output.status.success() && said(&output).contains("every invariant held"), "{}", said(&output));
    let output = Command::new(env!("CARGO_BIN_EXE_tidemark")).args(["simulate", "--seeds", "4..1"]).output().unwrap();
    assert!(output.status.code() == Some(2) && said(&output).contains("A below B"), "{}", said(&output));
}

#[test]
fn the_bench_compares_with_a_bare_server_and_leaves_nothing_behind() {
    let folder = Folder::new();
    let data = folder.0.join("bench");
    let output = tidemark(&["bench", "--quick", "--json", "--only", "writes,propagation"], &data);
    assert!(output.status.success(), "{}", said(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let figures = report["figures"].as_array().unwrap();
    let compared = figures.iter().filter(|figure| figure["what"].as_str().unwrap().contains("against a bare server"));
    assert_eq!((figures.len(), compared.count()), (10, 4), "{report:#}");
    assert!(!data.exists());
}
