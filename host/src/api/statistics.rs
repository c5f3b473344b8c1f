//! The operator's statistics: `stats.*`. They come from the tracking store alone.

use std::{collections::BTreeMap, ops::Range, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::host_method::HostMethods;
use crate::{
    errors::{ErrorReply, HostError},
    facts::{Period, Reduced, Returns, Rollup},
    identity::{GameId, ReleaseDigest, ViewName},
    json::Json,
    limits::{STATS_DAYS_MAX, STATS_PERIODS_MAX, STATS_ROWS_MAX},
    money::Currency,
    rpc::SchemaError,
    store::StoreError,
    tracking::{Counted, EventCount, Group, Series, Total, TrackingStore, ViewQuery},
};

/// Answers `stats.*`; with an error where nothing is tracked.
pub(super) struct Statistics {
    store: Option<Arc<dyn TrackingStore>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct GamesParams {
    /// Only this game.
    #[serde(default)]
    game: Option<GameId>,
    /// Only hours that begin at this time or later, in Unix milliseconds. All time without it and `to`.
    #[serde(default)]
    from: Option<u64>,
    /// Only hours that begin before this time, in Unix milliseconds.
    #[serde(default)]
    to: Option<u64>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RollupParams {
    /// The game.
    game: GameId,
    /// One of its releases; all of them together without it.
    #[serde(default)]
    release: Option<ReleaseDigest>,
    /// By the hour or by the day, in UTC.
    by: By,
    /// Those that begin at this time or later, in Unix milliseconds.
    from: u64,
    /// Those that begin before this time, in Unix milliseconds: at most 1000 of them.
    to: u64,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct EventsParams {
    /// The game.
    game: GameId,
    /// One of its releases; all of them together without it.
    #[serde(default)]
    release: Option<ReleaseDigest>,
    /// Only events of this name.
    #[serde(default)]
    name: Option<String>,
    /// By the hour or by the day, in UTC; of all time without it.
    #[serde(default)]
    by: Option<By>,
    /// Those that begin at this time or later, in Unix milliseconds; needs `by`.
    #[serde(default)]
    from: Option<u64>,
    /// Those that begin before this time, in Unix milliseconds: at most 1000 of them.
    #[serde(default)]
    to: Option<u64>,
    /// Rows wanted.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = STATS_ROWS_MAX))]
    limit: usize,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ViewParams {
    /// The view, as the configuration declares it.
    name: ViewName,
    /// Only groups whose keys begin with these values.
    #[serde(default)]
    prefix: Vec<Value>,
    /// Only groups behind this key: the `next` of the page before.
    #[serde(default)]
    after: Option<Vec<Value>>,
    /// Groups wanted.
    #[serde(default = "default_rows")]
    #[schemars(range(min = 1, max = STATS_ROWS_MAX))]
    limit: usize,
}

const fn default_rows() -> usize {
    100
}

/// Hours or days.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum By {
    Hour,
    Day,
}

impl From<By> for Period {
    fn from(by: By) -> Self {
        match by {
            By::Hour => Self::Hour,
            By::Day => Self::Day,
        }
    }
}

/// What is counted of every game, in the order of their ids.
#[derive(Serialize, JsonSchema)]
struct GamesAnswer {
    games: Vec<GameRow>,
    /// Whether everything is counted: not while it is counted anew.
    complete: bool,
}

#[derive(Serialize, JsonSchema)]
struct GameRow {
    game: GameId,
    #[serde(flatten)]
    counts: Counts,
}

/// A game by the hour or by the day.
#[derive(Serialize, JsonSchema)]
struct RollupAnswer {
    /// Oldest first; those in which nothing happened are left out.
    rows: Vec<RollupRow>,
    /// Whether everything is counted: not while it is counted anew.
    complete: bool,
}

#[derive(Serialize, JsonSchema)]
struct RollupRow {
    /// When it begins, in Unix milliseconds.
    from: u64,
    #[serde(flatten)]
    counts: Counts,
}

/// What is counted.
#[derive(Serialize, JsonSchema)]
struct Counts {
    /// Rounds that were closed.
    rounds: u64,
    /// Their money, by currency.
    currencies: BTreeMap<Currency, Money>,
    /// Different players; null where they are too many to be counted for this range.
    players: Option<u64>,
    /// Different sessions; null where they are too many to be counted for this range.
    sessions: Option<u64>,
    /// Whether players and sessions are estimates, within some percent; left out where they are not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
    /// Void steps, by the reason.
    faults: BTreeMap<String, u64>,
    /// Events of all names.
    events: u64,
}

/// The money of rounds that were closed.
#[derive(Serialize, JsonSchema)]
struct Money {
    /// How many there are.
    rounds: u64,
    /// Stakes less refunds, in minor units.
    staked: u128,
    /// Payouts, in minor units.
    paid: u128,
    /// The return to players: payouts over stakes; null where nothing was staked.
    rtp: Option<f64>,
    /// Between these two lies the game's return with 99 % confidence, as far as it can be told from these rounds.
    rtp_low: Option<f64>,
    /// See `rtp_low`.
    rtp_high: Option<f64>,
}

/// Events of a game, by time and name.
#[derive(Serialize, JsonSchema)]
struct EventsAnswer {
    rows: Vec<EventRow>,
    /// Whether everything is counted: not while it is counted anew.
    complete: bool,
}

#[derive(Serialize, JsonSchema)]
struct EventRow {
    /// When the hour or day begins, in Unix milliseconds; 0 for all time.
    from: u64,
    /// What the game calls it.
    name: String,
    /// How often.
    count: u64,
}

/// Groups of a view, in the order of their keys' JSON text.
#[derive(Serialize, JsonSchema)]
struct ViewAnswer {
    rows: Vec<GroupRow>,
    /// The `after` of the next page; null at the end.
    next: Option<Vec<Json>>,
    /// Whether everything is counted: not while it is counted anew.
    complete: bool,
}

#[derive(Serialize, JsonSchema)]
struct GroupRow {
    /// The values of the key's fields.
    key: Vec<Json>,
    /// What the group is reduced to.
    value: GroupValue,
    /// Whether the value is an estimate, within some percent; left out where it is not.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    estimated: bool,
}

/// A number, or all of a view's `stats`.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
enum GroupValue {
    Number(i128),
    Stats { count: u64, sum: i128, min: i64, max: i64, squares: u128 },
}

impl From<Reduced> for GroupValue {
    fn from(reduced: Reduced) -> Self {
        match reduced {
            Reduced::Count(count) | Reduced::Distinct(count) | Reduced::DistinctAbout(count) => {
                Self::Number(count.into())
            }
            Reduced::Sum(sum) => Self::Number(sum),
            Reduced::Stats { count, sum, min, max, squares } => Self::Stats { count, sum, min, max, squares },
        }
    }
}

pub(super) fn methods(methods: HostMethods) -> Result<HostMethods, SchemaError> {
    methods
        .with::<GamesParams, GamesAnswer>("stats.games", "Rounds, money, return, players and faults of every game.")?
        .with::<RollupParams, RollupAnswer>("stats.rollup", "The same of one game, by the hour or by the day.")?
        .with::<EventsParams, EventsAnswer>("stats.events", "How often a game has told of its own events.")?
        .with::<ViewParams, ViewAnswer>("stats.view", "What a view of the configuration has counted.")
}

impl Statistics {
    pub(super) fn new(store: Option<Arc<dyn TrackingStore>>) -> Self {
        Self { store }
    }

    /// Answers a method of [`methods`].
    pub(super) async fn answer(
        &self,
        methods: &HostMethods,
        method: &str,
        params: Map<String, Value>,
    ) -> Result<Json, ErrorReply> {
        match method {
            "stats.games" => json(&self.games(methods.read(method, params)?).await?),
            "stats.rollup" => json(&self.rollup(methods.read(method, params)?).await?),
            "stats.events" => json(&self.events(methods.read(method, params)?).await?),
            "stats.view" => json(&self.view(methods.read(method, params)?).await?),
            _ => Err(ErrorReply::method_not_found()),
        }
    }

    fn store(&self) -> Result<&dyn TrackingStore, ErrorReply> {
        self.store.as_deref().ok_or_else(|| HostError::TrackingDisabled.into())
    }

    async fn games(&self, params: GamesParams) -> Result<GamesAnswer, ErrorReply> {
        let GamesParams { game, from, to } = params;
        let range = match (from, to) {
            (None, None) => None,
            (Some(from), Some(to)) => Some(bounded(from..to, Period::Day, STATS_DAYS_MAX)?),
            (Some(_), None) => return Err(ErrorReply::invalid_params("/to", "from needs to")),
            (None, Some(_)) => return Err(ErrorReply::invalid_params("/from", "to needs from")),
        };
        let Counted { answer, complete } =
            self.store()?.totals(game, range).await.map_err(|error| unavailable(&error))?;
        Ok(GamesAnswer { games: answer.into_iter().map(game_row).collect(), complete })
    }

    async fn rollup(&self, params: RollupParams) -> Result<RollupAnswer, ErrorReply> {
        let RollupParams { game, release, by, from, to } = params;
        let period = Period::from(by);
        let series = Series { game, release, period, range: bounded(from..to, period, STATS_PERIODS_MAX)? };
        let Counted { answer, complete } = self.store()?.series(series).await.map_err(|error| unavailable(&error))?;
        let rows = answer.into_iter().map(|(from, rollup)| RollupRow { from, counts: counts(rollup, true) });
        Ok(RollupAnswer { rows: rows.collect(), complete })
    }

    async fn events(&self, params: EventsParams) -> Result<EventsAnswer, ErrorReply> {
        let EventsParams { game, release, name, by, from, to, limit } = params;
        let (period, range) = match (by, from, to) {
            (None, None, None) => (Period::Ever, 0..1),
            (Some(by), Some(from), Some(to)) => (by.into(), bounded(from..to, by.into(), STATS_PERIODS_MAX)?),
            _ => return Err(ErrorReply::invalid_params("/by", "by, from and to go together")),
        };
        let series = Series { game, release, period, range };
        let counted = self.store()?.events(series, name, limit).await.map_err(|error| unavailable(&error))?;
        let row = |EventCount { start_ms, name, count }| EventRow { from: start_ms, name, count };
        Ok(EventsAnswer { rows: counted.answer.into_iter().map(row).collect(), complete: counted.complete })
    }

    async fn view(&self, params: ViewParams) -> Result<ViewAnswer, ErrorReply> {
        let ViewParams { name, prefix, after, limit } = params;
        let texts = |values: Vec<Value>| values.iter().map(Value::to_string).collect::<Vec<_>>();
        let query = ViewQuery { prefix: texts(prefix), after: after.map(texts), groups_max: limit };
        let counted = self.store()?.view(name.clone(), query).await.map_err(|error| unavailable(&error))?;
        let Counted { answer, complete } = counted.ok_or(HostError::ViewNotFound { view: name })?;
        let is_full = answer.len() == limit;
        let rows = answer.into_iter().map(group_row).collect::<Result<Vec<_>, _>>()?;
        let next = rows.last().filter(|_| is_full).map(|row| row.key.clone());
        Ok(ViewAnswer { rows, next, complete })
    }
}

/// A range that is no longer than so many periods.
fn bounded(range: Range<u64>, period: Period, count_max: u64) -> Result<Range<u64>, ErrorReply> {
    if range.end < range.start {
        return Err(ErrorReply::invalid_params("/to", "to is before from"));
    }
    if range.end - range.start > count_max * period.length_ms() {
        let length = serde_json::to_string(&period).unwrap_or_default();
        return Err(ErrorReply::invalid_params(
            "/to",
            format!("from and to are at most {count_max} times {length} apart"),
        ));
    }
    Ok(range)
}

fn game_row(total: Total) -> GameRow {
    GameRow { game: total.game, counts: counts(total.rollup, total.members_counted) }
}

fn counts(rollup: Rollup, members_counted: bool) -> Counts {
    Counts {
        rounds: rollup.rounds(),
        currencies: rollup.returns.iter().map(|(currency, returns)| (*currency, money(returns))).collect(),
        players: members_counted.then_some(rollup.players),
        sessions: members_counted.then_some(rollup.sessions),
        estimated: members_counted && rollup.estimated,
        faults: rollup.faults,
        events: rollup.events,
    }
}

fn money(returns: &Returns) -> Money {
    let interval = returns.rtp_interval();
    Money {
        rounds: returns.rounds,
        staked: returns.staked,
        paid: returns.paid,
        rtp: returns.rtp(),
        rtp_low: interval.map(|interval| interval.low),
        rtp_high: interval.map(|interval| interval.high),
    }
}

fn group_row(group: Group) -> Result<GroupRow, ErrorReply> {
    let key = group.key.into_iter().map(Json::parse).collect::<Result<_, _>>();
    let estimated = matches!(group.value, Reduced::DistinctAbout(_));
    Ok(GroupRow { key: key.map_err(|_| ErrorReply::internal())?, value: group.value.into(), estimated })
}

fn json(answer: &impl Serialize) -> Result<Json, ErrorReply> {
    Json::of(answer).map_err(|_| ErrorReply::internal())
}

fn unavailable(error: &StoreError) -> ErrorReply {
    tracing::error!(%error, "statistics cannot be read");
    HostError::TrackingUnavailable.into()
}
