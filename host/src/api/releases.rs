//! The operator's methods on games and their releases: `game.*`.

use std::sync::Arc;

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{host_method::HostMethods, player::Nothing};
use crate::{
    catalog::{self, Activation, Catalog, CatalogError, LiveGame, Refusal, Upload, motive},
    clock,
    engine::LoadError,
    errors::{ErrorReply, HostError},
    identity::{GameId, PublisherName, ReleaseDigest},
    json::Json,
    limits::{ACTS_PAGE_MAX, REASON_CHARACTERS_MAX},
    listing::{Act, Actor, Candidate, ListedRelease, ListingError, Motive},
    rpc::SchemaError,
    signing::SignatureError,
    store::StoreError,
};

/// Answers `game.*`.
pub(super) struct Releases {
    catalog: Arc<Catalog>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct PublishParams {
    /// The component, in Base64.
    component: String,
    /// The text of its signature's file.
    #[serde(default)]
    signature: Option<String>,
    /// Whether new rounds are to be opened on it at once.
    #[serde(default)]
    activate: bool,
    /// Only those of this share of players: as a candidate.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    percent: Option<u8>,
    /// The reason, for the game's history.
    #[serde(default)]
    #[schemars(length(max = REASON_CHARACTERS_MAX))]
    why: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActivateParams {
    /// The game.
    game: GameId,
    /// One of its releases.
    release: ReleaseDigest,
    /// The share of players whose new rounds are opened on it; all without one.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    percent: Option<u8>,
    /// The reason, for the game's history.
    #[serde(default)]
    #[schemars(length(max = REASON_CHARACTERS_MAX))]
    why: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ActParams {
    /// The game.
    game: GameId,
    /// The reason, for the game's history.
    #[serde(default)]
    #[schemars(length(max = REASON_CHARACTERS_MAX))]
    why: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct RollbackParams {
    /// The game.
    game: GameId,
    /// What is to be given up, if only that: a rollback that is asked for again does not lead back again.
    #[serde(default)]
    from: Option<ReleaseDigest>,
    /// The reason, for the game's history.
    #[serde(default)]
    #[schemars(length(max = REASON_CHARACTERS_MAX))]
    why: Option<String>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct ReleasesParams {
    /// The game.
    game: GameId,
    /// Only acts before this one.
    #[serde(default)]
    before: Option<u64>,
    /// Acts wanted.
    #[serde(default = "default_acts")]
    #[schemars(range(min = 1, max = ACTS_PAGE_MAX))]
    limit: u64,
}

const fn default_acts() -> u64 {
    100
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct VerifyParams {
    /// Only this game.
    #[serde(default)]
    game: Option<GameId>,
}

/// What became of an upload.
#[derive(Serialize, JsonSchema)]
struct PublishedRow {
    game: GameId,
    /// The designer's version.
    version: String,
    release: ReleaseDigest,
    /// Whether it was unknown until now.
    new: bool,
    /// Whether it is the active release.
    active: bool,
    /// Whose signature the game's further releases need.
    owner: Option<PublisherName>,
    /// From the upload to its being live, in milliseconds.
    elapsed_ms: u64,
}

/// A game as it is played.
#[derive(Serialize, JsonSchema)]
struct GameState {
    game: GameId,
    /// The name of its active release, or of its newest.
    title: String,
    /// The designer's version of that release.
    version: String,
    /// What new rounds are opened on.
    active: Option<ReleaseDigest>,
    /// What a share of players opens them on instead.
    candidate: Option<Candidate>,
    /// Whether no new rounds are taken.
    disabled: bool,
    /// Why the active release or the candidate cannot be played, if that is so.
    problem: Option<String>,
    /// Whose signature further releases need.
    owner: Option<PublisherName>,
    /// How many releases there are.
    releases: usize,
}

/// The releases of a game, oldest first, and what was done with them, newest first.
#[derive(Serialize, JsonSchema)]
struct GameReleases {
    releases: Vec<ListedRelease>,
    history: Vec<Act>,
}

/// Whether a release's bytes are what was published.
#[derive(Serialize, JsonSchema)]
struct VerifiedRow {
    game: GameId,
    release: ReleaseDigest,
    intact: bool,
    /// Why it is out of service or could not be verified, if that is so.
    reason: Option<String>,
}

pub(super) fn methods(methods: HostMethods) -> Result<HostMethods, SchemaError> {
    methods
        .with::<Nothing, Vec<GameState>>("game.list", "Every game, as it is played.")?
        .with::<ReleasesParams, GameReleases>("game.releases", "A game's releases, and what was done with them.")?
        .with::<PublishParams, PublishedRow>(
            "game.publish",
            "Takes in a release once everything about it was checked; safe to repeat.",
        )?
        .with::<ActivateParams, GameState>(
            "game.activate",
            "Has new rounds opened on a release: all, or a share of players'. Open rounds stay where they are.",
        )?
        .with::<RollbackParams, GameState>("game.rollback", "Drops the candidate, else goes back to the release before.")?
        .with::<ActParams, GameState>("game.disable", "Takes no new rounds; open ones may finish.")?
        .with::<ActParams, GameState>("game.enable", "Takes new rounds again.")?
        .with::<VerifyParams, Vec<VerifiedRow>>(
            "game.verify",
            "Proves the bytes of releases: those that have changed go out of service, those that are right again come back.",
        )
}

impl Releases {
    pub(super) fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog }
    }

    /// Answers a method of [`methods`].
    pub(super) async fn answer(
        &self,
        methods: &HostMethods,
        method: &str,
        params: Map<String, Value>,
    ) -> Result<Json, ErrorReply> {
        match method {
            "game.list" => {
                let Nothing {} = methods.read(method, params)?;
                reply(&self.catalog.live().values().map(|game| GameState::of(game)).collect::<Vec<_>>())
            }
            "game.releases" => self.releases(methods.read(method, params)?).await,
            "game.publish" => self.publish(methods.read(method, params)?).await,
            "game.activate" => {
                let ActivateParams { game, release, percent, why } = methods.read(method, params)?;
                let activation = Activation { percent };
                state(self.catalog.activate(&game, release, activation, operators(why)).await)
            }
            "game.rollback" => {
                let RollbackParams { game, from, why } = methods.read(method, params)?;
                state(self.catalog.roll_back(&game, from, operators(why)).await)
            }
            "game.disable" | "game.enable" => {
                let ActParams { game, why } = methods.read(method, params)?;
                state(self.catalog.set_disabled(&game, method == "game.disable", operators(why)).await)
            }
            "game.verify" => self.verify(methods.read(method, params)?).await,
            _ => Err(ErrorReply::method_not_found()),
        }
    }

    async fn publish(&self, params: PublishParams) -> Result<Json, ErrorReply> {
        let PublishParams { component, signature, activate, percent, why } = params;
        if percent.is_some() && !activate {
            return Err(ErrorReply::invalid_params("/percent", "percent needs activate"));
        }
        // Tens of megabytes, beside what is played.
        let decoding = tokio::task::spawn_blocking(move || BASE64.decode(component.as_bytes())).await;
        let component = decoding
            .map_err(|_| ErrorReply::internal())?
            .map_err(|error| ErrorReply::invalid_params("/component", error.to_string()))?;
        let upload = Upload { component: component.into(), signature };
        let activation = activate.then_some(Activation { percent });
        let published = self.catalog.publish(upload, activation, operators(why)).await.map_err(error_reply)?;
        let listing = &published.game.listing;
        let listed = listing.release(&published.release).map_err(|_| ErrorReply::internal())?;
        reply(&PublishedRow {
            game: listing.game.clone(),
            version: listed.version.clone(),
            release: published.release,
            new: published.new,
            active: listing.active == Some(published.release),
            owner: listing.owner.clone(),
            elapsed_ms: clock::milliseconds(published.elapsed),
        })
    }

    async fn releases(&self, params: ReleasesParams) -> Result<Json, ErrorReply> {
        let ReleasesParams { game, before, limit } = params;
        let (game, history) = self.catalog.history(&game, before, limit).await.map_err(error_reply)?;
        reply(&GameReleases { releases: game.listing.releases.clone(), history })
    }

    async fn verify(&self, params: VerifyParams) -> Result<Json, ErrorReply> {
        let verified = self.catalog.verify(params.game.as_ref()).await.map_err(error_reply)?;
        let rows = verified.into_iter().map(|catalog::Verified { game, release, problem }| VerifiedRow {
            game,
            release,
            intact: problem.is_none(),
            reason: problem,
        });
        reply(&rows.collect::<Vec<_>>())
    }
}

impl GameState {
    fn of(game: &LiveGame) -> Self {
        let listing = &game.listing;
        let active = listing.active.and_then(|active| listing.release(&active).ok());
        let shown = active.or(listing.releases.last());
        Self {
            game: listing.game.clone(),
            title: shown.map(|release| release.title.clone()).unwrap_or_default(),
            version: shown.map(|release| release.version.clone()).unwrap_or_default(),
            active: listing.active,
            candidate: listing.candidate,
            disabled: listing.disabled,
            problem: game.problem(),
            owner: listing.owner.clone(),
            releases: listing.releases.len(),
        }
    }
}

fn operators(why: Option<String>) -> Motive {
    motive(Actor::Operator, why)
}

fn state(done: Result<Arc<LiveGame>, CatalogError>) -> Result<Json, ErrorReply> {
    reply(&GameState::of(&*done.map_err(error_reply)?))
}

fn reply(value: &impl Serialize) -> Result<Json, ErrorReply> {
    Json::of(value).map_err(|_| ErrorReply::internal())
}

fn error_reply(error: CatalogError) -> ErrorReply {
    let detail = error.to_string();
    match error {
        CatalogError::Refused(refusal) => HostError::ReleaseRefused { cause: cause_of_refusal(&refusal), detail },
        CatalogError::Listing(ListingError::OtherOwner { .. }) => {
            HostError::ReleaseRefused { cause: "other_owner", detail }
        }
        CatalogError::Listing(error) => HostError::ActRefused { cause: cause_of_listing(&error), detail },
        CatalogError::NotLoaded { .. } => HostError::ActRefused { cause: "not_loaded", detail },
        CatalogError::UnknownGame(game) => HostError::GameNotFound { game },
        CatalogError::Contended => HostError::ActRefused { cause: "contended", detail },
        CatalogError::Store(error) => {
            tracing::error!(%error, "an act on a game was not done");
            let cause = match error {
                StoreError::Full(_) => "store_full",
                StoreError::Unavailable(_) => "store_unavailable",
                StoreError::Corrupt(_) => "store_corrupt",
            };
            HostError::ActRefused { cause, detail }
        }
    }
    .into()
}

fn cause_of_refusal(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Unsigned => "unsigned",
        Refusal::Signature(error) => match error {
            SignatureError::UnknownKey(_) => "unknown_key",
            SignatureError::Malformed(_)
            | SignatureError::UnknownFormat(_)
            | SignatureError::OtherRelease { .. }
            | SignatureError::DoesNotVerify { .. } => "wrong_signature",
        },
        Refusal::Component(error) => match error {
            LoadError::TooLarge { .. } => "too_large",
            LoadError::CompileTooSlow => "compile_too_slow",
            LoadError::NotAComponent(_) => "not_a_component",
            LoadError::ForbiddenImport(_) => "forbidden_import",
            LoadError::IncompatibleContract { .. } => "incompatible_contract",
            LoadError::ContractMismatch(_) => "contract_mismatch",
            LoadError::NotCompiled(_) => "not_compiled",
            LoadError::DescribeFailed(_) => "describe_failed",
            LoadError::BadDescriptor(_) => "bad_descriptor",
        },
    }
}

fn cause_of_listing(error: &ListingError) -> &'static str {
    match error {
        ListingError::OtherOwner { .. } => "other_owner",
        ListingError::UnknownRelease { .. } => "unknown_release",
        ListingError::Broken { .. } => "broken",
        ListingError::NothingBeside => "nothing_beside",
        ListingError::NothingBefore(_) => "nothing_before",
        ListingError::MovedOn { .. } => "moved_on",
    }
}
