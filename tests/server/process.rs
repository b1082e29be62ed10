//! The real program as a process of its own, and requests to it over a plain connection.

use std::error::Error;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::process::{Child, ChildStdout, Command};

/// Anything waited for comes within this time, or never.
const PATIENCE: Duration = Duration::from_secs(60);

/// How forms are sent.
pub const FORM: &str = "application/x-www-form-urlencoded";

pub type Anything = Box<dyn Error + Send + Sync>;

pub async fn soon<T>(what: &str, work: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, work).await.unwrap_or_else(|_| panic!("{what} did not come"))
}

/// A server process.
pub struct Server {
    child: Child,
    /// Kept open, so that the process can speak.
    lines: Lines<BufReader<ChildStdout>>,
    pub address: SocketAddr,
    /// What it said before it was ready.
    pub said: Vec<String>,
}

impl Server {
    /// Begins to run a command that serves, on a free port, with more arguments.
    pub fn spawn(command: &str, data: &Path, log: Stdio, more: &[&str]) -> Self {
        Self::run(Command::new(env!("CARGO_BIN_EXE_tidemark")), command, data, log, more)
    }

    fn run(mut program: Command, command: &str, data: &Path, log: Stdio, more: &[&str]) -> Self {
        let mut child = program
            .args([command, "--listen", "127.0.0.1:0", "--data"])
            .arg(data)
            .args(more)
            .current_dir(data)
            .env_clear()
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines, address: SocketAddr::from(([127, 0, 0, 1], 0)), said: Vec::new() }
    }

    /// Starts and is ready.
    pub async fn start(command: &str, data: &Path, log: Stdio, more: &[&str]) -> Self {
        Self::spawn(command, data, log, more).ready().await
    }

    /// The same, in a process for which the disk is full where a file would grow beyond so many blocks of 512 bytes.
    #[allow(dead_code, reason = "this file is part of several tests")]
    pub async fn start_on_small_disk(command: &str, data: &Path, blocks: u32, log: Stdio, more: &[&str]) -> Self {
        let mut shell = Command::new("/bin/sh");
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_tidemark")]);
        Self::run(shell, command, data, log, more).ready().await
    }

    async fn ready(mut self) -> Self {
        loop {
            let line = soon("the server's next word", self.lines.next_line()).await.unwrap();
            let line = line.expect("the server starts");
            if let Some(address) = line.strip_prefix("Ready at http://") {
                self.address = address.parse().unwrap();
                return self;
            }
            self.said.push(line);
        }
    }

    /// SIGKILL, and nothing of it is left.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM, and its end.
    pub async fn stop(mut self) -> ExitStatus {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        soon("the end of the server", self.child.wait()).await.unwrap()
    }
}

/// What came back, whole.
pub struct Answer {
    pub status: u16,
    pub cookie: Option<String>,
    pub body: Vec<u8>,
}

/// Calls a server function on a connection of its own.
pub async fn post(
    address: SocketAddr,
    endpoint: &str,
    cookie: &str,
    sort: &str,
    body: Vec<u8>,
) -> Result<Answer, Anything> {
    let accept = if sort == FORM { "application/json" } else { sort };
    let head = format!(
        "POST /api/{endpoint} HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\nconnection: close\r\n\
         content-type: {sort}\r\naccept: {accept}\r\ncontent-length: {}\r\ncookie: {cookie}\r\n\r\n",
        body.len()
    );
    say(address, &[head.into_bytes(), body].concat()).await
}

/// Sends one request on a connection of its own. An answer that was cut short is none.
pub async fn say(address: SocketAddr, request: &[u8]) -> Result<Answer, Anything> {
    let mut connection = TcpStream::connect(address).await?;
    connection.write_all(request).await?;
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await?;
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or("no answer")?;
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let body = answer.split_off(end + 4);
    let header = |name: &str| {
        let mut pairs = head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value.to_owned())
    };
    // A page is streamed and ends with its last chunk; everything else says its length.
    let whole = match header("content-length") {
        Some(length) => body.len() == length.parse::<usize>()?,
        None => body.ends_with(b"0\r\n\r\n"),
    };
    if !whole {
        return Err("an answer was cut short".into());
    }
    let status = head.split(' ').nth(1).ok_or("no status")?.parse()?;
    let cookie = header("set-cookie").and_then(|cookie| Some(cookie.split(';').next()?.to_owned()));
    Ok(Answer { status, cookie, body })
}
