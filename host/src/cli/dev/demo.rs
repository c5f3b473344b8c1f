//! The demo player, and the lines to paste that play as them.

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::{catalog::Playable, examples, host::Host};

/// A player with money and a session.
pub(super) struct Demo {
    token: String,
    balance: Value,
}

impl Demo {
    const PLAYER: &str = "demo";
    const CURRENCY: &str = "EUR";

    pub(super) async fn prepare(host: &Host) -> anyhow::Result<Self> {
        let call = async |method: &str, params: Value| -> anyhow::Result<Value> {
            host.operator_call(method, params).await.with_context(|| format!("the demo player: {method}"))
        };
        call("player.create", json!({ "player": Self::PLAYER })).await?;
        let welcome = json!({
            "player": Self::PLAYER, "currency": Self::CURRENCY, "amount": 1_000_000,
            "reason": "welcome", "idempotency_key": "welcome",
        });
        let player = call("player.get", json!({ "player": Self::PLAYER })).await?;
        if player["balances"].get(Self::CURRENCY).is_none() {
            call("wallet.deposit", welcome).await?;
        }
        let session = json!({ "player": Self::PLAYER, "currency": Self::CURRENCY, "ttl_s": 30 * 24 * 60 * 60 });
        let session = call("session.open", session).await?;
        let player = call("player.get", json!({ "player": Self::PLAYER })).await?;
        let token = session["token"].as_str().context("a session has a token")?.to_owned();
        Ok(Self { token, balance: player["balances"][Self::CURRENCY].clone() })
    }

    /// Says what is played, and how to.
    pub(super) fn print(&self, address: &str, operator_token: &str, host: &Host) {
        let games = host.catalog().playables();
        let names: Vec<_> = games.iter().map(|game| game.release.descriptor().id.to_string()).collect();
        println!("\nplaying {} on {address} (Ctrl-C stops)", names.join(", "));
        println!("player '{}' has {} minor units of {}. Paste these:\n", Self::PLAYER, self.balance, Self::CURRENCY);
        println!("TOKEN={}\nOPERATOR={operator_token}", self.token);
        for game in games {
            println!("\n# {}", game.release.descriptor().title);
            for (method, params) in calls(&game) {
                println!("{}", line(address, Side::Player, &method, &params));
            }
        }
        println!("\n# The player's money and rounds, every method there is, the books");
        for (side, method, params) in [
            (Side::Player, "wallet.balance", json!({})),
            (Side::Player, "round.list", json!({ "limit": 5 })),
            (Side::Player, "rpc.discover", json!({})),
            (Side::Operator, "ledger.check", json!({})),
            (Side::Operator, "stats.games", json!({})),
        ] {
            println!("{}", line(address, side, method, &params));
        }
        println!();
    }
}

#[derive(Clone, Copy)]
enum Side {
    Player,
    Operator,
}

/// A call of each method of a game, as its schema has it.
fn calls(game: &Playable) -> impl Iterator<Item = (String, Value)> {
    let descriptor = game.release.descriptor();
    descriptor.methods.iter().filter_map(move |method| {
        let (params, _) = game.schemas(&method.name)?;
        Some((format!("{}.{}", descriptor.id, method.name), examples::plain(params)))
    })
}

fn line(address: &str, side: Side, method: &str, params: &Value) -> String {
    let (path, token) = match side {
        Side::Player => ("/rpc", "TOKEN"),
        Side::Operator => ("/operator", "OPERATOR"),
    };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    // Within the quotes of a shell.
    let body = body.to_string().replace('\'', "'\\''");
    format!("curl -s {address}{path} -H \"Authorization: Bearer ${token}\" -d '{body}'")
}
