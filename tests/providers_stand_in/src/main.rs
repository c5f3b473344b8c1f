//! The stand-in as a process, for measurements and for clients in other languages.
//!
//! `providers-stand-in [SETTINGS]` reads its settings from a JSON file (see [`providers_stand_in::Settings`]; none are
//! needed), writes its addresses as one line of JSON, and runs until it is killed. Besides the providers' own paths it
//! takes, without authentication, `GET /counts`, `GET /accepted` (each notification that was taken, and how often),
//! `DELETE /counts`, and `PUT /faults` or `PUT /faults/email|push|social|webhook` (see [`providers_stand_in::Faults`]).
//! Each connection is a file descriptor: for ten thousand at once, `ulimit -n` must be above that.

use std::{env, error::Error, fs};

use providers_stand_in::{Settings, StandIn};
use serde_json::json;

// One thread: it is to leave the others to what is measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = match env::args().nth(1) {
        Some(path) => serde_json::from_slice(&fs::read(path)?)?,
        None => Settings::default(),
    };
    let stand_in = StandIn::start(settings).await?;
    println!("{}", json!({"url": stand_in.url(), "webhook_url": stand_in.webhook_url()}));
    stand_in.run().await;
    Ok(())
}
