//! A value a field can hold, and the name of a field. Self-describing, exact (no floats), ordered, so
//! that the same value always encodes to the same bytes.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use std::borrow::{Borrow, Cow};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use uuid::Uuid;

/// How deep lists and maps may nest inside one value: a checklist is a list of maps, and nothing needs more than
/// twice that. Deeper input is refused while it is decoded.
pub const VALUE_DEPTH_MAX: usize = 6;
/// How deep a value may nest that a person enters, or says to have seen: a conflict record shows it inside a list of maps, and
/// what cannot be decoded again would be unreadable for everybody.
pub const ENTERED_DEPTH_MAX: usize = VALUE_DEPTH_MAX - 2;

/// What a field holds. Ids inside values are text in canonical form; the wire packs them to 16 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Value {
    /// Nothing was ever entered, or it was cleared. Never stored: an absent field reads as this.
    #[default]
    Null,
    /// Yes or no.
    Bool(bool),
    /// A whole number. Amounts are in the smallest unit, durations in minutes, instants in Unix milliseconds.
    Int(i64),
    /// Text, a choice's name, a calendar date (`2026-05-31`), a rank or an id. Shared, because every edit copies its record
    /// and changes one field of it.
    Text(Arc<str>),
    /// Entries in order; sets are kept sorted and without repeats.
    List(Vec<Value>),
    /// Named parts of one entry.
    Map(BTreeMap<String, Value>),
}

impl Value {
    /// Whether nothing is held.
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }
    /// How deep lists and maps nest in it; 0 for anything else.
    pub fn depth(&self) -> usize {
        match self {
            Self::List(entries) => 1 + entries.iter().map(Self::depth).max().unwrap_or(0),
            Self::Map(parts) => 1 + parts.values().map(Self::depth).max().unwrap_or(0),
            Self::Null | Self::Bool(_) | Self::Int(_) | Self::Text(_) => 0,
        }
    }
    /// The text held, or `None` for any other sort of value.
    pub fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
    /// The number held, or `None` for any other sort of value.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }
    /// The yes or no held, or `None` for any other sort of value.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(yes) = self { Some(*yes) } else { None }
    }
    /// The entries held; empty for any other sort of value.
    pub fn as_list(&self) -> &[Value] {
        if let Self::List(entries) = self { entries } else { &[] }
    }
    /// The named parts held, or `None` for any other sort of value.
    pub fn as_map(&self) -> Option<&BTreeMap<String, Value>> {
        if let Self::Map(parts) = self { Some(parts) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}
impl From<bool> for Value {
    fn from(yes: bool) -> Self {
        Self::Bool(yes)
    }
}
impl From<crate::model::id::RecordId> for Value {
    fn from(id: crate::model::id::RecordId) -> Self {
        id_text(id.0)
    }
}
impl From<crate::model::id::MemberId> for Value {
    fn from(id: crate::model::id::MemberId) -> Self {
        id_text(id.0)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(maybe: Option<T>) -> Self {
        maybe.map_or(Self::Null, Into::into)
    }
}
impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(entries: Vec<T>) -> Self {
        Self::List(entries.into_iter().map(Into::into).collect())
    }
}

/// An id as a value: its canonical text.
fn id_text(id: Uuid) -> Value {
    let mut buffer = Uuid::encode_buffer();
    let text: &str = id.hyphenated().encode_lower(&mut buffer);
    Value::from(text)
}

/// The 16 bytes behind text that is a UUID in canonical form, so that packing and unpacking give the same text.
fn packed(text: &str) -> Option<Uuid> {
    if text.len() != 36 {
        return None;
    }
    let id = Uuid::try_parse(text).ok()?;
    let mut buffer = Uuid::encode_buffer();
    (id.hyphenated().encode_lower(&mut buffer) == text).then_some(id)
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(yes) => serializer.serialize_bool(*yes),
            Self::Int(number) => serializer.serialize_i64(*number),
            Self::Text(text) if serializer.is_human_readable() => serializer.serialize_str(text),
            Self::Text(text) => match packed(text) {
                Some(id) => serializer.serialize_bytes(id.as_bytes()),
                None => serializer.serialize_str(text),
            },
            Self::List(entries) => {
                let mut seq = serializer.serialize_seq(Some(entries.len()))?;
                for entry in entries {
                    seq.serialize_element(entry)?;
                }
                seq.end()
            }
            Self::Map(parts) => {
                let mut map = serializer.serialize_map(Some(parts.len()))?;
                for (name, part) in parts {
                    map.serialize_entry(name, part)?;
                }
                map.end()
            }
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue { depth: 0 })
    }
}

/// Decodes one value, counting how deep it is.
#[derive(Clone, Copy)]
struct AnyValue {
    depth: usize,
}

impl AnyValue {
    fn deeper<E: de::Error>(self) -> Result<Self, E> {
        if self.depth >= VALUE_DEPTH_MAX {
            return Err(E::custom("a value nests too deep"));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> de::DeserializeSeed<'de> for AnyValue {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value: nothing, yes or no, a whole number, text, a list or a map")
    }
    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E>(self, yes: bool) -> Result<Value, E> {
        Ok(Value::Bool(yes))
    }
    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        i64::try_from(number).map(Value::Int).map_err(|_| E::custom("a number is too large"))
    }
    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }
    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }
    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        let id = Uuid::from_slice(bytes).map_err(|_| E::custom("bytes that are not an id"))?;
        Ok(id_text(id))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut entries = Vec::new();
        while let Some(entry) = seq.next_element_seed(inner)? {
            entries.push(entry);
        }
        Ok(Value::List(entries))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut parts = BTreeMap::new();
        while let Some(name) = map.next_key::<String>()? {
            if parts.insert(name, map.next_value_seed(inner)?).is_some() {
                return Err(de::Error::custom("a name stands twice in one map"));
            }
        }
        Ok(Value::Map(parts))
    }
}

/// The name of a field. Names in the catalog cost no memory; a name from a newer version of Tidemark is kept as it came,
/// so that its field survives a round trip.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(Cow<'static, str>);

impl Name {
    /// A name that stands in the program's text.
    pub const fn new(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
impl From<&'static str> for Name {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}
impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}
impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AnyName;
        impl Visitor<'_> for AnyName {
            type Value = Name;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a field")
            }
            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(crate::model::catalog::known_name(name).map_or_else(|| Name(Cow::Owned(name.to_owned())), Name::new))
            }
        }
        deserializer.deserialize_str(AnyName)
    }
}
