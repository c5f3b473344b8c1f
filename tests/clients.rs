//! `croupier client`: a client in TypeScript that compiles, and plays on a real host.

use std::{fs, path::Path, process::Command};

use serde_json::{Value, json};

use crate::{
    harness::{self, Host},
    javascript,
};

/// Plays, and prints what it has seen. What does not compile is marked: the types say what may be called with what.
const PLAYER: &str = r#"
import { RpcError, connect } from "./client.js";

declare const process: { argv: string[] };
const [url = "", token = ""] = process.argv.slice(2);
const client = connect({ url: url + "/", token: async () => token });

const spin = await client.fruitSlots.spin({ line_stake: 5 }, { idempotencyKey: "one" });
const again = await client.fruitSlots.spin({ line_stake: 5 }, { idempotencyKey: "one" });
const symbols: string[] = spin.window[0].map((symbol) => symbol);
const [stop]: [number, number, number, number, number] = spin.stops;

// @ts-expect-error a stake is a number
const wrong = () => client.fruitSlots.spin({ line_stake: "5" });
// @ts-expect-error the method needs its params
const missing = () => client.fruitSlots.spin({});
// @ts-expect-error there is no such method
const unknown = () => client.fruitSlots.fly({});
// @ts-expect-error a kind of bet is one of a few
const kind = () => client.roulette.spin({ bets: [{ kind: "sideways", stake: 1 }] });

const caught = async (call: Promise<unknown>) => {
  try {
    await call;
    return undefined;
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    return { code: error.code, reason: error.reason, data: error.data };
  }
};
const conflict = await caught(client.fruitSlots.spin({ line_stake: 6 }, { idempotencyKey: "one" }));
const fault = await caught(client.blackjack.hit());
const invalid = await caught(client.roulette.spin({ bets: [] }));

const [wheel, balance, nothing] = await client.batch((calls) =>
  Promise.all([
    calls.roulette.spin({ bets: [{ kind: "straight", number: 17, stake: 50 }, { kind: "red", stake: 100 }] }),
    calls.wallet.balance(),
    caught(calls.blackjack.stand()),
  ]),
);
const number: number = wheel.number;
const games = (await client.game.list()).map(({ game }) => game);
const rounds = (await client.round.list({ limit: 5 })).rows.length;
console.log(
  JSON.stringify({ same: JSON.stringify(spin) === JSON.stringify(again), symbols: symbols.length, stop, conflict, fault, invalid,
    number, balance, nothing, games, rounds, unused: [wrong, missing, unknown, kind].length }),
);
"#;

fn written(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_croupier"));
    let output = command.arg("client").args(arguments).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// `tsc`, as strict as it can be.
fn compile(folder: &Path, files: &[&str]) {
    let tsc = harness::root().join("sdk/js/node_modules/typescript/bin/tsc");
    let options = "--strict --noUncheckedIndexedAccess --exactOptionalPropertyTypes --noUnusedLocals --noImplicitOverride \
                   --target es2022 --module nodenext --lib es2022,dom";
    let options = options.split_whitespace();
    let compiled = Command::new("node").arg(tsc).args(options).args(files).current_dir(folder).output().unwrap();
    assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stdout));
}

#[test]
fn a_client_compiles_and_plays() {
    let plinko = javascript::plinko();
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("package.json", r#"{ "type": "module" }"#);
    let host = Host::start();
    let url = format!("http://{}", host.address());
    written(folder.path(), &["--lang", "ts", "--host", &url, "--output", "client.ts"]);
    written(folder.path(), &["--lang", "ts", plinko.to_str().unwrap(), "--output", "plinko.ts"]);
    write("play.ts", PLAYER);
    compile(folder.path(), &["play.ts", "plinko.ts"]);

    let token = host.player("alice", 10_000);
    let played = Command::new("node").args(["play.js", &url, &token]).current_dir(folder.path()).output().unwrap();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let seen: Value = serde_json::from_slice(&played.stdout).unwrap();
    assert_eq!((&seen["same"], &seen["symbols"]), (&json!(true), &json!(5)));
    assert_eq!(seen["conflict"]["reason"], "idempotency_conflict");
    assert_eq!((&seen["fault"]["code"], &seen["nothing"]["code"]), (&json!(1), &json!(1)));
    assert_eq!((&seen["invalid"]["code"], &seen["invalid"]["data"]["pointer"]), (&json!(-32602), &json!("/bets")));
    assert!(seen["number"].as_u64().is_some_and(|number| number <= 36), "{seen}");
    assert_eq!(seen["games"], json!(["blackjack", "fruit-slots", "roulette"]));
    assert_eq!(seen["balance"]["balance"].as_u64(), Some(host.balance(&token)));
}

#[test]
fn a_document_makes_the_same_client_wherever_it_comes_from() {
    let folder = tempfile::tempdir().unwrap();
    let components: Vec<_> =
        ["blackjack", "fruit-slots", "roulette"].map(|game| harness::GAMES.join(format!("{game}.wasm"))).into();
    let components: Vec<_> = components.iter().map(|path| path.to_str().unwrap()).collect();
    let document = written(folder.path(), &[&["--lang", "openrpc"], &components[..]].concat());
    fs::write(folder.path().join("openrpc.json"), &document).unwrap();
    let of_file = written(folder.path(), &["--openrpc", "openrpc.json"]);
    assert_eq!(of_file, written(folder.path(), &components));
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!(document["openrpc"], "1.3.2");
}
