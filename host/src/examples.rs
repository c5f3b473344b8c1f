//! Values that fit a JSON Schema: a plain one, to show people how a call looks, and random ones, to try a game with. What a schema
//! says by words, patterns or conditions is not understood: it can state `examples`, and whoever needs to be sure checks the value
//! against the schema.

use serde_json::{Map, Number, Value};

use crate::{chance::Chance, rpc::Schema};

/// Levels of a value; a schema may refer to itself.
const DEPTH_MAX: usize = 24;
/// Items of a random array beyond the fewest that it may have.
const MORE_ITEMS_MAX: u64 = 4;
/// Characters of a string, whatever its schema wants.
const STRING_CHARACTERS_MAX: u64 = 1_000;
/// How far a random integer goes where nothing bounds it.
const UNBOUNDED_SPAN: i128 = 1_000_000;
/// What a plain integer is, if it may.
const PLAIN_INTEGERS: [i128; 3] = [100, 10, 1];

/// A value as people would write it for a first try: no optional members, amounts that are round.
#[must_use]
pub fn plain(schema: &Schema) -> Value {
    Generator { schema, choice: Choice::Plain }.value(schema.as_map(), DEPTH_MAX)
}

/// A value that follows from the draws alone: of each part whose schema states `examples`, half the time one of them.
#[must_use]
pub fn random(schema: &Schema, chance: &mut Chance) -> Value {
    Generator { schema, choice: Choice::Random(chance) }.value(schema.as_map(), DEPTH_MAX)
}

/// How one of several possible values is chosen.
enum Choice<'c> {
    Plain,
    Random(&'c mut Chance),
}

impl Choice<'_> {
    /// Of `0..bound`. A chance that has drawn too much goes on with the first.
    fn below(&mut self, bound: u64) -> u64 {
        match self {
            Self::Plain => 0,
            Self::Random(chance) => chance.below(bound.max(1)).unwrap_or_default(),
        }
    }

    fn one_of<'v, T>(&mut self, values: &'v [T]) -> Option<&'v T> {
        let place = usize::try_from(self.below(values.len() as u64)).unwrap_or_default();
        values.get(place)
    }

    fn is_plain(&self) -> bool {
        matches!(self, Self::Plain)
    }

    /// Of the multiples of `step` between two bounds.
    fn integer(&mut self, low: i128, high: i128, step: i128) -> i128 {
        let rounded = |number: i128, step: i128| -> Option<i128> {
            let up = number.div_euclid(step) * step;
            let up = if up < number { up + step } else { up };
            (low..=high).contains(&up).then_some(up)
        };
        let Some(first) = rounded(low, step) else { return low };
        if self.is_plain() {
            let fits = |number: &&i128| (low..=high).contains(*number) && *number % step == 0;
            return PLAIN_INTEGERS.iter().find(fits).copied().unwrap_or(first);
        }
        match self.below(8) {
            0 => return first,
            1 => return high.div_euclid(step) * step,
            _ => {}
        }
        // Amounts that people stake are round, and a game may take no others.
        let coarse = step * [1, 1, 10, 100, 1000][usize::try_from(self.below(5)).unwrap_or_default()];
        let (first, step) = rounded(low, coarse).map_or((first, step), |first| (first, coarse));
        let count = u64::try_from((high - first) / step + 1).unwrap_or(u64::MAX);
        first + i128::from(self.below(count)) * step
    }
}

struct Generator<'s, 'c> {
    schema: &'s Schema,
    choice: Choice<'c>,
}

impl Generator<'_, '_> {
    fn value(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let mut flat = Map::new();
        self.flatten(schema, &mut flat, depth);
        if let Some(value) = flat.get("const") {
            return value.clone();
        }
        if let Some(values) = flat.get("enum").and_then(Value::as_array) {
            return self.choice.one_of(values).cloned().unwrap_or_default();
        }
        if let Some(stated) = self.stated(&flat) {
            return stated;
        }
        match self.type_of(&flat).as_str() {
            "object" => self.object(&flat, depth),
            "array" => self.array(&flat, depth),
            "integer" => self.integer(&flat),
            "number" => self.number(&flat),
            "string" => self.string(&flat),
            "boolean" => Value::Bool(self.choice.below(2) == 1),
            _ => Value::Null,
        }
    }

    /// What the schema itself gives as a value: an example, or else the default, which says less of what is usual.
    fn stated(&mut self, schema: &Map<String, Value>) -> Option<Value> {
        if let Some(examples) = schema.get("examples").and_then(Value::as_array).filter(|all| !all.is_empty()) {
            let is_used = self.choice.is_plain() || self.choice.below(2) == 0;
            return self.choice.one_of(examples).filter(|_| is_used).cloned();
        }
        let default = schema.get("default")?;
        (self.choice.is_plain() || self.choice.below(4) == 0).then(|| default.clone())
    }

    /// Gathers what a schema, what it refers to, and a branch of what it lets choose say together.
    fn flatten(&mut self, schema: &Map<String, Value>, into: &mut Map<String, Value>, depth: usize) {
        let Some(depth) = depth.checked_sub(1) else { return };
        for (keyword, value) in schema {
            match (keyword.as_str(), value) {
                ("$ref", Value::String(reference)) => {
                    if let Some(target) = self.schema.target(reference) {
                        self.flatten(target, into, depth);
                    }
                }
                ("allOf", Value::Array(parts)) => {
                    parts.iter().filter_map(Value::as_object).for_each(|part| self.flatten(part, into, depth));
                }
                ("anyOf" | "oneOf", Value::Array(branches)) => {
                    if let Some(branch) = self.choice.one_of(branches).and_then(Value::as_object) {
                        self.flatten(branch, into, depth);
                    }
                }
                ("properties", Value::Object(members)) => {
                    let all = into.entry("properties").or_insert_with(|| Value::Object(Map::new()));
                    if let Some(all) = all.as_object_mut() {
                        all.extend(members.clone());
                    }
                }
                ("required", Value::Array(names)) => {
                    let all = into.entry("required").or_insert_with(|| Value::Array(Vec::new()));
                    if let Some(all) = all.as_array_mut() {
                        all.extend(names.iter().cloned());
                    }
                }
                _ => drop(into.insert(keyword.clone(), value.clone())),
            }
        }
        // Whoever refers to a schema, or adds to its branches, knows better how its values look here.
        if let Some(examples) = schema.get("examples") {
            into.insert("examples".to_owned(), examples.clone());
        }
    }

    fn type_of(&mut self, schema: &Map<String, Value>) -> String {
        match schema.get("type") {
            Some(Value::String(name)) => name.clone(),
            Some(Value::Array(names)) => {
                self.choice.one_of(names).and_then(Value::as_str).unwrap_or_default().to_owned()
            }
            _ if schema.contains_key("properties") => "object".to_owned(),
            _ => String::new(),
        }
    }

    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required = |name: &str| {
            let names = schema.get("required").and_then(Value::as_array);
            names.is_some_and(|names| names.iter().any(|required| required == name))
        };
        let mut members = Map::new();
        for (name, member) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let Some(member) = member.as_object() else { continue };
            if required(name) || self.choice.below(2) == 1 {
                members.insert(name.clone(), self.value(member, depth.saturating_sub(1)));
            }
        }
        Value::Object(members)
    }

    fn array(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let first: Vec<_> = schema.get("prefixItems").and_then(Value::as_array).cloned().unwrap_or_default();
        let item = schema.get("items").and_then(Value::as_object);
        let low = bound("minItems").unwrap_or(if self.choice.is_plain() { 1 } else { 0 }).max(first.len() as u64);
        let high = if item.is_none() { low } else { bound("maxItems").unwrap_or(u64::MAX).min(low + MORE_ITEMS_MAX) };
        let wanted = low + self.choice.below(high.saturating_sub(low) + 1);
        let is_unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items: Vec<Value> = Vec::new();
        for place in 0..wanted {
            let part = usize::try_from(place).ok().and_then(|place| first.get(place)?.as_object()).or(item);
            let Some(part) = part else { break };
            let value = self.value(part, depth.saturating_sub(1));
            if !is_unique || !items.contains(&value) {
                items.push(value);
            }
        }
        Value::Array(items)
    }

    fn integer(&mut self, schema: &Map<String, Value>) -> Value {
        let bound = |keyword: &str| schema.get(keyword).and_then(whole);
        let low = bound("minimum").or_else(|| Some(bound("exclusiveMinimum")? + 1));
        let high = bound("maximum").or_else(|| Some(bound("exclusiveMaximum")? - 1));
        let (low, high) = match (low, high) {
            (Some(low), Some(high)) => (low, high.max(low)),
            (Some(low), None) => (low, low + UNBOUNDED_SPAN),
            (None, Some(high)) => (high - UNBOUNDED_SPAN, high),
            (None, None) => (0, UNBOUNDED_SPAN),
        };
        let step = bound("multipleOf").filter(|step| *step > 0).unwrap_or(1);
        let chosen = self.choice.integer(low, high, step);
        Number::from_i128(chosen).map_or(Value::Null, Value::Number)
    }

    fn number(&mut self, schema: &Map<String, Value>) -> Value {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_f64);
        let low = bound("minimum").or_else(|| bound("exclusiveMinimum")).unwrap_or(0.0);
        let high = bound("maximum").or_else(|| bound("exclusiveMaximum")).unwrap_or(low + 1.0);
        // Within the bounds, never on them: they may be excluded.
        let part = (1 + self.choice.below(999)) as f64 / 1000.0;
        Number::from_f64(low + (high - low) * part).map_or(Value::Null, Value::Number)
    }

    fn string(&mut self, schema: &Map<String, Value>) -> Value {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let low = bound("minLength").unwrap_or(1);
        let high = bound("maxLength").unwrap_or(low + 12).min(low + 12).max(low);
        let length = low + self.choice.below(high - low + 1);
        let letters: Vec<char> = ('a'..='z').collect();
        let letter = |_| self.choice.one_of(&letters).copied().unwrap_or('a');
        Value::String((0..length.min(STRING_CHARACTERS_MAX)).map(letter).collect())
    }
}

/// A number without a fraction, however it is written.
fn whole(value: &Value) -> Option<i128> {
    let as_float = || value.as_f64().filter(|number| number.fract() == 0.0 && number.abs() < 1e30);
    #[expect(clippy::cast_possible_truncation, reason = "far below the largest of 128 bits")]
    value.as_i64().map(i128::from).or_else(|| value.as_u64().map(i128::from)).or_else(|| as_float().map(|n| n as i128))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{chance::Seed, rpc::ParamsSchema};

    fn schema(value: Value) -> Schema {
        Schema::new(value).unwrap()
    }

    fn bets() -> Schema {
        schema(json!({
            "type": "object",
            "properties": {
                "stake": { "type": "integer", "minimum": 10, "maximum": 10_000, "multipleOf": 10 },
                "note": { "type": ["string", "null"], "maxLength": 5 },
                "bets": { "type": "array", "minItems": 1, "maxItems": 3, "items": { "$ref": "#/$defs/Bet" } },
                "risk": { "$ref": "#/$defs/Risk", "description": "how far" },
                "pair": { "type": "array", "prefixItems": [{ "const": 1 }, { "type": "boolean" }], "minItems": 2, "items": false },
                "odds": { "type": "number", "exclusiveMinimum": 1, "maximum": 9 },
            },
            "required": ["stake", "bets", "risk"],
            "additionalProperties": false,
            "$defs": {
                "Risk": { "enum": ["low", "high"] },
                "Bet": {
                    "type": "object",
                    "properties": { "stake": { "type": "integer", "format": "uint64", "minimum": 0 } },
                    "required": ["stake"],
                    "oneOf": [
                        { "properties": { "kind": { "const": "red" } }, "required": ["kind"] },
                        {
                            "properties": {
                                "kind": { "const": "straight" },
                                "number": { "type": "integer", "minimum": 0, "maximum": 36 },
                            },
                            "required": ["kind", "number"],
                        },
                    ],
                },
            },
        }))
    }

    #[test]
    fn a_plain_example_is_what_people_would_write() {
        let example = plain(&bets());
        let bet = json!({ "kind": "red", "stake": 100 });
        assert_eq!(example, json!({ "stake": 100, "bets": [bet], "risk": "low" }));
        for (given, expected) in [
            (json!({ "type": "integer", "minimum": 3, "maximum": 9 }), json!(3)),
            (json!({ "type": "integer", "minimum": 7, "multipleOf": 7, "maximum": 20 }), json!(7)),
            (json!({ "type": "integer", "default": 17 }), json!(17)),
            (json!({ "type": "string", "examples": ["here"] }), json!("here")),
            (
                json!({ "$ref": "#/$defs/A", "examples": [2], "$defs": { "A": { "type": "integer", "examples": [1] } } }),
                json!(2),
            ),
            (json!({ "type": "object" }), json!({})),
            (json!({ "anyOf": [{ "type": "boolean" }, { "type": "null" }] }), json!(false)),
        ] {
            assert_eq!(plain(&schema(given.clone())), expected, "{given}");
        }
    }

    #[test]
    fn random_values_fit_their_schema_and_follow_from_the_seed() {
        let schema = bets();
        let check = ParamsSchema::compile(&schema).unwrap();
        let (mut stakes, mut risks) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
        for number in 0..=255 {
            let draw = || random(&schema, &mut Chance::new(Seed::from_bytes([number; 32])));
            let value = draw();
            check.check(&value).unwrap_or_else(|error| panic!("{value}: {error}"));
            assert_eq!(value, draw());
            stakes.insert(value["stake"].as_u64().unwrap());
            risks.insert(value["risk"].as_str().unwrap().to_owned());
        }
        assert!(stakes.contains(&10) && stakes.contains(&10_000) && stakes.len() > 40, "{stakes:?}");
        assert_eq!(risks.len(), 2);
    }

    #[test]
    fn half_of_the_random_values_are_stated_examples_where_there_are_some() {
        let stated = json!({
            "type": "object",
            "properties": { "spot": { "$ref": "#/$defs/Spot" }, "stake": { "type": "integer", "minimum": 1, "maximum": 9 } },
            "required": ["spot", "stake"],
            "examples": [{ "spot": [17, 20], "stake": 2 }, { "spot": [8, 9], "stake": 3 }],
            "$defs": { "Spot": {
                "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 1_000_000 },
                "minItems": 2, "maxItems": 2, "examples": [[1, 2], [2, 3], [3, 6]],
            } },
        });
        let whole = stated["examples"].as_array().unwrap().clone();
        let spots = stated["$defs"]["Spot"]["examples"].as_array().unwrap().clone();
        assert_eq!(plain(&schema(stated.clone())), whole[0]);
        let schema = schema(stated);
        let draw = |number| random(&schema, &mut Chance::new(Seed::from_bytes([number; 32])));
        let values: Vec<_> = (0..=255).map(draw).collect();
        for example in &whole {
            let share = values.iter().filter(|value| *value == example).count();
            assert!((40..90).contains(&share), "{share} of 256 values are {example}");
        }
        let others = || values.iter().filter(|value| !whole.contains(value));
        for spot in &spots {
            let share = others().filter(|value| value["spot"] == *spot).count();
            assert!((8..40).contains(&share), "{share} of {} others are on {spot}", others().count());
        }
        assert!(others().any(|value| !spots.contains(&value["spot"])), "and some are as random as ever");
    }

    #[test]
    fn a_schema_that_refers_to_itself_comes_to_an_end() {
        let list = json!({
            "$ref": "#/$defs/List",
            "$defs": { "List": {
                "type": "object",
                "properties": { "next": { "$ref": "#/$defs/List" } },
                "required": ["next"],
            } },
        });
        assert!(plain(&schema(list)).is_object());
    }
}
