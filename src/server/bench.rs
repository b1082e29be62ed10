//! Measures what the design budgets: a server in a process of its own on a real file, and clients that reach it as devices do,
//! over sockets of this machine. Nothing is asserted, because a busy machine is not a wrong program; the command line prints
//! the table. What needs a browser is measured by `npm run figures`.

mod bare;
mod client;
mod ground;
mod measure;

use crate::api::ApiError;
use crate::server::store::StoreError;
use crate::sync::op::Outcome;
use crate::sync::wire::WireError;
use ground::Ground;
use serde::Serialize;
use std::net::SocketAddr;
use std::path::PathBuf;

/// One line of the table.
#[derive(Debug, Clone, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What came out, with its unit.
    pub figure: String,
    /// What it should be; empty where the design budgets nothing.
    pub budget: &'static str,
    /// Whether it is.
    pub verdict: Verdict,
}

/// Whether a figure is within its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It is.
    Met,
    /// It is not.
    Missed,
    /// There is no budget.
    Unbudgeted,
}

impl Verdict {
    fn of(met: bool) -> Self {
        if met { Self::Met } else { Self::Missed }
    }
}

/// Why measuring stopped.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// The server could not be started, reached or observed.
    #[error("the measured server could not be reached: {0}")]
    Io(#[from] std::io::Error),
    /// The measured server ended, or said something that was not expected.
    #[error("the measured server {0}")]
    Server(String),
    /// It refused a call.
    #[error("the measured server refused a call: {0}")]
    Refused(#[from] ApiError),
    /// The live channel failed.
    #[error("a live channel failed: {0}")]
    Channel(Box<tokio_tungstenite::tungstenite::Error>),
    /// A message could not be encoded or read.
    #[error("{0}")]
    Wire(#[from] WireError),
    /// The bare server's database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// An edit was not applied, so the figure would mean nothing.
    #[error("an edit came out as {0:?}")]
    Outcome(Outcome),
    /// A client ended early.
    #[error("a client ended early: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl From<tokio_tungstenite::tungstenite::Error> for BenchError {
    fn from(error: tokio_tungstenite::tungstenite::Error) -> Self {
        Self::Channel(Box::new(error))
    }
}

/// A group of figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Group {
    /// Merging and settling, without a server.
    Merge,
    /// Acknowledged durable writes a second.
    Writes,
    /// From one device's edit to the others.
    Propagation,
    /// A new device's first copy.
    Bootstrap,
    /// What a connection costs that says nothing.
    Idle,
    /// Whether a large workspace is slower than a small one. Takes minutes to fill, so only when it is asked for.
    Scale,
}

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// For the record.
    Full,
    /// To see that it works: a tenth of the edits, small workspaces.
    Quick,
}

/// What to measure, and where.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which figures.
    pub groups: Vec<Group>,
    /// How thoroughly.
    pub size: Size,
    /// A folder on the disk to measure; it must not exist, and is removed afterwards.
    pub folder: PathBuf,
    /// The command of a bare server to compare with instead of ours. It is started with `--data FOLDER`, prints
    /// `Ready at http://HOST:PORT`, and speaks with devices as `bare.rs` does.
    pub beside: Option<String>,
}

/// Measures, and tells each figure as it comes.
///
/// # Errors
/// Whatever stops it.
pub async fn run(wanted: &Wanted, mut tell: impl FnMut(Figure)) -> Result<(), BenchError> {
    let beside = wanted.beside.as_deref();
    for group in &wanted.groups {
        if *group == Group::Merge {
            measure::merge().into_iter().for_each(&mut tell);
            continue;
        }
        // A server of its own for each group, so that none inherits another's memory or log.
        let ground = Ground::start(&wanted.folder).await?;
        let (figures, ground) = match group {
            Group::Merge => (Vec::new(), ground),
            Group::Writes => {
                let ours = measure::writes(&ground, wanted.size).await?;
                let bare = ground.bare(beside).await?;
                let least = measure::writes(&bare, wanted.size).await?;
                (measure::told_writes(&ours, &least), bare)
            }
            Group::Propagation => {
                let ours = measure::propagation(&ground, wanted.size).await?;
                let bare = ground.bare(beside).await?;
                let least = measure::propagation(&bare, wanted.size).await?;
                (measure::told_propagation(&ours, &least), bare)
            }
            Group::Bootstrap => (measure::bootstrap(&ground, wanted.size).await?, ground),
            Group::Idle => (measure::idle(&ground, wanted.size).await?, ground),
            Group::Scale => (measure::scale(&ground, wanted.size).await?, ground),
        };
        ground.end().await?;
        figures.into_iter().for_each(&mut tell);
    }
    Ok(())
}

/// The server that Tidemark is compared with, in this process, on a new database in this folder; it says where it listens and
/// ends with the process.
///
/// # Errors
/// Whatever ends it.
pub async fn serve_bare(folder: PathBuf, ready: impl FnOnce(SocketAddr) + Send + 'static) -> Result<(), BenchError> {
    bare::serve(folder, ready).await
}
