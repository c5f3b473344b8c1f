//! Views: what an operator wants counted besides the roll-ups, as the configuration declares it. A view takes the facts
//! that its filter lets through, groups them by its key, and reduces each group's values to one.

use std::{collections::BTreeMap, str::FromStr};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::{Fact, Kind, Period, What};
use crate::{
    identity::{Digest, GameId, ViewName},
    limits::VIEW_KEY_FIELDS_MAX,
};

/// A view's definition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct View {
    /// Its name.
    pub name: ViewName,
    /// Which facts count; all without one.
    #[serde(default)]
    pub filter: Filter,
    /// What they are grouped by.
    #[serde(default)]
    pub key: Vec<Field>,
    /// What is reduced; a count needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Field>,
    /// What becomes of the values of a group.
    pub reduce: Reduce,
}

/// Which facts count: those for which everything holds that is said here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Filter {
    /// Of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// Of this game.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub game: Option<GameId>,
    /// An event of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// An event whose properties are like this, each under its path: `level` or `boss.name`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub props: BTreeMap<String, Condition>,
}

/// What a property must be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Condition {
    /// A number within bounds.
    Within(Bounds),
    /// Exactly this.
    Is(Value),
}

/// Bounds of a number, both included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bounds {
    /// No less.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<f64>,
    /// No more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
}

/// What becomes of the values of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// How many facts there are.
    Count,
    /// The sum of values that are whole numbers; facts with others do not count.
    Sum,
    /// Count, sum, least, greatest, and the sum of squares of such values.
    Stats,
    /// How many different values there are.
    Distinct,
}

/// Something about a fact: `source`, `kind`, `player`, `game`, `release`, `session`, `currency`, `staked`, `paid`,
/// `calls`, `amount`, `reason`, `event`, `hour`, `day`, or `props.<path>` of an event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Field(Of);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    Fact(&'static str),
    Props(Vec<String>),
}

/// Every field but those of properties.
const FIELDS: [&str; 15] = [
    "source", "kind", "player", "game", "release", "session", "currency", "staked", "paid", "calls", "amount",
    "reason", "event", "hour", "day",
];

/// A definition that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidView {
    /// No such field.
    #[error("there is no field '{0}': there are {fields} and props.<path>", fields = FIELDS.join(", "))]
    Field(String),
    /// Reducing values needs one.
    #[error("view {0}: sum, stats and distinct need a value, and count takes none")]
    Value(ViewName),
    /// Too many.
    #[error("view {0}: a key has at most {VIEW_KEY_FIELDS_MAX} fields")]
    Key(ViewName),
}

impl FromStr for Field {
    type Err = InvalidView;
    fn from_str(text: &str) -> Result<Self, InvalidView> {
        if let Some(field) = FIELDS.into_iter().find(|field| *field == text) {
            return Ok(Self(Of::Fact(field)));
        }
        let path: Vec<_> = text.split('.').map(str::to_owned).collect();
        match path.split_first() {
            Some((props, path)) if props == "props" && !path.is_empty() => Ok(Self(Of::Props(path.to_vec()))),
            _ => Err(InvalidView::Field(text.chars().take(80).collect())),
        }
    }
}

impl TryFrom<String> for Field {
    type Error = InvalidView;
    fn try_from(text: String) -> Result<Self, InvalidView> {
        text.parse()
    }
}

impl From<Field> for String {
    fn from(field: Field) -> Self {
        match field.0 {
            Of::Fact(name) => name.to_owned(),
            Of::Props(path) => format!("props.{}", path.join(".")),
        }
    }
}

/// What a fact adds to a view.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The key of its group, each field as JSON text; `null` where the fact has none.
    pub key: Vec<String>,
    /// Its value.
    pub value: EntryValue,
}

/// What is reduced of a fact.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntryValue {
    /// That it is there.
    One,
    /// A whole number.
    Number(i64),
    /// JSON text, which counts at its first appearance in the group.
    Member(String),
}

/// What a group was reduced to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduced {
    /// How many facts there are.
    Count(u64),
    /// Their sum.
    Sum(i128),
    /// See [`Reduce::Stats`].
    Stats {
        /// How many there are.
        count: u64,
        /// Their sum.
        sum: i128,
        /// The least.
        min: i64,
        /// The greatest.
        max: i64,
        /// The sum of their squares.
        squares: u128,
    },
    /// How many different ones there are.
    Distinct(u64),
}

impl View {
    /// # Errors
    /// [`InvalidView`].
    pub fn check(&self) -> Result<(), InvalidView> {
        if self.value.is_some() == (self.reduce == Reduce::Count) {
            return Err(InvalidView::Value(self.name.clone()));
        }
        if self.key.len() > VIEW_KEY_FIELDS_MAX {
            return Err(InvalidView::Key(self.name.clone()));
        }
        Ok(())
    }

    /// The digest of what is counted and how: where it changes, everything is counted anew.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Goes up when the same definition comes to mean something else.
        const RULES: &str = "view/1";
        let definition = serde_json::to_string(self).unwrap_or_default();
        Digest::of(format!("{RULES} {definition}").as_bytes())
    }

    /// What the fact adds; `None` where it does not count.
    #[must_use]
    pub fn entry(&self, fact: &Fact) -> Option<Entry> {
        let facing = Facing::new(fact);
        if !self.filter.takes(&facing) {
            return None;
        }
        let value = match (self.reduce, &self.value) {
            (Reduce::Count, _) => EntryValue::One,
            (Reduce::Distinct, Some(field)) => EntryValue::Member(facing.value(field)?.to_string()),
            (_, Some(field)) => EntryValue::Number(facing.value(field)?.as_i64()?),
            (_, None) => return None,
        };
        let key = self.key.iter().map(|field| facing.value(field).unwrap_or(Value::Null).to_string());
        Some(Entry { key: key.collect(), value })
    }
}

/// A fact while a view looks at it.
struct Facing<'a> {
    fact: &'a Fact,
    props: Option<Value>,
}

impl<'a> Facing<'a> {
    fn new(fact: &'a Fact) -> Self {
        let props = match &fact.what {
            What::Event { props, .. } => serde_json::from_str(props.as_str()).ok(),
            _ => None,
        };
        Self { fact, props }
    }

    fn prop(&self, path: &[impl AsRef<str>]) -> Option<&Value> {
        path.iter().try_fold(self.props.as_ref()?, |value, name| value.get(name.as_ref()))
    }

    fn value(&self, field: &Field) -> Option<Value> {
        match &field.0 {
            Of::Props(path) => self.prop(path).cloned(),
            Of::Fact(name) => self.of_fact(name),
        }
    }

    fn of_fact(&self, name: &str) -> Option<Value> {
        let Fact { id, at_ms, what } = self.fact;
        let text = |text: &str| Some(Value::from(text));
        match (name, what) {
            ("source", _) => text(id.source.as_str()),
            ("player", _) => text(id.aggregate.name()),
            ("kind", _) => serde_json::to_value(what.kind()).ok(),
            ("hour", _) => text(date(Period::Hour.start_of(*at_ms))?.get(..13)?),
            ("day", _) => text(date(Period::Day.start_of(*at_ms))?.get(..10)?),
            ("game", _) => text(what.play()?.game.as_str()),
            ("release", _) => text(&what.play()?.release.to_string()),
            ("session", What::SessionOpened { session, .. } | What::SessionClosed { session }) => {
                text(session.as_str())
            }
            ("session", _) => text(what.play()?.session.as_str()),
            (
                "currency",
                What::RoundClosed { currency, .. }
                | What::SessionOpened { currency, .. }
                | What::Deposit { currency, .. }
                | What::Withdrawal { currency, .. },
            ) => text(currency.as_str()),
            ("amount", What::Deposit { amount, .. } | What::Withdrawal { amount, .. }) => Some(amount.get().into()),
            ("staked", What::RoundClosed { staked, .. }) => Some(staked.get().into()),
            ("paid", What::RoundClosed { paid, .. }) => Some(paid.get().into()),
            ("calls", What::RoundClosed { calls, .. }) => Some((*calls).into()),
            ("reason", What::StepVoid { reason, .. }) => text(reason),
            ("event", What::Event { name, .. }) => text(name),
            _ => None,
        }
    }
}

/// `2026-01-31T23:00:00Z`
fn date(at_ms: u64) -> Option<String> {
    Some(jiff::Timestamp::from_millisecond(i64::try_from(at_ms).ok()?).ok()?.to_string())
}

impl Filter {
    fn takes(&self, facing: &Facing<'_>) -> bool {
        let what = &facing.fact.what;
        let event = |wanted: &String| matches!(what, What::Event { name, .. } if name == wanted);
        let game = |wanted: &GameId| what.play().is_some_and(|play| play.game == *wanted);
        let prop = |(path, condition): (&String, &Condition)| {
            let path: Vec<_> = path.split('.').collect();
            facing.prop(&path).is_some_and(|value| condition.holds(value))
        };
        self.kind.is_none_or(|kind| what.kind() == kind)
            && self.game.as_ref().is_none_or(game)
            && self.event.as_ref().is_none_or(event)
            && self.props.iter().all(prop)
    }
}

impl Condition {
    fn holds(&self, value: &Value) -> bool {
        match self {
            Self::Is(wanted) => value == wanted,
            Self::Within(bounds) => value.as_f64().is_some_and(|number| {
                bounds.min.is_none_or(|min| number >= min) && bounds.max.is_none_or(|max| number <= max)
            }),
        }
    }
}

impl Reduced {
    /// What nothing is reduced to.
    #[must_use]
    pub fn nothing(reduce: Reduce) -> Self {
        match reduce {
            Reduce::Count => Self::Count(0),
            Reduce::Sum => Self::Sum(0),
            Reduce::Stats => Self::Stats { count: 0, sum: 0, min: i64::MAX, max: i64::MIN, squares: 0 },
            Reduce::Distinct => Self::Distinct(0),
        }
    }

    /// Adds a fact's value; a member where it is new to its group.
    pub fn add(&mut self, value: &EntryValue) {
        match (self, value) {
            (Self::Count(count) | Self::Distinct(count), _) => *count += 1,
            (Self::Sum(sum), EntryValue::Number(number)) => *sum += i128::from(*number),
            (Self::Stats { count, sum, min, max, squares }, EntryValue::Number(number)) => {
                *count += 1;
                *sum += i128::from(*number);
                *min = (*min).min(*number);
                *max = (*max).max(*number);
                *squares = squares.saturating_add(u128::from(number.unsigned_abs()).pow(2));
            }
            _ => debug_assert!(false, "a view's values are all of one kind"),
        }
    }
}
