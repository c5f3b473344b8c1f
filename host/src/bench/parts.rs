//! Where a step's time goes, in process: the instance, the game, its host calls, and the commit.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hdrhistogram::Histogram;

use super::{DEPOSIT, GAME, Plan, progress};
use crate::{
    aggregate::Documents,
    catalog::{Activation, Catalog, Upload, motive},
    chance::Seed,
    config::Config,
    engine::{Answer, Call, Engine, MayNotify, Step},
    fairness::FairGames,
    identity::{AggregateId, PlayerId, RoundId, SessionId},
    json::Json,
    listing::Actor,
    money::{Account, Amount, Currency, Ledger},
    record::Destinations,
    rounds::RoundMoney,
    steps::{PaymentRequest, PlayRequest, Request, SessionRequest, Steps},
    store::{Embedded, Store},
};

/// Where a step's time goes, in nanoseconds.
#[derive(Debug)]
pub(super) struct Parts {
    /// A step without HTTP and store.
    pub(super) step: Histogram<u64>,
    /// Of which: making the instance.
    pub(super) instantiate: Histogram<u64>,
    /// Of which: in the game, without its host calls.
    pub(super) guest: Histogram<u64>,
    /// Of which: in host calls.
    pub(super) host_calls: Histogram<u64>,
    /// A whole step with its durable commit, one after the other.
    pub(super) committed: Histogram<u64>,
    /// A typical reply.
    pub(super) reply_bytes: usize,
}

pub(super) async fn measure(plan: &Plan) -> anyhow::Result<Parts> {
    let directory = tempfile::tempdir_in(&plan.directory)?;
    let config = Config::default();
    let engine = Arc::new(Engine::start(config.engine(directory.path().join("artefacts")))?);
    let game = super::game(plan, &engine).await?;

    let new = || Histogram::<u64>::new(3);
    let (mut step, mut instantiate, mut guest, mut host_calls) = (new()?, new()?, new()?, new()?);
    let bar = progress(u64::from(plan.steps), "steps in process");
    let mut reply_bytes = Vec::new();
    for number in 0..plan.steps {
        let begun = Instant::now();
        engine.run(&game.release, a_step(number)?).await?;
        step.record(nanoseconds(begun.elapsed()))?;
        // Measuring host calls costs something itself: it is done on other steps than those timed as a whole.
        let done = engine.run_measured(&game.release, a_step(number)?).await?;
        instantiate.record(nanoseconds(done.timing.instantiate))?;
        guest.record(nanoseconds(done.timing.guest - done.timing.host_calls))?;
        host_calls.record(nanoseconds(done.timing.host_calls))?;
        if let Ok(Answer::Reply { body, .. }) = done.answer {
            reply_bytes.push(body.as_str().len());
        }
        if number % 256 == 0 {
            bar.set_position(u64::from(number));
        }
    }
    bar.finish_and_clear();
    reply_bytes.sort_unstable();
    let reply_bytes = reply_bytes.get(reply_bytes.len() / 2).copied().unwrap_or_default();
    let store = Arc::new(Embedded::open(&config.embedded_store(directory.path().join("store")))?);
    let catalog = Catalog::open(engine.clone(), store.clone(), config.catalog()?).await?;
    let upload = Upload { component: super::component(plan)?, signature: None };
    catalog.publish(upload, Some(Activation::default()), motive(Actor::Operator, None)).await?;
    let committed = measure_committed(plan, engine, catalog, store.clone()).await?;
    store.close().await;
    Ok(Parts { step, instantiate, guest, host_calls, committed, reply_bytes })
}

/// One player alone: every step waits for its own commit.
async fn measure_committed(
    plan: &Plan,
    engine: Arc<Engine>,
    catalog: Arc<Catalog>,
    store: Arc<Embedded>,
) -> anyhow::Result<Histogram<u64>> {
    let steps = Steps::new(store, engine, catalog, Destinations::default(), Arc::default(), FairGames::none());
    let id = AggregateId::player(&player()?);
    let outcome = async |request: Request, key: Option<&str>| {
        let key = key.map(str::parse).transpose()?;
        steps.submit(&id, request, key).await.map_err(|error| anyhow::anyhow!("{}", error.message))
    };
    outcome(Request::Create, None).await?;
    let payment = PaymentRequest { currency: currency()?, amount: Amount::new(DEPOSIT)?, reason: None };
    outcome(Request::Deposit(payment), Some("deposit")).await?;
    let session = SessionRequest { currency: currency()?, locale: "en".parse()?, ttl_ms: 86_400_000 };
    let opened: serde_json::Value = serde_json::from_str(outcome(Request::OpenSession(session), None).await?.as_str())?;
    let session: SessionId = opened["session"].as_str().unwrap_or_default().parse()?;
    let params = serde_json::json!({ "line_stake": 5 });
    let mut committed = Histogram::<u64>::new(3)?;
    for _ in 0..plan.steps / 20 {
        let method = "spin".to_owned();
        let play = PlayRequest { session: session.clone(), game: GAME.parse()?, method, params: params.clone() };
        let begun = Instant::now();
        let played = outcome(Request::Play(play), None).await;
        committed.record(nanoseconds(begun.elapsed()))?;
        if played.is_err() {
            // Free spins wait: they are played out, and not measured.
            let method = "free_spin".to_owned();
            let params = serde_json::json!({});
            let free = PlayRequest { session: session.clone(), game: GAME.parse()?, method, params };
            outcome(Request::Play(free), None).await?;
        }
    }
    Ok(committed)
}

fn a_step(number: u32) -> anyhow::Result<Step> {
    let (player, currency) = (player()?, currency()?);
    let mut ledger = Ledger::default();
    ledger.transfer(Account::Operator, Account::Player, currency, Amount::new(DEPOSIT)?)?;
    let mut seed = [7; 32];
    seed[..4].copy_from_slice(&number.to_le_bytes());
    let call = Call {
        round: RoundId { aggregate: AggregateId::player(&player), opened_by: 1 },
        player,
        currency,
        locale: "en".parse()?,
        round_calls: 0,
        now_ms: 1_700_000_000_000,
        method: "spin".to_owned(),
        params: Json::parse(r#"{"line_stake":5}"#.to_owned())?,
    };
    let money = RoundMoney::new(GAME.parse()?, currency, ledger, None);
    Ok(Step {
        call,
        money,
        documents: Documents::default(),
        migrate_from: None,
        seed: Seed::from_bytes(seed),
        may_notify: MayNotify::Granted(None),
    })
}

fn player() -> anyhow::Result<PlayerId> {
    Ok("player-0".parse()?)
}

fn currency() -> anyhow::Result<Currency> {
    Ok("EUR".parse()?)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
