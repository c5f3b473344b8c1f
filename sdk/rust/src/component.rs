//! The game as a WebAssembly component: its imports as a [`Host`], its exports from a [`Game`]. Nothing else is imported.

use std::marker::PhantomData;
use std::panic;

use bindings::croupier::game::{log, notify, random, store, track, types, wallet};
use bindings::exports::croupier::game::game::Guest;
use migration::exports::croupier::game::migration::Document;
use simulation::exports::croupier::game::simulation as exported;

use crate::host::{Host, sealed::Sealed};
use crate::simulation::{MethodTally, Moved, Outcome, Simulation, Tally, TracedCall};
use crate::table::AnyHost;
use crate::{Call, Descriptor, Documents, Fault, Game, Method, Refusal, Reply};
use crate::{game, heap};

#[allow(unsafe_code, missing_docs, unreachable_pub, reason = "written by wit-bindgen, which speaks the component ABI")]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../../wit",
        world: "casino-game",
        pub_export_macro: true,
        default_bindings_module: "::croupier_sdk::__private::bindings",
    });
}

/// The optional export: a game that does not ask for it must not have it.
#[allow(unsafe_code, missing_docs, unreachable_pub, reason = "written by wit-bindgen, which speaks the component ABI")]
pub mod migration {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package croupier:sdk; world migration { export croupier:game/migration@0.1.2; }",
        world: "croupier:sdk/migration",
        with: { "croupier:game/types@0.1.2": super::bindings::croupier::game::types },
        pub_export_macro: true,
        default_bindings_module: "::croupier_sdk::__private::migration",
    });
}

/// The optional export of games that can be simulated.
#[allow(unsafe_code, missing_docs, unreachable_pub, reason = "written by wit-bindgen, which speaks the component ABI")]
pub mod simulation {
    wit_bindgen::generate!({
        path: "../../wit",
        inline: "package croupier:sdk; world simulation { export croupier:game/simulation@0.1.2; }",
        world: "croupier:sdk/simulation",
        with: { "croupier:game/types@0.1.2": super::bindings::croupier::game::types },
        pub_export_macro: true,
        default_bindings_module: "::croupier_sdk::__private::simulation",
    });
}

/// Exports a game.
pub struct Component<G>(PhantomData<G>);

impl<G: Game> Guest for Component<G> {
    fn describe() -> types::Descriptor {
        // The schemas take some hundred kilobytes to make.
        heap::spare_arena();
        G::descriptor().into()
    }

    fn handle(call: types::Call) -> Result<types::Reply, types::Fault> {
        panic::set_hook(Box::new(report_panic));
        let reply = game::handle::<G>(AnyHost::Component(Imports), &call.into())?;
        Ok(reply.into())
    }
}

impl<G: Game> migration::exports::croupier::game::migration::Guest for Component<G> {
    fn version() -> u32 {
        G::STATE_VERSION
    }

    fn migrate(from: u32, documents: Vec<Document>) -> Result<Vec<Document>, String> {
        panic::set_hook(Box::new(report_panic));
        let documents: Documents = documents.into_iter().map(|Document { key, value }| (key, value)).collect();
        let migrated = G::migrate(from, documents)?;
        Ok(migrated.into_iter().map(|(key, value)| Document { key, value }).collect())
    }
}

impl<G: Simulation> exported::Guest for Component<G> {
    fn bets() -> Vec<exported::Bet> {
        let bets = G::bets().into_iter();
        bets.map(|bet| exported::Bet { name: bet.name().to_owned(), summary: bet.summary().to_owned() }).collect()
    }

    fn simulate(bet: String, seed: (u64, u64, u64, u64), rounds: u32) -> Result<exported::Tally, String> {
        panic::set_hook(Box::new(report_panic));
        crate::simulation::simulate::<G>(&bet, seed.into(), rounds).map(Into::into)
    }

    fn trace(bet: String, seed: (u64, u64, u64, u64), rounds: u32) -> Result<Vec<Vec<exported::TracedCall>>, String> {
        panic::set_hook(Box::new(report_panic));
        let traced = crate::simulation::trace::<G>(&bet, seed.into(), rounds)?;
        Ok(traced.into_iter().map(|round| round.into_iter().map(Into::into).collect()).collect())
    }
}

impl From<Tally> for exported::Tally {
    fn from(Tally { outcomes, methods, events }: Tally) -> Self {
        let method = |MethodTally { name, calls, moved: Moved { staked, refunded, paid } }| exported::MethodTally {
            name: str::to_owned(name),
            calls,
            staked,
            refunded,
            paid,
        };
        Self {
            outcomes: outcomes.into_iter().flat_map(|Outcome { staked, paid }| [staked, paid]).collect(),
            methods: methods.into_iter().map(method).collect(),
            events: events.into_iter().map(|(name, count)| exported::EventTally { name, count }).collect(),
        }
    }
}

impl From<TracedCall> for exported::TracedCall {
    fn from(TracedCall { method, params, draws, body, moved, events, round_open }: TracedCall) -> Self {
        let Moved { staked, refunded, paid } = moved;
        let draws = serde_json::Value::from(draws).to_string();
        Self { method: method.to_owned(), params, draws, body, staked, refunded, paid, events, round_open }
    }
}

/// Sends a panic's place and message to the operator's log, because the trap that follows carries neither.
fn report_panic(panic: &panic::PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("a panic without a message");
    let line = match panic.location() {
        Some(place) => format!("{}:{}: {message}", place.file(), place.line()),
        None => message.to_owned(),
    };
    log::write("panic", &line);
}

/// The host that runs this component.
pub(crate) struct Imports;

impl Sealed for Imports {}

impl Host for Imports {
    fn balance(&self) -> u64 {
        wallet::balance()
    }

    fn staked(&self) -> u64 {
        wallet::staked()
    }

    fn stake(&mut self, amount: u64) -> Result<u64, Refusal> {
        Ok(wallet::stake(amount)?)
    }

    fn pay(&mut self, amount: u64) -> Result<u64, Refusal> {
        Ok(wallet::pay(amount)?)
    }

    fn refund(&mut self, amount: u64) -> Result<u64, Refusal> {
        Ok(wallet::refund(amount)?)
    }

    fn get_document(&self, key: &str) -> Option<String> {
        store::get(key)
    }

    fn put_document(&mut self, key: &str, json: &str) -> Result<(), Refusal> {
        Ok(store::put(key, json)?)
    }

    fn delete_document(&mut self, key: &str) {
        store::delete(key);
    }

    fn document_keys(&self) -> Vec<String> {
        store::keys()
    }

    fn below(&mut self, bound: u64) -> u64 {
        random::below(bound)
    }

    fn weighted(&mut self, weights: &[u32]) -> u32 {
        random::weighted(weights)
    }

    fn shuffled(&mut self, n: u32) -> Vec<u32> {
        random::shuffled(n)
    }

    fn notify(&mut self, channel: &str, template: &str, data: String, delay_ms: u64) -> Result<(), Refusal> {
        let (channel, template) = (channel.to_owned(), template.to_owned());
        Ok(notify::send(&notify::Notification { channel, template, data, delay_ms })?)
    }

    fn track(&mut self, name: &str, props: &str) -> Result<(), Refusal> {
        Ok(track::event(name, props)?)
    }

    fn log(&mut self, level: &str, message: &str) {
        log::write(level, message);
    }
}

impl From<types::Refusal> for Refusal {
    fn from(types::Refusal { code, message }: types::Refusal) -> Self {
        Self { code, message }
    }
}

impl From<Fault> for types::Fault {
    fn from(Fault { code, message, data }: Fault) -> Self {
        Self { code, message, data: data.map(|data| data.to_string()) }
    }
}

impl From<types::Call> for Call {
    fn from(call: types::Call) -> Self {
        let types::Call { player, currency, locale, round, step, now, method, params } = call;
        Self { player, currency, locale, round, step, now_ms: now, method, params }
    }
}

impl From<Reply> for types::Reply {
    fn from(Reply { body, round_open }: Reply) -> Self {
        Self { body, round_open }
    }
}

impl From<Descriptor> for types::Descriptor {
    fn from(Descriptor { id, title, version, rtp_ppm, max_win_ppm, methods }: Descriptor) -> Self {
        let (id, title, version) = (id.to_owned(), title.to_owned(), version.to_owned());
        Self { id, title, version, rtp_ppm, max_win_ppm, methods: methods.into_iter().map(Into::into).collect() }
    }
}

impl From<Method> for types::Method {
    fn from(Method { name, summary, params_schema, result_schema }: Method) -> Self {
        Self {
            name: name.to_owned(),
            summary: summary.to_owned(),
            params_schema: params_schema.to_string(),
            result_schema: result_schema.to_string(),
        }
    }
}
