//! Which calls to make of a game that does not play by itself: bets with the call that opens a round, and rules that look at
//! the last reply while it is open.

use minijinja::{Environment, Expression, Value};
use serde::Deserialize;
use thiserror::Error;

use crate::{engine::Bet, identity::Digest, json::Json};

/// A strategy as its file has it.
pub struct Strategy {
    digest: Digest,
    bets: Vec<(Bet, Call)>,
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
    /// A condition does not read.
    #[error("the condition `{when}` does not read: {error}")]
    Condition {
        /// The condition.
        when: String,
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
        let rule = |RuleOfFile { when, call, params }| {
            let when = when.unwrap_or_else(|| "true".to_owned());
            let compiled = environment.compile_expression_owned(when.clone());
            let compiled = compiled.map_err(|error| StrategyError::Condition { when, error })?;
            Ok((compiled, Call::new(call, &params)?))
        };
        let rules = file.rules.into_iter().map(rule).collect::<Result<_, StrategyError>>()?;
        Ok(Self { digest: Digest::of(text.as_bytes()), bets, rules })
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
        let context: Value = serde_json::from_str(reply.as_str()).map_err(|error| error.to_string())?;
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
        let sorted = serde_json::to_value(params).map_err(StrategyError::Params)?;
        Ok(Self { method, params: Json::of(&sorted).map_err(StrategyError::Params)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
        [[bets]]
        name = "ten"
        call = "deal"
        params = { stake = 10, side = "red" }

        [[rules]]
        when = "player.total < 17 and 'hit' in actions"
        call = "hit"

        [[rules]]
        when = "player.total >= 17"
        call = "stand"
        params = { hand = 0 }
    "#;

    fn next(reply: &str) -> Result<String, String> {
        let call = Strategy::parse(TEXT).unwrap().next(&Json::parse(reply.to_owned()).unwrap())?;
        Ok(format!("{} {}", call.method, call.params.as_str()))
    }

    #[test]
    fn the_first_rule_that_holds_says_what_to_call() {
        assert_eq!(next(r#"{"player":{"total":12},"actions":["hit"]}"#).unwrap(), "hit {}");
        assert_eq!(next(r#"{"player":{"total":18},"actions":["hit"]}"#).unwrap(), r#"stand {"hand":0}"#);
        assert!(next(r#"{"player":{"total":12},"actions":[]}"#).unwrap_err().contains("no rule says what to do"));
    }

    #[test]
    fn a_bet_opens_with_its_call() {
        let strategy = Strategy::parse(TEXT).unwrap();
        assert_eq!(strategy.opening("ten").unwrap().params.as_str(), r#"{"side":"red","stake":10}"#);
        assert!(strategy.opening("twenty").is_err());
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let error = |text: &str| Strategy::parse(text).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(error("").contains("no [[bets]]"));
        assert!(error("bets = 1").contains("invalid type"));
        assert!(error("[[bets]]\nname = \"a\"").contains("missing field `call`"));
        let bet = "[[bets]]\nname = \"a\"\ncall = \"b\"\n";
        assert!(error(&bet.repeat(2)).contains("'a' is there twice"));
        assert!(error(&format!("{bet}[[rules]]\nwhen = \"1 +\"\ncall = \"c\"")).contains("`1 +` does not read"));
    }
}
