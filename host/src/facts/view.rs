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
    limits::{VIEW_ENTRY_BYTES_MAX, VIEW_KEY_FIELDS_MAX},
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
#[serde(untagged, try_from = "Value")]
pub enum Condition {
    /// A number within bounds.
    Within(Bounds),
    /// Exactly this text, number or truth.
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

/// Those that are whole numbers.
const NUMBERS: [&str; 4] = ["staked", "paid", "calls", "amount"];

/// A definition that makes no sense.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum InvalidView {
    /// No such field.
    #[error("there is no field '{0}': there are {fields} and props.<path>", fields = FIELDS.join(", "))]
    Field(String),
    /// Reducing values needs one.
    #[error("view {0}: sum, stats and distinct need a value, and count takes none")]
    Value(ViewName),
    /// A value that is never a number, where numbers are reduced.
    #[error("view {0}: sum and stats need a number: {numbers} or props.<path>", numbers = NUMBERS.join(", "))]
    NoNumber(ViewName),
    /// Too many.
    #[error("view {0}: a key has at most {VIEW_KEY_FIELDS_MAX} fields")]
    Key(ViewName),
    /// A filter that lets nothing through.
    #[error("view {0}: the filter lets nothing through: {1}")]
    Filter(ViewName, &'static str),
    /// A condition that nothing fulfils, or everything.
    #[error("view {0}: filter.props.\"{1}\" must be a text, a number, true, false, or a table of min, max or both")]
    Condition(ViewName, String),
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

impl Entry {
    fn bytes(&self) -> usize {
        let member = match &self.value {
            EntryValue::Member(member) => member.len(),
            EntryValue::One | EntryValue::Number(_) => 0,
        };
        self.key.iter().map(String::len).sum::<usize>() + member
    }
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
    /// About how many: they were too many for all to be kept.
    DistinctAbout(u64),
}

impl View {
    /// # Errors
    /// [`InvalidView`].
    pub fn check(&self) -> Result<(), InvalidView> {
        if self.value.is_some() == (self.reduce == Reduce::Count) {
            return Err(InvalidView::Value(self.name.clone()));
        }
        let is_number = |field: &Field| match &field.0 {
            Of::Fact(name) => NUMBERS.contains(name),
            Of::Props(_) => true,
        };
        let takes_numbers = matches!(self.reduce, Reduce::Sum | Reduce::Stats);
        if takes_numbers && !self.value.as_ref().is_some_and(is_number) {
            return Err(InvalidView::NoNumber(self.name.clone()));
        }
        if self.key.len() > VIEW_KEY_FIELDS_MAX {
            return Err(InvalidView::Key(self.name.clone()));
        }
        if let Some(reason) = self.filter.contradiction() {
            return Err(InvalidView::Filter(self.name.clone(), reason));
        }
        match self.filter.props.iter().find(|(_, condition)| !condition.is_sensible()) {
            Some((path, _)) => Err(InvalidView::Condition(self.name.clone(), path.clone())),
            None => Ok(()),
        }
    }

    /// The digest of what is counted and how: where it changes, everything is counted anew.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Goes up when the same definition comes to mean something else.
        const RULES: &str = "view/1";
        let definition = serde_json::to_string(self).expect("a definition is JSON: its maps have text for keys");
        Digest::of(format!("{RULES} {definition}").as_bytes())
    }

    /// What the fact adds; `None` where it does not count: the filter keeps it back, it has no such value, or its key
    /// and value together are longer than a database takes.
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
        let entry = Entry { key: key.collect(), value };
        (entry.bytes() <= VIEW_ENTRY_BYTES_MAX).then_some(entry)
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
    /// Why nothing can come through.
    fn contradiction(&self) -> Option<&'static str> {
        let of_events = self.event.is_some() || !self.props.is_empty();
        let of_games = matches!(self.kind, None | Some(Kind::RoundClosed | Kind::StepVoid | Kind::Event));
        if of_events && self.kind.is_some_and(|kind| kind != Kind::Event) {
            Some("only facts of kind event have event and props")
        } else if self.game.is_some() && !of_games {
            Some("only facts of kind round_closed, step_void and event have a game")
        } else {
            None
        }
    }

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

impl TryFrom<Value> for Condition {
    type Error = serde_json::Error;
    /// A table is bounds and nothing else, so that a misspelt one is refused.
    fn try_from(value: Value) -> Result<Self, Self::Error> {
        if value.is_object() { serde_json::from_value(value).map(Self::Within) } else { Ok(Self::Is(value)) }
    }
}

impl Condition {
    /// Whether it holds for some properties and not for others.
    fn is_sensible(&self) -> bool {
        match self {
            Self::Is(wanted) => wanted.is_string() || wanted.is_number() || wanted.is_boolean(),
            Self::Within(Bounds { min: None, max: None }) => false,
            Self::Within(Bounds { min, max }) => min.unwrap_or(f64::NEG_INFINITY) <= max.unwrap_or(f64::INFINITY),
        }
    }

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

    /// Adds what another group of the same view was reduced to. Different ones cannot be added up: they may be the same.
    pub fn add_all(&mut self, other: &Self) {
        match (self, other) {
            (Self::Count(count), Self::Count(other)) => *count += other,
            (Self::Sum(sum), Self::Sum(other)) => *sum += other,
            (
                Self::Stats { count, sum, min, max, squares },
                Self::Stats { count: counted, sum: summed, min: least, max: greatest, squares: squared },
            ) => {
                *count += counted;
                *sum += summed;
                *min = (*min).min(*least);
                *max = (*max).max(*greatest);
                *squares = squares.saturating_add(*squared);
            }
            _ => debug_assert!(false, "groups of one view are reduced alike, and different ones are not added up"),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::facts::{facts_of, samples};

    fn view(definition: Value) -> Result<View, String> {
        let view: View = serde_json::from_value(definition).map_err(|error| error.to_string())?;
        view.check().map_err(|error| error.to_string())?;
        Ok(view)
    }

    fn fact(act: Value) -> Fact {
        facts_of(&"main".parse().unwrap(), &samples::record(act).into()).remove(0)
    }

    fn event(props: Value) -> Fact {
        fact(samples::played(json!({ "effects": [{ "event": { "name": "won", "props": props } }] })))
    }

    /// What the fact adds to a view with some members of its own, key and value as JSON.
    fn check(fact: &Fact, members: Value, expected: Option<(Value, Value)>) {
        let mut definition = json!({ "name": "view", "reduce": "count" });
        let Value::Object(members) = members else { panic!("members are an object") };
        definition.as_object_mut().unwrap().extend(members.clone());
        let entry = view(definition).unwrap().entry(fact).map(|entry| {
            let key = entry.key.iter().map(|field| serde_json::from_str(field).unwrap()).collect();
            let value = match entry.value {
                EntryValue::One => Value::Null,
                EntryValue::Number(number) => number.into(),
                EntryValue::Member(member) => member.into(),
            };
            (Value::Array(key), value)
        });
        assert_eq!(entry, expected, "{members:?}");
    }

    #[test]
    fn a_fact_has_the_fields_of_its_kind() {
        let round = fact(samples::played(json!({ "round": samples::mark(false) })));
        check(
            &round,
            json!({ "key": ["source", "player", "kind", "game", "session", "currency", "hour", "day"] }),
            Some((
                json!([
                    "main",
                    "alice",
                    "round_closed",
                    "slots",
                    samples::SESSION,
                    "EUR",
                    "2001-09-09T01",
                    "2001-09-09",
                ]),
                Value::Null,
            )),
        );
        check(&round, json!({ "key": ["release"] }), Some((json!(["0".repeat(64)]), Value::Null)));
        check(&round, json!({ "key": ["calls", "amount", "reason", "event", "props.x"] }), {
            Some((json!([2, null, null, null, null]), Value::Null))
        });
        check(&round, json!({ "value": "paid", "reduce": "sum" }), Some((json!([]), json!(40))));
        check(&round, json!({ "value": "staked", "reduce": "stats" }), Some((json!([]), json!(100))));
        check(&round, json!({ "value": "amount", "reduce": "sum" }), None);
        check(&round, json!({ "value": "player", "reduce": "distinct" }), Some((json!([]), json!("\"alice\""))));
        let deposit = fact(json!({ "deposited": { "currency": "EUR", "amount": 5 } }));
        check(&deposit, json!({ "key": ["kind", "currency", "game"], "value": "amount", "reduce": "sum" }), {
            Some((json!(["deposit", "EUR", null]), json!(5)))
        });
        let void = fact(samples::played(json!({ "void": "game_trapped" })));
        check(&void, json!({ "key": ["reason"] }), Some((json!(["game_trapped"]), Value::Null)));
        let opened = fact(json!({ "session_opened": samples::session() }));
        check(&opened, json!({ "key": ["session"] }), Some((json!([samples::SESSION]), Value::Null)));
    }

    #[test]
    fn a_filter_lets_through_what_all_of_it_holds_for() {
        let told = event(json!({ "level": 3, "boss": { "name": "ogre" }, "alone": true }));
        let check = |filter: Value, taken: bool| {
            check(&told, json!({ "filter": filter }), taken.then(|| (json!([]), Value::Null)));
        };
        check(json!({}), true);
        check(json!({ "kind": "event", "game": "slots", "event": "won" }), true);
        for other in [json!({ "kind": "deposit" }), json!({ "game": "dice" }), json!({ "event": "lost" })] {
            check(other, false);
        }
        let props = |props: Value, taken: bool| check(json!({ "event": "won", "props": props }), taken);
        props(json!({ "boss.name": "ogre", "alone": true, "level": 3 }), true);
        props(json!({ "boss.name": "ogre", "alone": false }), false);
        props(json!({ "boss.size": "ogre" }), false);
        for (min, max, taken) in [(3, 3, true), (1, 2, false), (4, 9, false)] {
            props(json!({ "level": { "min": min, "max": max } }), taken);
        }
        props(json!({ "level": { "min": 2.5 } }), true);
        props(json!({ "boss.name": { "min": 0 } }), false);
    }

    #[test]
    fn values_that_are_no_whole_numbers_are_not_summed_and_what_is_too_long_does_not_count() {
        let sum = json!({ "value": "props.level", "reduce": "sum" });
        check(&event(json!({ "level": -3 })), sum.clone(), Some((json!([]), json!(-3))));
        for other in [json!(1.5), json!("3"), json!(null), json!(u64::MAX)] {
            check(&event(json!({ "level": other })), sum.clone(), None);
        }
        // Short as the game has written it, and long as it is read.
        let long = format!("[{}]", vec!["1e15"; 800].join(","));
        let props: Value = serde_json::from_str(&format!("{{\"long\":{long}}}")).unwrap();
        check(&event(props.clone()), json!({ "key": vec!["props.long"; 8] }), None);
        check(&event(props), json!({ "key": ["props.none"] }), Some((json!([null]), Value::Null)));
    }

    #[test]
    fn a_definition_that_makes_no_sense_is_refused_with_what_is_wrong() {
        for (members, words) in [
            (json!({ "reduce": "median" }), "unknown variant `median`"),
            (json!({ "reduce": "sum" }), "view view: sum, stats and distinct need a value"),
            (json!({ "value": "paid" }), "count takes none"),
            (json!({ "value": "player", "reduce": "sum" }), "staked, paid, calls, amount or props.<path>"),
            (json!({ "key": ["gme"] }), "there is no field 'gme': there are source, kind"),
            (json!({ "key": ["props"] }), "there is no field 'props'"),
            (json!({ "key": vec!["game"; 9] }), "at most 8 fields"),
            (json!({ "keys": ["game"] }), "unknown field `keys`"),
            (json!({ "name": "My View" }), "view"),
            (json!({ "filter": { "kind": "rounds" } }), "unknown variant `rounds`"),
            (json!({ "filter": { "kind": "deposit", "event": "won" } }), "only facts of kind event"),
            (json!({ "filter": { "kind": "deposit", "game": "slots" } }), "have a game"),
            (json!({ "filter": { "props": { "level": { "mn": 2 } } } }), "unknown field `mn`, expected `min` or `max`"),
            (json!({ "filter": { "props": { "level": { "min": 2, "max": 1 } } } }), "a table of min, max or both"),
            (json!({ "filter": { "props": { "level": {} } } }), "filter.props.\"level\" must be"),
            (json!({ "filter": { "props": { "level": [2] } } }), "filter.props.\"level\" must be"),
        ] {
            let mut definition = json!({ "name": "view", "reduce": "count" });
            definition.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            let error = view(definition).unwrap_err();
            assert!(error.contains(words), "{members}: {error}");
        }
    }

    #[test]
    fn another_definition_has_another_digest() {
        let digest = |members: Value| {
            let mut definition = json!({ "name": "view", "reduce": "count" });
            definition.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            view(definition).unwrap().digest()
        };
        let definitions = [
            json!({}),
            json!({ "key": ["game"] }),
            json!({ "key": ["game", "day"] }),
            json!({ "key": ["day", "game"] }),
            json!({ "filter": { "event": "won" } }),
            json!({ "filter": { "props": { "level": 1 } } }),
            json!({ "filter": { "props": { "level": { "min": 1 } } } }),
            json!({ "value": "player", "reduce": "distinct" }),
        ];
        let digests: std::collections::BTreeSet<_> =
            definitions.iter().map(|members| digest(members.clone()).to_string()).collect();
        assert_eq!(digests.len(), definitions.len());
        assert_eq!(digest(json!({})), digest(json!({ "key": [], "filter": {} })));
    }
}
