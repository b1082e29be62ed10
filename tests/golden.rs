//! The frozen bytes of every message, checked in the native build and, by `make golden`, in WebAssembly. A difference means
//! that devices and servers of two builds no longer understand each other: never edit a vector, add a schema version.

use std::collections::{BTreeMap, BTreeSet};
use tidemark::model::catalog::Kind;
use tidemark::model::id::{DeviceId, IntentId, MemberId, OpId, RecordId, WorkspaceId};
use tidemark::model::record::{Field, Record};
use tidemark::model::scope::Scope;
use tidemark::model::value::{Name, Value};
use tidemark::sync::op::{Action, Change, Class, Code, Effect, Entry, Op, Outcome, Reason, Receipt};
use tidemark::sync::wire::{
    self, Frame, FromDevice, FromServer, Hello, Pull, Pulled, Push, Pushed, Refusal, ScopeState, SnapshotChunk,
    SnapshotWanted, Welcome,
};
use uuid::Uuid;

/// A fixed id that shows where it came from.
fn id(number: u128) -> Uuid {
    Uuid::from_u128(0x0193_4b1c_0000_7000_8000_0000_0000_0000 + number)
}

fn op(action: Action) -> Op {
    Op {
        id: OpId(id(1)),
        device: DeviceId(id(2)),
        incarnation: 3,
        counter: 4,
        intent: IntentId(id(5)),
        after: vec![OpId(id(6))],
        schema: 1,
        kind: Kind::Task,
        record: RecordId(id(7)),
        action,
        claimed_ms: 1_790_000_000_000,
        offset_ms: -250,
    }
}

fn tidemarks() -> BTreeMap<Scope, u64> {
    BTreeMap::from([
        (Scope::Workspace, 12),
        (Scope::Personal(MemberId(id(8))), 300),
        (Scope::Project(RecordId(id(9))), 70_000),
    ])
}

fn entry(effect: Effect) -> Entry {
    Entry {
        seq: 41,
        scope: Scope::Project(RecordId(id(9))),
        kind: Kind::Task,
        record: RecordId(id(7)),
        effect,
        by: Some(MemberId(id(8))),
        device: Some(DeviceId(id(2))),
        op: Some(OpId(id(1))),
        at_ms: 1_790_000_000_500,
    }
}

fn receipt() -> Receipt {
    Receipt {
        op: OpId(id(1)),
        outcome: Outcome::Rejected,
        class: Class::Rejected,
        seq: 41,
        reason: Some(Reason {
            code: Code::Invalid,
            field: Some(Name::new("title")),
            says: "Title is empty.".to_owned(),
        }),
        conflict: Some(RecordId(id(10))),
        at_ms: 1_790_000_000_500,
    }
}

fn scope_state() -> ScopeState {
    ScopeState { scope: Scope::Workspace, head: 40, checksum: u64::MAX - 1, count: 9 }
}

/// Every message with the name of its vector.
fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let fields = BTreeMap::from([
        (Name::new("title"), Value::from("Ström prüfen 🌊")),
        (Name::new("step"), Value::from(RecordId(id(11)))),
        (Name::new("estimate"), Value::Int(90)),
    ]);
    let changes = BTreeMap::from([
        (Name::new("estimate"), Change { base: 17, was: Value::Int(90), now: Value::Int(-1) }),
        (Name::new("due"), Change { base: 0, was: Value::Null, now: Value::from("2026-12-01") }),
        (Name::new("assignees"), Change { base: 2, was: Value::List(vec![]), now: Value::from(vec![MemberId(id(8))]) }),
    ]);
    let checklist = Value::List(vec![Value::Map(BTreeMap::from([
        ("id".to_owned(), Value::from("a")),
        ("done".to_owned(), Value::Bool(true)),
        ("text".to_owned(), Value::from("x")),
    ]))]);
    let record = Record {
        kind: Kind::Task,
        id: RecordId(id(7)),
        scope: Scope::Project(RecordId(id(9))),
        fields: BTreeMap::from([(Name::new("checklist"), Field { value: checklist, version: 40 })]),
        seq: 41,
        deleted: false,
    };
    let hello = Hello {
        protocol: 1,
        schema: 1,
        device: DeviceId(id(2)),
        incarnation: 3,
        epoch: Some(1),
        tidemarks: tidemarks(),
    };
    let welcome = Welcome {
        protocol: 1,
        schema: 1,
        workspace: WorkspaceId(id(12)),
        member: MemberId(id(8)),
        epoch: 1,
        head: 41,
        horizon: 0,
        now_ms: 1_790_000_000_000,
        scopes: vec![scope_state()],
        assigned: BTreeSet::new(),
    };
    let to_a_new_device = Welcome { assigned: BTreeSet::from([scope_state().scope]), ..welcome.clone() };
    let frame = Frame {
        scope: Scope::Project(RecordId(id(9))),
        from: 40,
        to: 41,
        entries: vec![entry(Effect::Put(fields.clone())), entry(Effect::Delete)],
    };
    let frozen = wire::encode(&op(Action::Restore)).expect("a small op encodes");
    let encoded = |message: Result<Vec<u8>, wire::WireError>| message.expect("a small message encodes");
    vec![
        ("op_create", encoded(wire::encode(&op(Action::Create { fields })))),
        ("op_set", encoded(wire::encode(&op(Action::Set { changes })))),
        ("op_delete", encoded(wire::encode(&op(Action::Delete { seen: 41 })))),
        ("op_restore", frozen.clone()),
        ("op_command", encoded(wire::encode(&op(Action::Command { name: Name::new("close"), seen: None })))),
        ("op_command_seen", encoded(wire::encode(&op(Action::Command { name: Name::new("close"), seen: Some(41) })))),
        ("record", encoded(wire::encode(&record))),
        ("hello", encoded(wire::encode(&FromDevice::Hello(hello)))),
        ("push", encoded(wire::encode(&FromDevice::Push(Push { batch: 3, ops: vec![frozen.into()] })))),
        ("pull", encoded(wire::encode(&FromDevice::Pull(Pull { tidemarks: tidemarks() })))),
        ("follow", encoded(wire::encode(&FromDevice::Follow(Pull { tidemarks: tidemarks() })))),
        ("device_beat", encoded(wire::encode(&FromDevice::Beat))),
        ("welcome", encoded(wire::encode(&FromServer::Welcome(welcome)))),
        ("welcome_new_device", encoded(wire::encode(&FromServer::Welcome(to_a_new_device)))),
        ("frame", encoded(wire::encode(&FromServer::Frame(frame.clone())))),
        (
            "pushed",
            encoded(wire::encode(&FromServer::Pushed(Pushed { batch: 3, epoch: 1, receipts: vec![receipt()] }))),
        ),
        (
            "pulled",
            encoded(wire::encode(&FromServer::Pulled(Pulled {
                epoch: 1,
                head: 41,
                frames: vec![frame],
                gone: vec![Scope::Workspace],
                more: true,
            }))),
        ),
        ("server_beat", encoded(wire::encode(&FromServer::Beat { head: 41, now_ms: 5, scopes: vec![scope_state()] }))),
        ("scope_join", encoded(wire::encode(&FromServer::ScopeJoin(Scope::Workspace)))),
        ("scope_leave", encoded(wire::encode(&FromServer::ScopeLeave(Scope::Workspace)))),
        (
            "refused",
            encoded(wire::encode(&FromServer::Refused {
                refusal: Refusal::SignedOut,
                says: "Sign in again.".to_owned(),
            })),
        ),
        (
            "snapshot_wanted",
            encoded(wire::encode(&SnapshotWanted {
                scope: Scope::Workspace,
                at: Some(4),
                after: Some((2, RecordId(id(7)))),
            })),
        ),
        (
            "snapshot_chunk",
            encoded(wire::encode(&SnapshotChunk {
                epoch: 1,
                schema: 1,
                scope: Scope::Workspace,
                at: 4,
                records: vec![record],
                next: None,
                count: 1,
            })),
        ),
    ]
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn every_message_has_its_golden_bytes() {
    let golden: BTreeMap<&str, &str> =
        include_str!("golden/messages.txt").lines().filter_map(|line| line.split_once(' ')).collect();
    let mut differing = Vec::new();
    for (name, bytes) in messages() {
        if golden.get(name).copied() != Some(hex(&bytes).as_str()) {
            differing.push(format!("{name} {}", hex(&bytes)));
        }
    }
    assert!(differing.is_empty(), "these differ from tests/golden/messages.txt:\n{}", differing.join("\n"));
    assert_eq!(golden.len(), messages().len(), "a vector without a message");
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn a_message_reads_back_as_it_was() {
    for (name, bytes) in messages() {
        let again = match name {
            "record" => wire::decode::<Record>(&bytes).and_then(|message| wire::encode(&message)),
            "snapshot_wanted" => wire::decode::<SnapshotWanted>(&bytes).and_then(|message| wire::encode(&message)),
            "snapshot_chunk" => wire::decode::<SnapshotChunk>(&bytes).and_then(|message| wire::encode(&message)),
            op if op.starts_with("op_") => wire::decode_op(&bytes).and_then(|message| wire::encode(&message)),
            _ => wire::decode::<FromDevice>(&bytes)
                .and_then(|message| wire::encode(&message))
                .or_else(|_| wire::decode::<FromServer>(&bytes).and_then(|message| wire::encode(&message))),
        };
        let again = again.unwrap_or_else(|error| panic!("{name} does not read back: {error}"));
        assert_eq!(hex(&again), hex(&bytes), "{name}");
    }
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn broken_bytes_are_refused_in_words_and_never_panic() {
    for (name, bytes) in messages() {
        for cut in 0..bytes.len() {
            // Whatever a prefix reads as, reading it must not panic; a whole message is never shorter than itself.
            let short = wire::decode::<FromServer>(&bytes[..cut]);
            assert!(short.is_err() || name != "frame", "{name} cut at {cut} still reads");
        }
        // Whatever follows a message, also what begins something longer.
        for extra in (0..=u8::MAX).filter(|_| name.starts_with("op_")) {
            let longer = [bytes.as_slice(), &[extra]].concat();
            assert!(wire::decode_op(&longer).is_err(), "{name} still reads with {extra:#x} behind it");
        }
    }
    assert!(wire::decode::<FromServer>(&vec![0x91; 4_000]).is_err(), "nesting without end");
    assert!(wire::decode_op(&vec![0; wire::OP_BYTES_MAX + 1]).is_err(), "an op over the limit");
}

#[cfg_attr(target_arch = "wasm32", wasm_bindgen_test::wasm_bindgen_test)]
#[cfg_attr(not(target_arch = "wasm32"), test)]
fn what_follows_a_chunk_is_told_by_its_cover() {
    let found = messages().into_iter().find(|(name, _)| *name == "snapshot_chunk").map(|(_, bytes)| bytes);
    let last: SnapshotChunk = wire::decode(&found.expect("a chunk")).expect("reads");
    let amid = SnapshotChunk { next: Some((2, RecordId(id(7)))), ..last.clone() };
    let follows = |chunk: &SnapshotChunk| wire::next_chunk(&wire::encode(chunk).expect("encodes"));
    let wanted = SnapshotWanted { scope: Scope::Workspace, at: Some(4), after: Some((2, RecordId(id(7)))) };
    assert_eq!(follows(&amid), Some(wanted));
    assert_eq!(follows(&last), None);
    assert_eq!(wire::next_chunk(b"what a proxy says"), None);
}
