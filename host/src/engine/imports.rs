//! The imports of the contract, over a step's state. Glue only: rules of money are in [`crate::rounds`],
//! those of chance in [`crate::chance`].

use super::{
    Malfunction, documents,
    step_state::{Play, StepState},
};
use crate::{
    bindings::croupier::game::{log, notify, random, store, track, types, types::Refusal, wallet},
    json::Json,
    limits::{EFFECT_BYTES_MAX, STEP_EFFECTS_MAX},
    money::Amount,
    record::Effect,
    rounds,
};

type Answer<T> = wasmtime::Result<Result<T, Refusal>>;

impl types::Host for StepState {}

impl wallet::Host for StepState {
    fn balance(&mut self) -> wasmtime::Result<u64> {
        self.host_call(|play| Ok(play.money.balance().get()))
    }

    fn staked(&mut self) -> wasmtime::Result<u64> {
        self.host_call(|play| Ok(play.money.staked().get()))
    }

    fn stake(&mut self, amount: u64) -> Answer<u64> {
        self.host_call(|play| Ok(money_answer(play.money.stake(amount))))
    }

    fn pay(&mut self, amount: u64) -> Answer<u64> {
        self.host_call(|play| Ok(money_answer(play.money.pay(amount))))
    }

    fn refund(&mut self, amount: u64) -> Answer<u64> {
        self.host_call(|play| Ok(money_answer(play.money.refund(amount))))
    }
}

fn money_answer(outcome: Result<Amount, rounds::Refusal>) -> Result<u64, Refusal> {
    outcome.map(Amount::get).map_err(|refusal| refused(refusal.code(), refusal.to_string()))
}

fn refused(code: &str, message: impl Into<String>) -> Refusal {
    Refusal { code: code.to_owned(), message: message.into() }
}

impl store::Host for StepState {
    fn get(&mut self, key: String) -> wasmtime::Result<Option<String>> {
        self.host_call(|play| {
            // No document has such a key, and none of these is to fill the step's record.
            if !documents::is_key(&key) {
                return Ok(None);
            }
            Ok(play.read(&key)?.map(|value| value.as_str().to_owned()))
        })
    }

    fn put(&mut self, key: String, value: String) -> Answer<()> {
        self.host_call(|play| Ok(play.put(key, value).map_err(|refusal| refused(refusal.code(), refusal.to_string()))))
    }

    fn delete(&mut self, key: String) -> wasmtime::Result<()> {
        self.host_call(|play| {
            play.delete(&key);
            Ok(())
        })
    }

    fn keys(&mut self) -> wasmtime::Result<Vec<String>> {
        self.host_call(|play| Ok(play.keys()))
    }
}

fn parse_json(text: String) -> Result<Json, Refusal> {
    Json::parse(text).map_err(|error| refused("invalid-json", error.to_string()))
}

impl random::Host for StepState {
    fn below(&mut self, bound: u64) -> wasmtime::Result<u64> {
        self.host_call(|play| Ok(play.chance.below(bound).map_err(Malfunction::from)?))
    }

    fn weighted(&mut self, weights: Vec<u32>) -> wasmtime::Result<u32> {
        self.host_call(|play| Ok(play.chance.weighted(&weights).map_err(Malfunction::from)?))
    }

    fn shuffled(&mut self, n: u32) -> wasmtime::Result<Vec<u32>> {
        self.host_call(|play| Ok(play.chance.shuffled(n).map_err(Malfunction::from)?))
    }
}

impl notify::Host for StepState {
    fn send(&mut self, notification: notify::Notification) -> Answer<()> {
        let notify::Notification { channel, template, data, delay_ms } = notification;
        let size = channel.len() + template.len() + data.len();
        self.effect(size, data, |play, data| {
            if !play.may_notify(&channel, &template) {
                let message = format!("the operator has not granted this game '{template}' by '{channel}'");
                return Err(refused("not-granted", message));
            }
            Ok(Effect::Notification { channel, template, data, delay_ms })
        })
    }
}

impl track::Host for StepState {
    fn event(&mut self, name: String, props: String) -> Answer<()> {
        let size = name.len() + props.len();
        self.effect(size, props, |_, props| Ok(Effect::Event { name, props }))
    }
}

impl log::Host for StepState {
    fn write(&mut self, level: String, message: String) -> wasmtime::Result<()> {
        self.write_log(&level, &message)
    }
}

impl StepState {
    fn effect(
        &mut self,
        size: usize,
        json: String,
        effect: impl FnOnce(&mut Play, Json) -> Result<Effect, Refusal>,
    ) -> Answer<()> {
        self.host_call(|play| {
            if play.effects_asked() >= STEP_EFFECTS_MAX {
                return Ok(Err(refused("too-many-effects", format!("a step has at most {STEP_EFFECTS_MAX} effects"))));
            }
            if size > EFFECT_BYTES_MAX {
                return Ok(Err(refused("too-large", format!("an effect has at most {EFFECT_BYTES_MAX} bytes"))));
            }
            Ok(parse_json(json).and_then(|json| effect(play, json)).map(|effect| play.effects.push(effect)))
        })
    }
}
