//! Every bound of the host in one place, with its unit last. What an operator may want to change is in
//! [`crate::config`]; these hold for everyone, because records written under them must stay readable.

/// How many of an aggregate's newest keyed steps are remembered, so that a retry is answered and not run again.
/// More than a batch may hold, so that a whole batch can be retried.
pub const IDEMPOTENCY_WINDOW_STEPS: usize = 128;

/// Sessions open at once for one player; one more closes the one that expires first.
pub const SESSIONS_OPEN_MAX: usize = 8;

/// All documents of one game for one player, keys and values together.
pub const DOCUMENTS_BYTES_MAX: usize = 16 * 1024;

/// A document's key.
pub const DOCUMENT_KEY_BYTES_MAX: usize = 64;

/// A player's part of a pair of seeds, in fair play.
pub const CLIENT_SEED_BYTES_MAX: usize = 64;

/// A game's answer, or a fault's message and data together.
pub const REPLY_BYTES_MAX: usize = 64 * 1024;

/// Transfers of one step.
pub const STEP_TRANSFERS_MAX: usize = 256;

/// Draws of one step; a shuffle counts once for each element but the last, and at least once.
pub const STEP_DRAWS_MAX: usize = 4096;

/// Weights of one weighted draw, and elements of one shuffle.
pub const DRAW_CHOICES_MAX: usize = 1024;

/// Effects of one step.
pub const STEP_EFFECTS_MAX: usize = 32;

/// The JSON of one effect.
pub const EFFECT_BYTES_MAX: usize = 4 * 1024;

/// Nesting of what a game hands over as JSON. Clients' own bounds are higher, and an answer has levels around it.
pub const JSON_DEPTH_MAX: usize = 64;

/// Keys that are no documents' and that one step may ask for: the step's record says that they were not there.
pub const STEP_ABSENT_DOCUMENTS_MAX: usize = 1024;

/// Calls of imports in one step.
pub const STEP_HOST_CALLS_MAX: u32 = 100_000;

/// Log lines of one step that reach the operator's log, and how much of each.
pub const STEP_LOG_LINES_MAX: usize = 32;
/// See [`STEP_LOG_LINES_MAX`].
pub const LOG_LINE_BYTES_MAX: usize = 2 * 1024;

/// Steps of one aggregate committed together; a lane that has more waiting commits again.
pub const GROUP_STEPS_MAX: usize = 100;

/// How often a group is run anew because another host committed first.
pub const CONFLICT_RETRIES_MAX: u32 = 16;

/// Calls waiting for one aggregate; more are refused.
pub const LANE_CALLS_MAX: usize = 1000;

/// The text of a signature file: some 350 bytes, and room for other spacing.
pub const SIGNATURE_BYTES_MAX: usize = 2 * 1024;

/// Methods of a game.
pub const METHODS_MAX: usize = 256;

/// A game's title, its version, and the summary of a method.
pub const DESCRIPTION_BYTES_MAX: usize = 1024;

/// Activations of a game that can be gone back on.
pub const ROLLBACKS_MAX: usize = 32;

/// Acts of a game in one answer.
pub const ACTS_PAGE_MAX: u64 = 1000;

/// The reason of an act, in characters.
pub const REASON_CHARACTERS_MAX: usize = 1000;

/// Rows wanted of one page of `round.list` or `wallet.history`.
pub const PAGE_ROWS_MAX: usize = 100;

/// Records read to fill one page.
pub const PAGE_RECORDS_MAX: u64 = 2000;

/// Steps that are carried on together, and the bytes of their records.
pub const RELAY_STEPS_MAX: usize = 1000;
/// See [`RELAY_STEPS_MAX`]. One step more may pass it.
pub const RELAY_BYTES_MAX: usize = 8 << 20;

/// Views that a configuration declares, and the fields of a view's key.
pub const VIEWS_MAX: usize = 32;
/// See [`VIEWS_MAX`].
pub const VIEW_KEY_FIELDS_MAX: usize = 8;
/// What a fact adds to a view: the texts of its key and of its value. A key of the database has 64 KiB at most; fields
/// of an effect in the form in which it was told are far less.
pub const VIEW_ENTRY_BYTES_MAX: usize = 48 * 1024;

/// Hours or days in one answer of `stats.rollup` or `stats.events`.
pub const STATS_PERIODS_MAX: u64 = 1000;

/// Days that one `stats.games` looks at.
pub const STATS_DAYS_MAX: u64 = 1000;

/// Rows of one answer of `stats.view` or `stats.events`.
pub const STATS_ROWS_MAX: usize = 1000;

/// Different players, sessions or values of a view's group that a Couchbase tracking store keeps one by one; where there
/// are more, it estimates.
pub const MEMBERS_EXACT_MAX: usize = 1024;

/// Names of events that a Couchbase tracking store tells apart in one bucket.
pub const EVENT_NAMES_MAX: usize = 1000;

/// Players and sessions, each time they are met in an hour or a day, that one `stats.games` looks at to count every one
/// once; where there are more, they are not counted.
pub const STATS_MEMBERS_MAX: usize = 2_000_000;

/// The data of a notification that a service sends; a game's are effects.
pub const NOTIFICATION_DATA_BYTES_MAX: usize = 16 * 1024;

/// How far ahead a notification may be sent, and how long it may stay deliverable, in milliseconds: 30 days.
pub const NOTIFICATION_AHEAD_MS_MAX: u64 = 30 * 24 * 60 * 60 * 1000;

/// A file of a template, and how many templates a directory has.
pub const TEMPLATE_BYTES_MAX: u64 = 256 * 1024;
/// See [`TEMPLATE_BYTES_MAX`].
pub const TEMPLATES_MAX: usize = 1000;

/// What a template's file may make of a notification's data.
pub const RENDERED_BYTES_MAX: usize = 256 * 1024;

/// Instructions of the templates' engine for one file.
pub const TEMPLATE_FUEL_MAX: u64 = 100_000;

/// What is read of a provider's answer.
pub const PROVIDER_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is kept of a provider's words.
pub const PROVIDER_WORDS_CHARACTERS_MAX: usize = 200;

/// Connections to a provider that wait for the next call.
pub const PROVIDER_CONNECTIONS_IDLE_MAX: usize = 16 * 1024;

/// Calls at once for what was asked for in one call and needs several.
pub const PROVIDER_SINGLE_CALLS_MAX: usize = 64;

/// The longest that a provider's wish to be left alone is taken for, in seconds.
pub const PROVIDER_WAIT_S_MAX: u64 = 24 * 60 * 60;
