//! Which stored forms a build writes and reads. The server understands the current schema and the two before it, so a device
//! that slept through two updates still hands over everything in its outbox; a device that meets a newer schema stands still
//! until it is updated. `SCHEMA` rises whenever something is stored that an older build cannot read, or would misread.

use crate::sync::op::{Code, Op, Reason, SCHEMA};
use crate::sync::wire::{WireError, decode, decode_op};
use serde::Deserialize;

/// Rewrites an op of one schema into the next one.
pub type Upcaster = fn(Op) -> Op;

/// One upcaster for each schema from `SCHEMA_OLDEST` to the one before `SCHEMA`, in order. A change of a stored form adds
/// its upcaster here, a golden vector of the old form, and raises `SCHEMA`.
const UPCASTERS: &[Upcaster] = &[];

/// What one build speaks. Everybody runs `CURRENT`; the simulator also runs builds that are older and newer than that.
#[derive(Debug, Clone, Copy)]
pub struct Schema {
    /// The version it writes.
    pub version: u16,
    /// From the oldest version it reads on.
    upcasters: &'static [Upcaster],
}

impl Schema {
    /// What this build speaks.
    pub const CURRENT: Self = Self::new(SCHEMA, UPCASTERS);

    /// A build that writes this version and reads as many before it as there are upcasters.
    pub const fn new(version: u16, upcasters: &'static [Upcaster]) -> Self {
        Self { version, upcasters }
    }

    /// The oldest version it reads.
    pub const fn oldest(&self) -> u16 {
        self.version - self.upcasters.len() as u16
    }

    /// Why an op of that version cannot be read, in words for its author; `None` if it can.
    pub fn refuses(&self, version: u16) -> Option<Reason> {
        let says = if version < self.oldest() {
            "This edit was made by a version of Tidemark that this server no longer understands. It is kept on your \
             device: export it, update, and enter it again."
        } else if version > self.version {
            "This edit was made by a newer version of Tidemark than this server runs. It is kept on your device: ask for \
             the server to be updated, then retry."
        } else {
            return None;
        };
        Some(Reason { code: Code::Schema, field: None, says: says.to_owned() })
    }

    /// The op as this build writes it.
    ///
    /// # Errors
    /// `Code::Schema`, as `refuses` says it. The op itself stays on its author's device.
    pub fn upcast(&self, op: Op) -> Result<Op, Reason> {
        match self.refuses(op.schema) {
            Some(reason) => Err(reason),
            None => Ok(self.upcast_known(op)),
        }
    }

    /// Reads a frozen op of a device's own store: as this build writes it, or as it came where that cannot be told.
    ///
    /// # Errors
    /// As `decode_op`.
    pub fn read_op(&self, bytes: &[u8]) -> Result<Op, WireError> {
        let op = decode_op(bytes)?;
        Ok(if self.refuses(op.schema).is_some() { op } else { self.upcast_known(op) })
    }

    /// Whether these bytes are an op that a newer build froze, in another tab of the same device.
    pub fn is_newer(&self, bytes: &[u8]) -> bool {
        /// What every build can tell of an op.
        #[derive(Deserialize)]
        struct Outline {
            #[serde(rename = "v")]
            schema: u16,
        }
        decode::<Outline>(bytes).is_ok_and(|outline| outline.schema > self.version)
    }

    fn upcast_known(&self, op: Op) -> Op {
        let steps = self.upcasters.iter().skip(usize::from(op.schema - self.oldest()));
        Op { schema: self.version, ..steps.fold(op, |op, upcaster| upcaster(op)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::catalog::Kind;
    use crate::model::id::{DeviceId, IntentId, OpId, RecordId};
    use crate::sync::op::{Action, SCHEMA_OLDEST};
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
        let table: &'static [Upcaster] =
            &[|op| Op { counter: op.counter * 10, ..op }, |op| Op { counter: op.counter + 1, ..op }];
        for (schema, counter) in [(4, 11), (5, 2), (6, 1)] {
            let upcast = Schema::new(6, table).upcast(op(schema)).expect("a supported schema");
            assert_eq!((upcast.schema, upcast.counter), (6, counter), "from schema {schema}");
        }
    }

    #[test]
    fn an_op_out_of_reach_is_refused_in_words_and_stays_with_its_author() {
        let build = Schema::new(6, &[|op| op, |op| op]);
        for (schema, word) in [(3, "no longer"), (7, "newer"), (0, "no longer"), (u16::MAX, "newer")] {
            let refused = build.upcast(op(schema)).expect_err("out of reach");
            let frozen = crate::sync::wire::encode(&op(schema)).expect("a small op encodes");
            assert_eq!(build.read_op(&frozen).expect("readable"), op(schema), "on its device it is what it was");
            assert_eq!(refused.code, Code::Schema);
            assert!(refused.says.contains(word) && refused.says.contains("kept on your device"), "{}", refused.says);
        }
    }
}
