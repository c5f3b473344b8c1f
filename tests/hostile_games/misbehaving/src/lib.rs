//! A game that misbehaves: every method is one way to break the contract, to ask for too much, or to fail.
//! `tests/hostile.rs` says how the host answers each.
#![cfg(target_arch = "wasm32")]

mod bindings {
    // The oldest contract: what was built against it must go on as it was.
    wit_bindgen::generate!({ path: "../../../wit/released/game-0.1.0.wit", world: "casino-game" });
}
mod computing;
mod data;
mod drawing;
mod money;
mod replies;

use std::panic;

use self::bindings::{
    croupier::game::{
        log,
        types::{Call, Descriptor, Fault, Method, Refusal, Reply},
    },
    exports::croupier::game::game::Guest,
};

/// A way to misbehave.
type Act = fn() -> Result<Reply, Fault>;

struct Misbehaving;

impl Guest for Misbehaving {
    fn describe() -> Descriptor {
        Descriptor {
            id: "misbehaving".to_owned(),
            title: "Misbehaving".to_owned(),
            version: "1.0.0".to_owned(),
            rtp_ppm: 0,
            max_win_ppm: 0,
            methods: acts().map(|(name, _)| method(name)).collect(),
        }
    }

    fn handle(call: Call) -> Result<Reply, Fault> {
        panic::set_hook(Box::new(|panic| log::write("panic", &panic.to_string())));
        let (_, act) = acts().find(|(name, _)| *name == call.method).expect("only what describe lists is called");
        act()
    }
}

fn acts() -> impl Iterator<Item = (&'static str, Act)> {
    [computing::ACTS, data::ACTS, drawing::ACTS, money::ACTS, replies::ACTS].into_iter().flatten().copied()
}

fn method(name: &str) -> Method {
    Method {
        name: name.to_owned(),
        summary: "Misbehaves.".to_owned(),
        params_schema: r#"{"type":"object"}"#.to_owned(),
        result_schema: "{}".to_owned(),
    }
}

fn reply(body: impl Into<String>) -> Result<Reply, Fault> {
    Ok(Reply { body: body.into(), round_open: false })
}

/// A game's ordinary answer to a refusal: a fault that names it.
const REFUSED: i32 = 7;

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        Self { code: REFUSED, message: refusal.code, data: None }
    }
}

bindings::export!(Misbehaving with_types_in bindings);
