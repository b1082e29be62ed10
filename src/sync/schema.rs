//! How ops written by older builds are brought up to the form this build works with. The server understands the current
//! schema and the two before it, so a device that slept through two updates still hands over everything in its outbox.

use crate::sync::op::{Code, Op, Reason, SCHEMA_OLDEST};

/// Rewrites an op of one schema into the next one.
pub type Upcaster = fn(Op) -> Op;

/// One upcaster for each schema from `SCHEMA_OLDEST` to the one before `SCHEMA`, in order. A change of a stored form adds
/// its upcaster here, a golden vector of the old form, and raises `SCHEMA`.
const UPCASTERS: &[Upcaster] = &[];

/// The op in the current schema.
///
/// # Errors
/// `Code::Schema` for an op older than `SCHEMA_OLDEST` or newer than `SCHEMA`, in words for its author. The op itself stays
/// on their device.
pub fn upcast(op: Op) -> Result<Op, Reason> {
    upcast_through(op, SCHEMA_OLDEST, UPCASTERS)
}

fn upcast_through(op: Op, oldest: u16, upcasters: &[Upcaster]) -> Result<Op, Reason> {
    let steps_done = op.schema.checked_sub(oldest).map(usize::from);
    let Some(steps_left) = steps_done.and_then(|done| upcasters.get(done..)) else {
        let says = if steps_done.is_none() {
            "This edit was made by a version of Tidemark that this server no longer understands. It is kept on your \
             device: export it, update, and enter it again."
        } else {
            "This edit was made by a newer version of Tidemark than this server runs. It is kept on your device: ask for \
             the server to be updated, then retry."
        };
        return Err(Reason { code: Code::Schema, field: None, says: says.to_owned() });
    };
    let newest = op.schema + steps_left.len() as u16;
    let upcast = steps_left.iter().fold(op, |op, upcaster| upcaster(op));
    Ok(Op { schema: newest, ..upcast })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::Kind;
    use crate::model::id::{DeviceId, IntentId, OpId, RecordId};
    use crate::sync::op::{Action, SCHEMA};
    use uuid::Uuid;

    fn op(schema: u16) -> Op {
        Op {
            id: OpId(Uuid::nil()),
            device: DeviceId(Uuid::nil()),
            incarnation: 1,
            counter: 1,
            intent: IntentId(Uuid::nil()),
            after: Vec::new(),
            schema,
            kind: Kind::Task,
            record: RecordId(Uuid::nil()),
            action: Action::Restore,
            claimed_ms: 0,
            offset_ms: 0,
        }
    }

    #[test]
    fn every_supported_schema_has_its_upcaster() {
        assert_eq!(UPCASTERS.len(), usize::from(SCHEMA - SCHEMA_OLDEST));
        const { assert!(SCHEMA < SCHEMA_OLDEST + 3, "three schema versions are served") };
    }

    #[test]
    fn an_op_passes_each_upcaster_from_its_own_schema_on() {
        let table: &[Upcaster] =
            &[|op| Op { counter: op.counter * 10, ..op }, |op| Op { counter: op.counter + 1, ..op }];
        for (schema, counter) in [(4, 11), (5, 2), (6, 1)] {
            let upcast = upcast_through(op(schema), 4, table).expect("a supported schema");
            assert_eq!((upcast.schema, upcast.counter), (6, counter), "from schema {schema}");
        }
    }

    #[test]
    fn an_op_out_of_reach_is_refused_in_words_and_stays_with_its_author() {
        for (schema, word) in [(3, "no longer"), (7, "newer"), (0, "no longer"), (u16::MAX, "newer")] {
            let refused = upcast_through(op(schema), 4, &[|op| op, |op| op]).expect_err("out of reach");
            assert_eq!(refused.code, Code::Schema);
            assert!(refused.says.contains(word) && refused.says.contains("kept on your device"), "{}", refused.says);
        }
    }
}
