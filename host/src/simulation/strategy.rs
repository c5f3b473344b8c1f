//! Which calls to make of a game that does not play by itself: bets with the call that opens a round, and rules that look at
//! the last reply while it is open.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use minijinja::{Environment, Expression, Value, value::merge_maps};
use serde::Deserialize;
use thiserror::Error;

use crate::{engine::Bet, identity::Digest, json::Json};

/// A strategy as its file has it.
pub struct Strategy {
    digest: Digest,
    bets: Vec<(Bet, Call)>,
    /// What expressions may look up beside the reply's members.
    tables: Value,
    /// Names for what expressions say again and again.
    values: Vec<(String, Expression<'static, 'static>)>,
    rules: Vec<(Expression<'static, 'static>, Call)>,
}

/// A call that is to be made.
#[derive(Clone)]
pub(super) struct Call {
    pub(super) method: String,
    pub(super) params: Json,
}

/// A strategy that makes no sense.
#[derive(Debug, Error)]
pub enum StrategyError {
    /// It is no TOML of this form.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// There is nothing to play.
    #[error("it has no [[bets]]")]
    NoBets,
    /// Two bets have one name.
    #[error("bet '{0}' is there twice")]
    Twice(String),
    /// An expression does not read.
    #[error("the expression `{text}` does not read: {error}")]
    Expression {
        /// The expression.
        text: String,
        /// Why.
        error: minijinja::Error,
    },
    /// The params have no JSON.
    #[error("params are JSON, and these have none: {0}")]
    Params(serde_json::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    bets: Vec<BetOfFile>,
    #[serde(default)]
    tables: BTreeMap<String, Value>,
    /// In the order of the file.
    #[serde(default)]
    values: toml::Table,
    #[serde(default)]
    rules: Vec<RuleOfFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BetOfFile {
    name: String,
    #[serde(default)]
    summary: String,
    call: String,
    #[serde(default)]
    params: toml::Table,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleOfFile {
    when: Option<String>,
    call: String,
    #[serde(default)]
    params: toml::Table,
}

impl Strategy {
    /// Reads a strategy.
    ///
    /// # Errors
    /// [`StrategyError`] says what makes no sense.
    pub fn parse(text: &str) -> Result<Self, StrategyError> {
        let file: File = toml::from_str(text)?;
        if file.bets.is_empty() {
            return Err(StrategyError::NoBets);
        }
        let mut bets: Vec<(Bet, Call)> = Vec::new();
        for BetOfFile { name, summary, call, params } in file.bets {
            if bets.iter().any(|(bet, _)| bet.name == name) {
                return Err(StrategyError::Twice(name));
            }
            bets.push((Bet { name, summary }, Call::new(call, &params)?));
        }
        // It outlives the expressions that it has compiled, of which a process has a handful.
        let environment: &'static Environment<'static> = Box::leak(Box::new(Environment::new()));
        let compile = |text: String| {
            let compiled = environment.compile_expression_owned(text.clone());
            compiled.map_err(|error| StrategyError::Expression { text, error })
        };
        let value = |(name, text): (String, toml::Value)| Ok((name, compile(text.try_into()?)?));
        let values = file.values.into_iter().map(value).collect::<Result<_, StrategyError>>()?;
        let rule = |RuleOfFile { when, call, params }| {
            let when = when.unwrap_or_else(|| "true".to_owned());
            Ok((compile(when)?, Call::new(call, &params)?))
        };
        let rules = file.rules.into_iter().map(rule).collect::<Result<_, StrategyError>>()?;
        Ok(Self { digest: Digest::of(text.as_bytes()), bets, tables: file.tables.into(), values, rules })
    }

    /// The text's.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(super) fn bets(&self) -> Vec<Bet> {
        self.bets.iter().map(|(bet, _)| bet.clone()).collect()
    }

    /// The call that opens a round.
    pub(super) fn opening(&self, bet: &str) -> Result<Call, String> {
        let opening = self.bets.iter().find(|(known, _)| known.name == bet);
        opening.map(|(_, call)| call.clone()).ok_or_else(|| format!("the strategy has no bet '{bet}'"))
    }

    /// The call of the first rule that holds of the last reply.
    pub(super) fn next(&self, reply: &Json) -> Result<Call, String> {
        let members: Value = serde_json::from_str(reply.as_str()).map_err(|error| error.to_string())?;
        let mut context = merge_maps([members, self.tables.clone()]);
        for (name, expression) in &self.values {
            let value =
                expression.eval(context.clone()).map_err(|error| format!("the value '{name}' fails: {error}"))?;
            context = merge_maps([context, Value::from_pairs([(name.as_str(), value)])]);
        }
        for (when, call) in &self.rules {
            let holds = when.eval(context.clone()).map_err(|error| format!("a rule's condition fails: {error}"))?;
            if holds.is_true() {
                return Ok(call.clone());
            }
        }
        Err(format!("the round is open, and no rule says what to do after {}", reply.as_str()))
    }
}

impl Call {
    fn new(method: String, params: &toml::Table) -> Result<Self, StrategyError> {
        // As clients' params reach a game: members sorted by name.
        let mut sorted = serde_json::to_value(params).map_err(StrategyError::Params)?;
        sorted.sort_all_objects();
        Ok(Self { method, params: Json::of(&sorted).map_err(StrategyError::Params)? })
    }
}
