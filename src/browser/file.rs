//! The file of exported edits: the frozen bytes, which another device can take in again, and beside each what it says, so
//! that a person can read their words even where nothing else can.

use crate::model::id::{MemberId, WorkspaceId};
use crate::sync::wire;
use js_sys::{Array, JsString};
use leptos::prelude::{document, window};
use serde::{Deserialize, Serialize};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, BlobPropertyBag, HtmlAnchorElement, Url};

/// The version of the file's form.
const FORM: u32 = 1;
/// The largest file taken in: a long offline life of large texts.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// A file of edits.
#[derive(Debug, Serialize, Deserialize)]
struct Exported {
    tidemark_outbox: u32,
    workspace: WorkspaceId,
    member: MemberId,
    ops: Vec<ExportedOp>,
}

/// One frozen op.
#[derive(Debug, Serialize, Deserialize)]
struct ExportedOp {
    /// Hexadecimal.
    bytes: String,
    #[serde(default, skip_deserializing)]
    says: serde_json::Value,
}

/// Why a file was not taken in, in words for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotTaken {
    /// Not a file of ours, or damaged.
    #[error("This is not a file of exported Tidemark edits, or it is damaged. Nothing was changed.")]
    Unreadable,
    /// Somebody else's, or of another workspace.
    #[error("These edits were made by somebody else, or in another workspace. Sign in there as them to import it.")]
    Stranger,
}

/// The text of a file with these ops.
pub fn write<'a>(workspace: WorkspaceId, member: MemberId, ops: impl IntoIterator<Item = &'a [u8]>) -> String {
    let ops = ops
        .into_iter()
        .map(|bytes| ExportedOp {
            bytes: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            says: wire::decode_op(bytes).ok().and_then(|op| serde_json::to_value(op).ok()).unwrap_or_default(),
        })
        .collect();
    let exported = Exported { tidemark_outbox: FORM, workspace, member, ops };
    // Text and numbers only: it can be written.
    serde_json::to_string_pretty(&exported).unwrap_or_default()
}

/// The frozen ops in the text of a file.
///
/// # Errors
/// Why the file is not taken.
pub fn read(workspace: WorkspaceId, member: MemberId, text: &str) -> Result<Vec<Vec<u8>>, NotTaken> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(NotTaken::Unreadable);
    }
    let exported: Exported = serde_json::from_str(text).map_err(|_| NotTaken::Unreadable)?;
    if exported.tidemark_outbox != FORM {
        return Err(NotTaken::Unreadable);
    }
    if (exported.workspace, exported.member) != (workspace, member) {
        return Err(NotTaken::Stranger);
    }
    exported.ops.iter().map(|op| unhex(&op.bytes)).collect::<Option<_>>().ok_or(NotTaken::Unreadable)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

/// Offers the text as a file to save.
///
/// # Errors
/// What the browser said.
pub fn offer(name: &str, text: &str) -> Result<(), JsValue> {
    let parts = Array::of1(&JsString::from(text));
    let sort = BlobPropertyBag::new();
    sort.set_type("application/json");
    let url = Url::create_object_url_with_blob(&Blob::new_with_str_sequence_and_options(&parts, &sort)?)?;
    let link: HtmlAnchorElement = document().create_element("a")?.unchecked_into();
    link.set_href(&url);
    link.set_download(name);
    link.click();
    // Not at once: the browser reads it after the click.
    let text = url.clone();
    leptos::prelude::set_timeout(move || drop(Url::revoke_object_url(&text)), KEPT_FOR);
    window().focus()
}

/// How long the text stays in memory after the file was offered: the person may take their time choosing a folder.
const KEPT_FOR: std::time::Duration = std::time::Duration::from_secs(60);
