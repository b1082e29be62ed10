//! Style as a test: what a compiler cannot see and a reader should not have to. Every rule is a function over text, every
//! finding names its place and what to write instead, and every rule is tested by a planted violation. Rules that
//! clippy or rustfmt know do not belong here.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

/// What is read; everything else in the folder is made by tools, or a licence, or a lock file.
const ROOTS: &[&str] =
    &["src", "tests", "benches", "migrations", "style", "public", "end2end", "scripts", "docs", ".ci"];
const TOP_FILES: &[&str] =
    &["Makefile", "Cargo.toml", "package.json", "README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"];
const MADE_BY_TOOLS: &[&str] =
    &["end2end/test-results", "end2end/report", "end2end/node_modules", "benches/node/node_modules"];

/// A file longer than this cannot be held in one head; it is two rooms that want a door between them.
const LINES_MAX: usize = 1000;

/// The layers of the house and what each may mention. Dependencies point down this list only.
const LAYERS: &[(&str, &[&str])] = &[
    ("app", &["app", "api", "browser", "sync", "model"]),
    ("api", &["api", "sync", "model"]),
    ("browser", &["browser", "api", "sync", "model"]),
    ("simulator", &["simulator", "server", "sync", "model"]),
    ("server", &["server", "api", "sync", "model"]),
    ("sync", &["sync", "model"]),
    ("model", &["model"]),
];

/// The places that may look up, each with its reason.
const DOORS: &[(&str, &str, &str)] = &[
    ("src/api", "server", "a server function's body runs on the server, and is compiled only there"),
    ("src/server/cli", "simulator", "a command runs it"),
    ("src/server", "app", "the server renders the screens into its pages"),
    ("src/browser", "app", "the device feeds the records that the screens read"),
];

/// Who is allowed to write something.
#[derive(Clone, Copy, PartialEq)]
enum Tests {
    /// The rule is about production code only.
    Free,
    /// The rule holds in tests too.
    Bound,
}

/// What a whole file is.
#[derive(Clone, Copy, PartialEq)]
enum Room {
    Production,
    Tests,
}

/// One thing that is not written in some part of the tree.
struct Ban {
    /// Path prefixes that the ban covers.
    within: &'static [&'static str],
    /// Path prefixes it does not.
    except: &'static [&'static str],
    tests: Tests,
    what: &'static str,
    instead: &'static str,
}

const RUST: &[&str] = &["src/", "tests/", "benches/"];
const PURE: &[&str] = &["src/model", "src/sync"];
const NOWHERE: &[&str] = &[];
const BROWSER_TESTS: &[&str] = &["end2end/"];
/// The places that speak to a person at a terminal.
const TERMINAL: &[&str] = &["src/main.rs", "src/server/cli"];

const fn ban(within: &'static [&'static str], what: &'static str, instead: &'static str) -> Ban {
    Ban { within, except: NOWHERE, tests: Tests::Bound, what, instead }
}

const fn in_production(within: &'static [&'static str], what: &'static str, instead: &'static str) -> Ban {
    Ban { within, except: NOWHERE, tests: Tests::Free, what, instead }
}

const BANS: &[Ban] = &[
    // The pure rooms give the same bytes on the server, in the browser and in the simulator.
    in_production(PURE, "std::time", "take the time as an argument"),
    in_production(PURE, "SystemTime", "take the time as an argument"),
    in_production(PURE, "Instant::now", "take the time as an argument"),
    in_production(PURE, "Timestamp::now", "take the time as an argument"),
    in_production(PURE, "Zoned::now", "take the time as an argument"),
    in_production(PURE, "now_v7", "take the id as an argument"),
    in_production(PURE, "new_v4", "take the id as an argument"),
    in_production(PURE, "rand", "take the random bytes as an argument"),
    in_production(PURE, "rand_chacha", "take the random bytes as an argument"),
    in_production(PURE, "getrandom", "take the random bytes as an argument"),
    in_production(PURE, "HashMap", "BTreeMap, whose order is the same everywhere"),
    in_production(PURE, "HashSet", "BTreeSet, whose order is the same everywhere"),
    in_production(PURE, "f32", "integers; floats do not decide"),
    in_production(PURE, "f64", "integers; floats do not decide"),
    in_production(PURE, "async", "return an effect and let the caller await"),
    in_production(PURE, "tokio", "return an effect and let the caller run it"),
    in_production(PURE, "web_sys", "return an effect and let the browser run it"),
    in_production(PURE, "js_sys", "return an effect and let the browser run it"),
    in_production(PURE, "leptos", "data; the screens turn it into signals"),
    in_production(PURE, "sqlx", "data; the store turns it into rows"),
    in_production(PURE, "axum", "data; the server turns it into answers"),
    in_production(PURE, "tracing", "return what happened; the caller logs it"),
    in_production(PURE, "std::fs", "take the bytes as an argument"),
    in_production(PURE, "std::env", "take the setting as an argument"),
    in_production(PURE, "std::thread", "nothing here waits"),
    // Calls with a better one.
    in_production(&["src/"], ".unwrap()", "`?`, or a default that is right, or a type that cannot be empty"),
    in_production(&["src/"], ".expect(", "`?`, or a default that is right, or a type that cannot be empty"),
    in_production(&["src/"], "panic!", "an error that a caller can answer"),
    in_production(&["src/"], "unreachable!", "a type in which the case does not exist"),
    in_production(&["src/"], "let _ =", "handle the error: `if let Err(error) = …` and a sentence in the log"),
    ban(RUST, "todo!", "finish it, or leave it out and say so in CHANGELOG.md"),
    ban(RUST, "unimplemented!", "finish it, or leave it out and say so in CHANGELOG.md"),
    ban(RUST, "dbg!", "tracing::debug! with a sentence"),
    ban(RUST, "#[ignore", "a test that runs, or no test"),
    ban(RUST, "use crate::{", "one `use` for each module, so that the layers can be read off"),
    ban(RUST, "thread::sleep", "wait for the condition"),
    Ban {
        within: &["src/"],
        except: TERMINAL,
        tests: Tests::Free,
        what: "println!",
        instead: "tracing, which has levels and fields",
    },
    Ban {
        within: &["src/"],
        except: TERMINAL,
        tests: Tests::Free,
        what: "eprintln!",
        instead: "tracing, which has levels and fields",
    },
    Ban {
        within: RUST,
        except: &["src/server/store/sqlite/direct.rs", "src/server/store/sqlite/gather.rs"],
        tests: Tests::Bound,
        what: "unsafe",
        instead: "a safe call; what SQLite needs is in store/sqlite/direct.rs and gather.rs",
    },
    ban(&["tests/"], "time::sleep", "wait for the condition, with a timeout around it"),
    // Leptos 0.8.23.
    ban(&["src/"], "inner_html", "elements; a string of HTML is not escaped"),
    Ban {
        within: &["src/"],
        except: &["src/lib.rs", "src/browser"],
        tests: Tests::Bound,
        what: "mount_to_body",
        instead: "the one entry in lib.rs; cached HTML of one address must never be taken over at another",
    },
    Ban {
        within: &["src/"],
        except: &["src/lib.rs", "src/browser"],
        tests: Tests::Bound,
        what: "hydrate_body",
        instead: "the one entry in lib.rs",
    },
    // The browser tests.
    ban(BROWSER_TESTS, "waitForTimeout", "expect.poll, or an assertion that waits"),
    ban(BROWSER_TESTS, "setTimeout", "expect.poll, or an assertion that waits"),
    ban(BROWSER_TESTS, "networkidle", "an assertion that waits for what a person would see"),
    ban(BROWSER_TESTS, ".only(", "all tests"),
    ban(BROWSER_TESTS, ".skip(", "a test that runs, or no test"),
    ban(BROWSER_TESTS, ".fixme(", "a test that runs, or no test"),
];

/// One broken rule, with its place.
#[derive(Debug, PartialEq)]
struct Finding {
    path: String,
    line: usize,
    message: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.message)
    }
}

#[test]
fn the_tree_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = BTreeSet::new();
    for folder in ROOTS {
        collect(root, folder, &mut paths);
    }
    paths.extend(TOP_FILES.iter().map(|name| name.to_string()).filter(|name| root.join(name).exists()));
    assert!(paths.contains("tests/tidy.rs"), "the walk misses files: {paths:?}");

    // Images and fonts are not text, and no rule is about them.
    let read = |path: &String| Some((path.clone(), String::from_utf8(fs::read(root.join(path)).unwrap()).ok()?));
    let files: Vec<(String, String)> = paths.iter().filter_map(read).collect();
    let tests: Vec<String> = files.iter().flat_map(|(path, text)| test_modules(path, &code_only(text))).collect();

    let mut findings = Vec::new();
    for (path, text) in &files {
        // A module may be kept in a file of another name, which then says what it is.
        let named = path.starts_with("tests/") || path.ends_with("_tests.rs");
        let test = named || tests.iter().any(|module| path.starts_with(module));
        findings.extend(check(path, text, if test { Room::Tests } else { Room::Production }));
    }
    let report: Vec<String> = findings.iter().map(Finding::to_string).collect();
    assert!(findings.is_empty(), "{} places to tidy:\n{}", findings.len(), report.join("\n"));
}

fn collect(root: &Path, folder: &str, paths: &mut BTreeSet<String>) {
    if MADE_BY_TOOLS.contains(&folder) || !root.join(folder).is_dir() {
        return;
    }
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{folder}/{}", entry.file_name().to_string_lossy());
        if entry.file_type().unwrap().is_dir() {
            collect(root, &path, paths);
        } else {
            paths.insert(path);
        }
    }
}

/// Every rule over one file.
fn check(path: &str, text: &str, room: Room) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut found = |line: usize, message: String| findings.push(Finding { path: path.to_string(), line, message });

    check_words(text, &mut found);
    if path.ends_with(".rs") {
        let code = code_only(text);
        let in_tests = match room {
            Room::Tests => vec![true; code.lines().count()],
            Room::Production => test_lines(&code),
        };
        check_bans(path, &code, &in_tests, &mut found);
        check_layers(path, &code, &mut found);
        check_endpoints(text, &code, &mut found);
        check_textareas(text, &code, &mut found);
        check_titles(text, &code, &mut found);
        check_forms(&code, &mut found);
        if !text.starts_with("//!") {
            found(1, "a file opens with `//!`: what this room is for and what does not belong in it".into());
        }
        let lines = text.lines().count();
        if lines > LINES_MAX {
            found(lines, format!("{lines} lines; more than {LINES_MAX} are two rooms that want a door between them"));
        }
    } else {
        check_bans(path, text, &vec![false; text.lines().count()], &mut found);
    }
    findings
}

fn check_bans(path: &str, code: &str, in_tests: &[bool], found: &mut impl FnMut(usize, String)) {
    let begins = |prefixes: &[&str]| prefixes.iter().any(|prefix| path.starts_with(prefix));
    for ban in BANS.iter().filter(|ban| begins(ban.within) && !begins(ban.except)) {
        for (number, line) in code.lines().enumerate() {
            if (ban.tests == Tests::Bound || !in_tests[number]) && has_word(line, ban.what) {
                found(number + 1, format!("`{}`: write instead: {}", ban.what, ban.instead));
            }
        }
    }
}

/// `crate::name` tells which room a line looks into.
fn check_layers(path: &str, code: &str, found: &mut impl FnMut(usize, String)) {
    let Some(inside) = path.strip_prefix("src/") else { return };
    let Some((layer, allowed)) =
        LAYERS.iter().find(|(layer, _)| inside == format!("{layer}.rs") || inside.starts_with(&format!("{layer}/")))
    else {
        return;
    };
    let rooms: Vec<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (number, line) in code.lines().enumerate() {
        for (at, _) in line.match_indices("crate::") {
            let room: String = line[at + "crate::".len()..].chars().take_while(|c| is_name(*c)).collect();
            let door = DOORS.iter().any(|(from, to, _)| path.starts_with(from) && *to == room);
            if rooms.contains(&room.as_str()) && !allowed.contains(&room.as_str()) && !door {
                found(number + 1, format!("`{layer}` looks up into `{room}`: dependencies point down only"));
            }
        }
    }
}

/// A server function's default path hashes the build folder, so that last week's installed app would get 404.
fn check_endpoints(text: &str, code: &str, found: &mut impl FnMut(usize, String)) {
    let lines: Vec<&str> = text.lines().collect();
    for (number, line) in code.lines().enumerate() {
        let trimmed = line.trim_start();
        if !(trimmed.starts_with("#[server(") || trimmed.starts_with("#[server]")) {
            continue;
        }
        let end = lines[number..].iter().position(|line| line.trim_end().ends_with(']')).unwrap_or(0);
        if !lines[number..=number + end].iter().any(|line| line.contains("endpoint")) {
            found(
                number + 1,
                "`#[server]` without `endpoint = \"…\"`: the default path changes with the folder".into(),
            );
        }
    }
}

/// Leptos 0.8.23 does not escape the children of a textarea on the server.
fn check_textareas(text: &str, code: &str, found: &mut impl FnMut(usize, String)) {
    let raw: Vec<char> = text.chars().collect();
    for (at, _) in code.match_indices("</textarea>") {
        // The blanked code has the same characters in number; in bytes it may be shorter.
        let before = code[..at].chars().count();
        if raw[..before].iter().rev().find(|c| !c.is_whitespace()) != Some(&'>') {
            let line = code[..at].matches('\n').count() + 1;
            found(line, "`<textarea>` with children: write instead: `prop:value`; children are not escaped".into());
        }
    }
}

/// Leptos 0.8.23 does not escape a page's title on the server: it is a literal, or goes through `lasting`, which does.
fn check_titles(text: &str, code: &str, found: &mut impl FnMut(usize, String)) {
    for (at, _) in code.match_indices("<Title") {
        // The blanked code has the same characters in number; in bytes it may be longer or shorter.
        let raw: String = text.chars().skip(code[..at].chars().count()).collect();
        let tag = raw.split("/>").next().unwrap_or(&raw);
        let Some((_, title)) = tag.split_once("text=") else { continue };
        let literal = title.starts_with('"') || code.contains(&format!("{}: &'static str", title.trim()));
        if !literal && !title.starts_with("lasting(") {
            let line = code[..at].matches('\n').count() + 1;
            found(line, "`<Title text=`: write instead: a literal, or `lasting(…)`; it is not escaped".into());
        }
    }
}

/// A form that is sent before its page is alive is sent by the browser: to its own address, and what was typed is gone.
fn check_forms(code: &str, found: &mut impl FnMut(usize, String)) {
    for (number, line) in code.lines().enumerate() {
        if line.contains("<form ") && !line.contains(" method=") {
            found(
                number + 1,
                "`<form>` without `method`: write instead: `method=\"dialog\"`, or an `ActionForm`".into(),
            );
        }
    }
}

/// Words that do not belong in any file. Written in pieces, so that this file may be checked too.
fn check_words(text: &str, found: &mut impl FnMut(usize, String)) {
    let unfinished = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"]];
    let machine = [["/ro", "ot/"], ["/ho", "me/"], ["/wo", "rk/"]];
    let hosts = [["crates", ".io"], ["npmjs", ".org"], ["pypi", ".org"], ["deb.debian", ".org"]];
    let strangers = [["Clau", "de"], ["Anthro", "pic"], ["Open", "AI"], ["Chat", "GPT"], ["Co", "pilot"], ["CE", "O"]];
    let rules: [(&[[&str; 2]], &str); 4] = [
        (&unfinished, "finish it, or say in CHANGELOG.md what is left"),
        (&machine, "a path of one machine"),
        (&hosts, "a registry's host; everybody has their own"),
        (&strangers, "the project speaks of itself alone"),
    ];
    for (number, line) in text.lines().enumerate() {
        for (words, message) in rules {
            for word in words.iter().map(|pieces| pieces.concat()).filter(|word| has_word(line, word)) {
                found(number + 1, format!("`{word}`: {message}"));
            }
        }
    }
}

/// True when `word` stands in `line` and is not part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let borders = |a: Option<char>, b: Option<char>| !(a.is_some_and(is_name) && b.is_some_and(is_name));
    line.match_indices(word).any(|(at, _)| {
        borders(line[..at].chars().next_back(), word.chars().next())
            && borders(word.chars().next_back(), line[at + word.len()..].chars().next())
    })
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text with comments and the insides of strings blanked, line for line.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = match (chars[at], chars.get(at + 1)) {
            ('/', Some('/')) => end_of_line(&chars, at),
            ('/', Some('*')) => end_of_comment(&chars, at),
            ('"', _) => end_of_string(&chars, at),
            ('r', Some('"' | '#')) if at == 0 || !is_name(chars[at - 1]) => end_of_raw_string(&chars, at),
            ('\'', _) => end_of_char(&chars, at),
            _ => at,
        };
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

fn end_of_line(chars: &[char], from: usize) -> usize {
    (from..chars.len()).find(|at| chars[*at] == '\n').unwrap_or(chars.len())
}

fn end_of_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn end_of_string(chars: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

/// Where `r#"…"#` ends; `from` itself when this is a raw name such as `r#type`.
fn end_of_raw_string(chars: &[char], from: usize) -> usize {
    let hashes = chars[from + 1..].iter().take_while(|c| **c == '#').count();
    let open = from + 1 + hashes;
    if chars.get(open) != Some(&'"') {
        return from;
    }
    (open + 1..chars.len())
        .find(|at| chars[*at] == '"' && chars[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes)
        .map_or(chars.len(), |at| at + 1 + hashes)
}

/// Where a character such as `'"'` ends; `from` itself for a lifetime.
fn end_of_char(chars: &[char], from: usize) -> usize {
    match (chars.get(from + 1), chars.get(from + 2)) {
        (Some('\\'), _) => (from + 3..chars.len()).find(|at| chars[*at] == '\'').map_or(from, |at| at + 1),
        (Some(_), Some('\'')) => from + 3,
        _ => from,
    }
}

/// The modules that a file declares for tests only, as the beginnings of their files' paths.
fn test_modules(path: &str, code: &str) -> Vec<String> {
    let folder = path.strip_suffix("/lib.rs").or_else(|| path.strip_suffix(".rs")).unwrap_or(path);
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    lines
        .windows(2)
        .filter(|pair| pair[0] == "#[cfg(test)]")
        .filter_map(|pair| pair[1].trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';'))
        .flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")])
        .collect()
}

/// Which lines of a production file are tests all the same: items under `#[cfg(test)]`.
fn test_lines(code: &str) -> Vec<bool> {
    let lines: Vec<&str> = code.lines().collect();
    let mut in_tests = vec![false; lines.len()];
    for start in 0..lines.len() {
        let line = lines[start].trim_start();
        if in_tests[start] || !(line.starts_with("#[cfg(test)]") || line.starts_with("#[cfg(all(test")) {
            continue;
        }
        let mut depth = 0;
        for (number, line) in lines.iter().enumerate().skip(start) {
            in_tests[number] = true;
            let opened = line.contains('{');
            depth += line.matches('{').count();
            depth = depth.saturating_sub(line.matches('}').count());
            if depth == 0 && (opened || line.contains(['}', ';'])) {
                break;
            }
        }
    }
    in_tests
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that exactly these lines of the text are found, by a message that contains these words.
    fn assert_found(path: &str, text: &str, expected: &[(usize, &str)]) {
        let text = format!("//! A room.\n{text}");
        let room = if path.starts_with("tests/") { Room::Tests } else { Room::Production };
        let findings = check(path, &text, room);
        let lines: Vec<usize> = findings.iter().map(|finding| finding.line).collect();
        let wanted: Vec<usize> = expected.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, wanted, "{path}: {findings:?}\n{text}");
        for (finding, (_, words)) in findings.iter().zip(expected) {
            assert!(finding.message.contains(words), "{finding} does not say {words}");
        }
    }

    #[test]
    fn a_planted_violation_is_found() {
        let planted: &[(&str, &str, &str)] = &[
            ("src/model/a.rs", "use std::time::Duration;", "argument"),
            ("src/sync/a.rs", "let a: HashMap<u8, u8>;", "BTreeMap"),
            ("src/sync.rs", "fn a(x: f64) {}", "floats"),
            ("src/sync/a.rs", "async fn a() {}", "effect"),
            ("src/sync/a.rs", "use crate::server::store;", "down only"),
            ("src/model/a.rs", "use crate::sync::op;", "down only"),
            ("src/app/a.rs", "use crate::server::store;", "down only"),
            ("src/server/a.rs", "use crate::browser::tabs;", "down only"),
            ("src/server/a.rs", "x.unwrap();", "write instead"),
            ("src/server/a.rs", "x.expect(\"it\");", "write instead"),
            ("src/server/a.rs", "let _ = send();", "handle the error"),
            ("src/server/a.rs", "println!();", "tracing"),
            ("src/app/a.rs", "view! { <div inner_html=x/> }", "escaped"),
            ("src/app/a.rs", "view! { <textarea>{text}</textarea> }", "prop:value"),
            ("src/app/a.rs", "view! { <form on:submit=send></form> }", "dialog"),
            ("src/app/a.rs", "view! { <textarea>\"text\"</textarea> }", "prop:value"),
            ("src/app/a.rs", "view! { <Title text=move || title.get()/> }", "not escaped"),
            ("src/app/a.rs", "view! { <Title text=format!(\"{title}\")/> }", "not escaped"),
            ("src/app/a.rs", "mount_to_body(App);", "lib.rs"),
            ("src/api/a.rs", "#[server]", "endpoint"),
            ("src/api/a.rs", "#[server(\n  prefix = \"/api\"\n)]", "endpoint"),
            ("tests/a.rs", "#[ignore]", "a test that runs"),
            ("tests/a.rs", "tokio::time::sleep(x).await;", "condition"),
            ("end2end/a.ts", "await page.waitForTimeout(5);", "expect.poll"),
            ("end2end/a.ts", "test.only('a', b);", "all tests"),
        ];
        for (path, text, words) in planted {
            assert_found(path, text, &[(2, words)]);
        }
    }

    #[test]
    fn words_that_do_not_belong_are_found_in_every_file() {
        for pieces in [["TO", "DO"], ["/ro", "ot/x"], ["crates", ".io"], ["CE", "O"]] {
            assert_found("docs/a.md", &pieces.concat(), &[(2, &pieces.concat()[..3])]);
        }
    }

    #[test]
    fn what_only_looks_like_a_violation_is_not_found() {
        let fine: &[(&str, &str)] = &[
            ("src/sync/a.rs", "/// Never `HashMap`.\nlet operand = \"async f64\";"),
            ("src/sync/a.rs", "let c = '\"'; // rand\nlet d = r#\"rand \" tokio\"#; /* HashSet */"),
            ("src/model/a.rs", "fn f<'a>(x: &'a str) {}\nlet r#type = 1;"),
            ("src/server/a.rs", "x.unwrap_or_default();\nx.expect_err(1);"),
            ("src/server/a.rs", "#[cfg(test)]\nmod tests {\n    fn a() {\n        x.unwrap();\n    }\n}"),
            ("src/server/a.rs", "use crate::app::App;\nuse crate::model::id;"),
            ("src/server/cli.rs", "println!();"),
            ("src/api/a.rs", "#[server(endpoint = \"a\")]\nasync fn a() {}"),
            ("src/app/a.rs", "view! { <textarea prop:value=x /> }"),
            ("src/app/a.rs", "view! { <form method=\"dialog\" on:submit=send></form> }"),
            ("src/app/a.rs", "let é = 1; view! { <textarea\n  prop:value=x\n></textarea> }"),
            ("src/app/a.rs", "view! { <Title text=\"Notes\"/> <Title text=lasting(title)/> <Title formatter=f/> }"),
            ("src/app/a.rs", "fn a(title: &'static str) { view! { <Title text=title/> } }"),
            ("src/lib.rs", "mount_to_body(App);"),
        ];
        for (path, text) in fine {
            assert_found(path, text, &[]);
        }
    }

    #[test]
    fn code_after_a_test_module_is_production_again() {
        let text = "#[cfg(test)]\nmod tests;\n#[cfg(test)]\nmod more {\n}\nfn f() {\n    x.unwrap();\n}";
        assert_found("src/server/a.rs", text, &[(8, "write instead")]);
    }

    #[test]
    fn a_module_declared_for_tests_is_tests_through_and_through() {
        let code = "#[cfg(test)]\nmod laws;\n#[cfg(test)]\nmod here {\n}\nmod more;";
        assert_eq!(test_modules("src/server/store.rs", code), ["src/server/store/laws.rs", "src/server/store/laws/"]);
        assert_eq!(check("src/a.rs", "//! A room.\nx.unwrap();", Room::Tests), []);
    }

    #[test]
    fn a_file_says_what_it_is_for_and_has_an_end() {
        assert_eq!(check("src/app/a.rs", "fn a() {}", Room::Production)[0].line, 1);
        let long = format!("//! A room.\n{}", "//\n".repeat(LINES_MAX));
        assert_eq!(check("src/app/a.rs", &long, Room::Production)[0].line, LINES_MAX + 1);
    }
}
