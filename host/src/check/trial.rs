//! Plays a release: calls that follow from a seed, each made several times under circumstances that may or may not matter.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::Value;

use super::{
    Plan,
    player::{Circumstances, Player, Session},
    seen::{MethodSeen, Seen},
};
use crate::{
    catalog::Playable,
    chance::{Chance, Seed},
    engine::{Answer, Done, Engine, Malfunction, Step},
    examples,
    json::Json,
    rpc::{ParamsSchema, Schema},
};

/// Players, one after the other: each begins anew, and plays long enough to show what is kept for them.
const PLAYERS: u32 = 4;
/// How often params are made until some fit their schema.
const PARAMS_TRIES: usize = 20;
/// A method that has broken down so often is left alone.
const MALFUNCTIONS_MAX: u64 = 5;
/// Calls of a method after which it is known for something.
const CALLS_TO_KNOW: u64 = 12;
/// The time of the first call, and from one call to the next.
const BEGIN_MS: u64 = 1_767_225_600_000;
/// See [`BEGIN_MS`].
const CALL_MS: u64 = 1_000;
/// What differs in circumstances that must not matter: half a day.
const LATER_MS: u64 = 43_200_000;

/// What a seed is for.
#[derive(Clone, Copy)]
enum Purpose {
    Choices = 1,
    Draws = 2,
    OtherDraws = 3,
}

/// A release that is tried.
pub(super) struct Trial<'a> {
    engine: &'a Arc<Engine>,
    playable: &'a Playable,
    plan: Plan,
    session: Session,
    methods: Vec<String>,
    /// Those of which results can be checked.
    results: BTreeMap<String, ParamsSchema>,
    /// By method, and by whether a round is open: calls and replies.
    known: BTreeMap<(String, bool), (u64, u64)>,
    seen: Seen,
}

impl<'a> Trial<'a> {
    pub(super) fn new(engine: &'a Arc<Engine>, playable: &'a Playable, plan: Plan) -> anyhow::Result<Self> {
        let descriptor = playable.release.descriptor();
        let methods: Vec<_> = descriptor.methods.iter().map(|method| method.name.clone()).collect();
        let mut seen = Seen::default();
        let mut results = BTreeMap::new();
        for method in &methods {
            let seen = seen.methods.entry(method.clone()).or_default();
            seen.takes_params = playable.schemas(method).is_some_and(|(params, _)| takes_any(params));
            match playable.schemas(method).map(|(_, result)| ParamsSchema::compile(result)) {
                Some(Ok(schema)) => drop(results.insert(method.clone(), schema)),
                other => seen.unchecked = other.and_then(Result::err).map(|error| error.to_string()),
            }
        }
        let session = Session::of(descriptor.id.clone())?;
        Ok(Self { engine, playable, plan, session, methods, results, known: BTreeMap::new(), seen })
    }

    /// Makes all calls.
    pub(super) async fn play(mut self) -> anyhow::Result<Seen> {
        let calls = (self.plan.calls / PLAYERS).max(1);
        for number in 0..PLAYERS {
            let mut player = Player::new(&format!("player-{number}"), self.session.clone())?;
            let mut documents = Vec::new();
            for call in 0..calls {
                self.call(&mut player, u64::from(number * calls + call)).await?;
                documents.push(player.documents_bytes());
            }
            self.seen.documents(&documents);
        }
        Ok(self.seen)
    }

    async fn call(&mut self, player: &mut Player, number: u64) -> anyhow::Result<()> {
        player.fund();
        let mut chance = Chance::new(self.seed(Purpose::Choices, number));
        let is_open = player.has_open_round();
        let Some(method) = self.choose(is_open, &mut chance) else { return Ok(()) };
        let Some(params) = self.params(&method, number)? else { return Ok(()) };
        let now_ms = BEGIN_MS + number * CALL_MS;
        let usual = Circumstances { seed: self.seed(Purpose::Draws, number), now_ms };
        let done = self.run(player.step(&method, &params, usual)).await?;
        let again = self.run(player.step(&method, &params, usual)).await?;
        self.observe(&method, &params, &done, &again);
        if !done.draws.is_empty() && done.answer.is_ok() {
            let other = Circumstances { seed: self.seed(Purpose::OtherDraws, number), ..usual };
            let redrawn = self.run(player.step(&method, &params, other)).await?;
            self.seen.redrawn(&done, &redrawn);
        }
        if !done.money.transfers().is_empty() {
            let later = Circumstances { now_ms: now_ms + LATER_MS, ..usual };
            let stranger = player.renamed("somebody-else")?;
            let elsewhere = self.run(stranger.step(&method, &params, later)).await?;
            if moves(&done) != moves(&elsewhere) && done.draws == elsewhere.draws && elsewhere.answer.is_ok() {
                self.seen(&method).paid_otherwise += 1;
            }
        }
        let replied = matches!(done.answer, Ok(Answer::Reply { .. }));
        let known = self.known.entry((method.clone(), is_open)).or_default();
        *known = (known.0 + 1, known.1 + u64::from(replied));
        match player.take(&method, done) {
            Ok(Some(closed)) => self.seen.round(&closed),
            Ok(None) => {}
            Err(malfunction) => self.seen(&method).broke_down(&malfunction, None, &params),
        }
        Ok(())
    }

    async fn run(&self, step: Step) -> anyhow::Result<Done> {
        Ok(self.engine.run(&self.playable.release, step).await?)
    }

    fn seen(&mut self, method: &str) -> &mut MethodSeen {
        self.seen.methods.entry(method.to_owned()).or_default()
    }

    fn observe(&mut self, method: &str, params: &Json, done: &Done, again: &Done) {
        let time = |done: &Done| done.timing.instantiate + done.timing.guest;
        // Whatever else runs on this computer makes one of them longer, seldom both.
        let elapsed = time(done).min(time(again));
        self.seen.memory_bytes = self.seen.memory_bytes.max(done.memory_bytes);
        let violation = match &done.answer {
            Ok(Answer::Reply { body, .. }) => self.violation(method, body),
            _ => None,
        };
        let reply_bytes = match &done.answer {
            Ok(Answer::Reply { body, .. }) => body.as_str().len(),
            _ => 0,
        };
        self.seen.reply_bytes = self.seen.reply_bytes.max(reply_bytes);
        let seen = self.seen(method);
        seen.times_us.push(u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX));
        seen.lie = seen.lie.take().or(violation);
        // How long a step may compute is the only thing that is not up to the game.
        let is_of_time = |done: &Done| matches!(done.answer, Err(Malfunction::Timeout));
        if !is_of_time(done) && !is_of_time(again) && !is_same(done, again) {
            seen.unlike_itself += 1;
        }
        match &done.answer {
            Ok(Answer::Reply { .. }) => {
                seen.replies += 1;
                seen.has_effect |=
                    !done.money.transfers().is_empty() || !done.written.is_empty() || !done.draws.is_empty();
            }
            Ok(Answer::Fault(fault)) => {
                seen.faults += 1;
                seen.last_fault = Some(format!("{}: {}", fault.code, fault.message));
            }
            Err(malfunction) => seen.broke_down(malfunction, done.panic.as_deref(), params),
        }
    }

    /// Where a reply does not fit what the game says of it.
    fn violation(&self, method: &str, body: &Json) -> Option<String> {
        let schema = self.results.get(method)?;
        let reply: Value = serde_json::from_str(body.as_str()).ok()?;
        let violation = schema.violations(&reply).into_iter().next()?;
        let place = if violation.pointer.is_empty() { "the result" } else { &violation.pointer };
        Some(format!("{place}: {}", violation.message))
    }

    /// A method: those that do something now are called more often.
    fn choose(&self, is_open: bool, chance: &mut Chance) -> Option<String> {
        let weight = |method: &String| {
            let seen = self.seen.methods.get(method)?;
            if seen.malfunctions() >= MALFUNCTIONS_MAX || seen.params_not_made {
                return Some(0);
            }
            let (calls, replies) = self.known.get(&(method.clone(), is_open)).copied().unwrap_or_default();
            Some(match () {
                () if calls < CALLS_TO_KNOW => 16,
                () if replies == 0 => 1,
                () if !seen.has_effect => 2,
                () => 16,
            })
        };
        let weights: Vec<u32> = self.methods.iter().map(|method| weight(method).unwrap_or_default()).collect();
        let chosen = chance.weighted(&weights).ok()?;
        self.methods.get(usize::try_from(chosen).ok()?).cloned()
    }

    /// Params that fit the method's schema, as canonical text.
    fn params(&mut self, method: &str, number: u64) -> anyhow::Result<Option<Json>> {
        let Some((schema, _)) = self.playable.schemas(method) else { return Ok(None) };
        for attempt in 0..PARAMS_TRIES as u64 {
            let seed = self.seed(Purpose::Choices, (number << 8) + attempt + 1);
            let mut params = examples::random(schema, &mut Chance::new(seed));
            if self.playable.check(method, &params).is_ok() {
                params.sort_all_objects();
                return Ok(Some(Json::of(&params)?));
            }
        }
        self.seen(method).params_not_made = true;
        Ok(None)
    }

    fn seed(&self, purpose: Purpose, number: u64) -> Seed {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&self.plan.seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        bytes[16] = purpose as u8;
        Seed::from_bytes(bytes)
    }
}

/// Whether params of this schema may be anything but empty.
fn takes_any(params: &Schema) -> bool {
    let is_told = |keyword: &str| match params.as_map().get(keyword) {
        Some(Value::Object(members)) => !members.is_empty(),
        other => other.is_some(),
    };
    ["properties", "$ref", "allOf", "anyOf", "oneOf"].into_iter().any(is_told)
}

/// Whether two steps have come to the same.
fn is_same(one: &Done, other: &Done) -> bool {
    let same_answer = match (&one.answer, &other.answer) {
        (Ok(one), Ok(other)) => is_same_answer(one, other),
        (one, other) => one.as_ref().err() == other.as_ref().err(),
    };
    same_answer && moves(one) == moves(other) && (&one.written, &one.draws) == (&other.written, &other.draws)
}

pub(super) fn is_same_answer(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Answer::Reply { body, round_open }, Answer::Reply { body: other_body, round_open: other_open }) => {
            (body, round_open) == (other_body, other_open)
        }
        (Answer::Fault(fault), Answer::Fault(other)) => fault == other,
        _ => false,
    }
}

/// What a step has moved, whoever's accounts they are.
pub(super) fn moves(done: &Done) -> Vec<(bool, u64)> {
    let transfers = done.money.transfers().iter();
    transfers.map(|transfer| (transfer.to == crate::money::Account::Player, transfer.amount.get())).collect()
}
