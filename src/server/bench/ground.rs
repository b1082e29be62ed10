//! The measured server: this same program as a child process, so that its processor time and memory can be told from the
//! clients', on a new database that is removed afterwards.

use super::BenchError;
use super::client::{Http, form};
use crate::api::account::Me;
use crate::model::id::MemberId;
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdout, Command};
use uuid::Uuid;

const EMAIL: &str = "bench@example.org";
const PASSWORD: &str = "the tide comes in";
/// Live channels opened in one session: a server takes no more than 32 of one.
const CHANNELS_A_SESSION: usize = 30;
/// The kernel counts processor time in hundredths of a second.
const TICK_MS: u64 = 10;

/// A running server, with one account that owns a workspace unless it is a bare one.
pub(super) struct Ground {
    child: Child,
    // Open as long as the server runs: writing to a closed pipe would end it.
    _said: BufReader<ChildStdout>,
    folder: PathBuf,
    pub address: SocketAddr,
    pub member: MemberId,
    /// Whether anybody has to sign in.
    accounts: bool,
    sessions: Cell<u8>,
}

/// One signed-in browser, behind an address of its own, because attempts to sign in are limited by address.
#[derive(Debug, Clone)]
pub(super) struct Session {
    pub from: Ipv4Addr,
    pub cookie: String,
}

impl Ground {
    /// Starts a server in this folder.
    pub async fn start(folder: &Path) -> Result<Self, BenchError> {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--log", "error", "--pushes-per-second", "1000000"];
        let mut this = Self::of(folder, Command::new(std::env::current_exe()?).args(serve), true).await?;
        let mut browser = Http::connect(this.address, Ipv4Addr::LOCALHOST, None).await?;
        browser.form::<Me>("sign-up", &form(&[("name", "Bench"), ("email", EMAIL), ("password", PASSWORD)])).await?;
        let me: Me = browser.form("workspace/create", &form(&[("name", "Bench")])).await?;
        let viewer = me.viewer.ok_or_else(|| BenchError::Server("made no workspace".to_owned()))?;
        this.member = viewer.member;
        Ok(this)
    }

    /// Ends this server and starts a bare one in the same folder: ours, or the one that this command starts.
    pub async fn bare(self, beside: Option<&str>) -> Result<Self, BenchError> {
        let folder = self.folder.clone();
        self.end().await?;
        let mut words = beside.unwrap_or_default().split_whitespace();
        match words.next() {
            Some(program) => Self::of(&folder, Command::new(program).args(words), false).await,
            None => Self::of(&folder, Command::new(std::env::current_exe()?).args(["bench", "--bare"]), false).await,
        }
    }

    /// Ends the server, and removes its folder once it is gone and writes no more.
    pub async fn end(mut self) -> Result<(), BenchError> {
        Ok(self.child.kill().await?)
    }

    async fn of(folder: &Path, command: &mut Command, accounts: bool) -> Result<Self, BenchError> {
        if folder.exists() {
            return Err(BenchError::Server(format!("was not started: {} exists already", folder.display())));
        }
        std::fs::create_dir_all(folder)?;
        let mut child = command.arg("--data").arg(folder).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let said = child.stdout.take().ok_or_else(|| BenchError::Server("says nothing".to_owned()))?;
        let mut said = BufReader::new(said);
        let address = loop {
            let mut line = String::new();
            if said.read_line(&mut line).await? == 0 {
                return Err(BenchError::Server("ended before it was ready".to_owned()));
            }
            if let Some(address) = line.trim().strip_prefix("Ready at http://") {
                break address.parse().map_err(|_| BenchError::Server(format!("listens at {address}")))?;
            }
        };
        let (member, folder) = (MemberId(Uuid::nil()), folder.to_owned());
        Ok(Self { child, _said: said, folder, address, member, accounts, sessions: Cell::new(0) })
    }

    /// Sessions for so many live channels: one for each of them, the same ones shared by a few.
    pub async fn sessions(&self, channels: usize) -> Result<Vec<Session>, BenchError> {
        if !self.accounts {
            return Ok(vec![Session { from: Ipv4Addr::LOCALHOST, cookie: String::new() }; channels]);
        }
        let mut sessions = Vec::with_capacity(channels);
        while sessions.len() < channels {
            let number = self.sessions.get().wrapping_add(1);
            self.sessions.set(number);
            let from = Ipv4Addr::new(127, 0, 1, number);
            let mut browser = Http::connect(self.address, from, None).await?;
            browser.form::<Me>("sign-in", &form(&[("email", EMAIL), ("password", PASSWORD)])).await?;
            let cookie = browser.cookie.ok_or_else(|| BenchError::Server("gave no session".to_owned()))?;
            let left = channels - sessions.len();
            sessions.extend(std::iter::repeat_n(Session { from, cookie }, left.min(CHANNELS_A_SESSION)));
        }
        Ok(sessions)
    }

    /// Processor time the server has taken so far, milliseconds.
    pub fn cpu_ms(&self) -> Result<u64, BenchError> {
        let stat = self.proc("stat")?;
        // After the name, which ends with the last parenthesis, user and system time are the 12th and 13th field.
        let mut fields = stat.rsplit_once(')').map_or("", |(_, rest)| rest).split_whitespace().skip(11);
        let ticks = fields
            .next()
            .zip(fields.next())
            .and_then(|(user, system)| Some(user.parse::<u64>().ok()? + system.parse::<u64>().ok()?));
        ticks.map(|ticks| ticks * TICK_MS).ok_or_else(|| BenchError::Server("cannot be observed".to_owned()))
    }

    /// Memory the server holds, bytes.
    pub fn memory_bytes(&self) -> Result<u64, BenchError> {
        let status = self.proc("status")?;
        let held = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = held.and_then(|held| held.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
        kib.map(|kib| kib * 1024).ok_or_else(|| BenchError::Server("cannot be observed".to_owned()))
    }

    fn proc(&self, file: &str) -> Result<String, BenchError> {
        let id = self.child.id().ok_or_else(|| BenchError::Server("has ended".to_owned()))?;
        Ok(std::fs::read_to_string(format!("/proc/{id}/{file}"))?)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Err(error) = self.child.start_kill() {
            tracing::debug!(%error, "The measured server had ended already.");
        }
        if let Err(error) = std::fs::remove_dir_all(&self.folder) {
            tracing::warn!(%error, folder = %self.folder.display(), "The measured database was left behind.");
        }
    }
}
