//! In process: whatever a game does in a step, what the host keeps of it stays small.

use std::{sync::Arc, time::Duration};

use croupier::{
    aggregate::Documents,
    chance::Seed,
    engine::{Answer, Call, Done, Engine, Malfunction, MayNotify, Release, Settings, Step},
    identity::{AggregateId, RoundId},
    json::Json,
    money::{Account, Amount, Ledger},
    rounds::RoundMoney,
};

use super::misbehaving;

/// Ample for every bound of a step together: documents, draws, transfers and effects.
const STEP_BYTES_MAX: usize = 1 << 20;

pub(super) fn patient_engine() -> Arc<Engine> {
    let settings = Settings { step_compute_max: Duration::from_secs(60), ..Settings::default() };
    Arc::new(Engine::start(settings).unwrap())
}

pub(crate) fn step(game: &str, method: &str) -> Step {
    let currency = "EUR".parse().unwrap();
    let mut ledger = Ledger::default();
    ledger.transfer(Account::Operator, Account::Player, currency, Amount::new(10_000).unwrap()).unwrap();
    let aggregate: AggregateId = "player/alice".parse().unwrap();
    Step {
        call: Call {
            player: "alice".parse().unwrap(),
            currency,
            locale: "en".parse().unwrap(),
            round: RoundId { aggregate, opened_by: 1 },
            round_calls: 0,
            now_ms: 0,
            method: method.to_owned(),
            params: Json::parse("{}".to_owned()).unwrap(),
        },
        money: RoundMoney::new(game.parse().unwrap(), currency, ledger, None),
        documents: Documents::default(),
        migrate_from: None,
        seed: Seed::from_bytes([7; 32]),
        may_notify: MayNotify::Granted(None),
    }
}

async fn play(engine: &Engine, release: &Release, method: &str) -> Done {
    engine.run(release, step("misbehaving", method)).await.unwrap()
}

#[tokio::test]
async fn what_a_step_leaves_behind_is_bounded() {
    let engine = patient_engine();
    let release = engine.load(misbehaving()).await.unwrap();
    for method in [
        "read_with_huge_keys",
        "delete_with_huge_keys",
        "read_keys_without_end",
        "delete_many_keys",
        "put_and_delete_many_keys",
        "shuffle_nothing_without_end",
        "shuffle_without_end",
        "draw_without_end",
        "documents_over_the_limit",
        "too_many_effects",
        "too_many_transfers",
    ] {
        let done = play(&engine, &release, method).await;
        let parts = [
            serde_json::to_string(&done.observed),
            serde_json::to_string(&done.written),
            serde_json::to_string(&done.draws),
            serde_json::to_string(&done.effects),
            serde_json::to_string(done.money.transfers()),
        ];
        let bytes = parts.map(|part| part.unwrap().len());
        assert!(bytes.iter().sum::<usize>() < STEP_BYTES_MAX, "{method} leaves {bytes:?} bytes");
    }
}

#[tokio::test]
async fn the_same_step_is_the_same_whenever_it_is_run() {
    let engine = patient_engine();
    let release = engine.load(misbehaving()).await.unwrap();
    for method in
        ["panic_after_draw", "fault_after_draw", "memory_bomb", "million_host_calls", "put_and_delete_many_keys"]
    {
        let (first, second) = (play(&engine, &release, method).await, play(&engine, &release, method).await);
        assert_eq!(format!("{:?}", first.answer), format!("{:?}", second.answer), "{method}");
        assert_eq!((first.draws, first.observed), (second.draws, second.observed), "{method}");
    }
}

/// The words by which these two are recognised are wasmtime's own and may change with it.
#[tokio::test]
async fn too_much_data_and_too_many_handles_are_told_apart() {
    let engine = patient_engine();
    let release = engine.load(misbehaving()).await.unwrap();
    let done = play(&engine, &release, "hand_over_too_much").await;
    assert!(matches!(done.answer, Err(Malfunction::TooMuchData(_))), "{:?}", done.answer);
    let leak = super::components::broken_when_played().into_iter().find(|(id, _)| *id == "handle-leak").unwrap().1;
    let release = engine.load(leak).await.unwrap();
    let done = engine.run(&release, step("handle-leak", "play")).await.unwrap();
    assert!(matches!(done.answer, Err(Malfunction::TooManyHandles)), "{:?}", done.answer);
}

#[tokio::test]
async fn an_honest_handmade_game_plays() {
    let engine = patient_engine();
    let release = engine.load(super::components::Handmade::default().component()).await.unwrap();
    let done = engine.run(&release, step("handmade", "play")).await.unwrap();
    let Ok(Answer::Reply { body, round_open: false }) = done.answer else { panic!("{:?}", done.answer) };
    assert_eq!(body.as_str(), r#""played""#);
}
