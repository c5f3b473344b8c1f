//! What a host answers about games, as far as it is shown here, and how.

use std::fmt::Write as _;

use serde::Deserialize;

use super::table::{NOTHING, plain, short, size, table, time};
use crate::identity::ReleaseDigest;

/// Of `game.publish`.
#[derive(Deserialize)]
pub(super) struct Published {
    game: String,
    version: String,
    pub(super) release: ReleaseDigest,
    new: bool,
    active: bool,
    owner: Option<String>,
    elapsed_ms: u64,
}

impl Published {
    /// One line. `percent` is what was asked for.
    pub(super) fn words(&self, percent: Option<u8>) -> String {
        let how =
            if self.new { format!("published in {} ms", self.elapsed_ms) } else { "was there already".to_owned() };
        let standing = match percent {
            _ if self.active => "active".to_owned(),
            Some(percent) => format!("candidate at {percent} %"),
            None => "not active".to_owned(),
        };
        let owner = self.owner.as_ref().map_or_else(|| "no owner".to_owned(), |owner| format!("owner {owner}"));
        let Self { game, version, release, .. } = self;
        plain(&format!("{game} {version}, release {}: {how}, {standing}, {owner}", short(release))) + "\n"
    }
}

/// Of `game.activate`, `rollback`, `disable`, `enable`, and each row of `game.list`.
#[derive(Deserialize)]
pub(super) struct GameState {
    game: String,
    title: String,
    version: String,
    active: Option<ReleaseDigest>,
    candidate: Option<Candidate>,
    disabled: bool,
    problem: Option<String>,
    owner: Option<String>,
    releases: u64,
}

#[derive(Deserialize)]
struct Candidate {
    release: ReleaseDigest,
    percent: u64,
}

impl GameState {
    pub(super) fn table(games: &[Self]) -> String {
        if games.is_empty() {
            return "no games\n".to_owned();
        }
        let headings = ["GAME", "VERSION", "ACTIVE", "CANDIDATE", "STATE", "OWNER", "RELEASES", "TITLE"];
        table(headings, &games.iter().map(Self::row).collect::<Vec<_>>())
    }

    fn state(&self) -> &str {
        match (&self.problem, self.disabled) {
            (Some(problem), _) => problem,
            (None, true) => "disabled",
            (None, false) => "enabled",
        }
    }

    fn row(&self) -> [String; 8] {
        let candidate = |Candidate { release, percent }: &Candidate| format!("{} at {percent} %", short(release));
        [
            self.game.clone(),
            self.version.clone(),
            or_nothing(self.active.as_ref().map(short)),
            or_nothing(self.candidate.as_ref().map(candidate)),
            self.state().to_owned(),
            or_nothing(self.owner.clone()),
            self.releases.to_string(),
            self.title.clone(),
        ]
    }
}

/// Of `game.releases`.
#[derive(Deserialize)]
pub(super) struct GameReleases {
    pub(super) releases: Vec<Release>,
    history: Vec<Act>,
}

#[derive(Deserialize)]
pub(super) struct Release {
    pub(super) release: ReleaseDigest,
    version: String,
    bytes: u64,
    published_at_ms: i64,
    publisher: Option<String>,
    state_version: u64,
    broken: Option<String>,
}

#[derive(Deserialize)]
struct Act {
    at_ms: i64,
    by: String,
    from: Option<ReleaseDigest>,
    to: Option<ReleaseDigest>,
    percent: Option<u64>,
    why: Option<String>,
    act: String,
}

impl GameReleases {
    /// The releases, and what was done with them.
    pub(super) fn tables(&self) -> String {
        if self.releases.is_empty() {
            return "no releases\n".to_owned();
        }
        let headings = ["RELEASE", "VERSION", "SIZE", "PUBLISHED", "PUBLISHER", "STATE VERSION", "BROKEN"];
        let mut text = table(headings, &self.releases.iter().map(Release::row).collect::<Vec<_>>());
        if !self.history.is_empty() {
            let headings = ["WHEN", "WHAT", "FROM", "TO", "PERCENT", "BY", "WHY"];
            let history = table(headings, &self.history.iter().map(Act::row).collect::<Vec<_>>());
            let _written = write!(text, "\n{history}");
        }
        text
    }
}

impl Release {
    fn row(&self) -> [String; 7] {
        [
            short(&self.release),
            self.version.clone(),
            size(self.bytes),
            time(self.published_at_ms),
            or_nothing(self.publisher.clone()),
            self.state_version.to_string(),
            or_nothing(self.broken.clone()),
        ]
    }
}

impl Act {
    fn row(&self) -> [String; 7] {
        [
            time(self.at_ms),
            self.act.replace('_', " "),
            or_nothing(self.from.as_ref().map(short)),
            or_nothing(self.to.as_ref().map(short)),
            or_nothing(self.percent.map(|percent| format!("{percent} %"))),
            self.by.clone(),
            or_nothing(self.why.clone()),
        ]
    }
}

/// A row of `game.verify`.
#[derive(Deserialize)]
pub(super) struct Verified {
    game: String,
    release: ReleaseDigest,
    pub(super) intact: bool,
    reason: Option<String>,
}

impl Verified {
    pub(super) fn table(rows: &[Self]) -> String {
        if rows.is_empty() {
            return "no releases\n".to_owned();
        }
        table(["GAME", "RELEASE", "INTACT", "REASON"], &rows.iter().map(Self::row).collect::<Vec<_>>())
    }

    fn row(&self) -> [String; 4] {
        let intact = if self.intact { "yes" } else { "NO" };
        [self.game.clone(), short(&self.release), intact.to_owned(), or_nothing(self.reason.clone())]
    }
}

fn or_nothing(text: Option<String>) -> String {
    text.unwrap_or_else(|| NOTHING.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read<T: for<'a> Deserialize<'a>>(value: Value) -> T {
        serde_json::from_value(value).unwrap()
    }

    fn digest(pair: &str) -> String {
        pair.repeat(32)
    }

    #[test]
    fn a_publication_is_one_line() {
        let answer = |new, active, owner: Option<&str>| -> Published {
            read(json!({
                "game": "roulette", "version": "1.2.0", "release": digest("ab"), "new": new, "active": active,
                "owner": owner, "elapsed_ms": 812, "added_later": true,
            }))
        };
        for (answer, percent, words) in [
            (answer(true, true, Some("acme")), None, "published in 812 ms, active, owner acme"),
            (answer(true, false, None), Some(10), "published in 812 ms, candidate at 10 %, no owner"),
            (answer(false, false, None), None, "was there already, not active, no owner"),
        ] {
            assert_eq!(answer.words(percent), format!("roulette 1.2.0, release abababababab: {words}\n"));
        }
    }

    #[test]
    fn games_are_rows_with_their_releases_shortened() {
        let games: Vec<GameState> = read(json!([
            {
                "game": "roulette", "title": "European Roulette", "version": "1.2.0", "active": digest("ab"),
                "candidate": { "release": digest("cd"), "percent": 10 }, "disabled": false, "problem": null, "owner": "acme", "releases": 2,
            },
            {
                "game": "dice", "title": "Dice\u{1b}[2J", "version": "0.1.0", "active": null, "candidate": null,
                "disabled": true, "problem": null, "owner": null, "releases": 1, "added_later": {},
            },
        ]));
        let expected = "\
GAME      VERSION  ACTIVE        CANDIDATE             STATE     OWNER  RELEASES  TITLE
roulette  1.2.0    abababababab  cdcdcdcdcdcd at 10 %  enabled   acme   2         European Roulette
dice      0.1.0    -             -                     disabled  -      1         Dice [2J
";
        assert_eq!(GameState::table(&games), expected);
        assert_eq!(GameState::table(&[]), "no games\n");
    }

    #[test]
    fn releases_come_with_their_history() {
        let releases: GameReleases = read(json!({
            "releases": [
                {
                    "release": digest("ab"), "version": "1.2.0", "bytes": 65_432, "published_at_ms": 1_767_323_045_006_u64,
                    "publisher": "acme", "state_version": 1, "broken": null,
                },
                {
                    "release": digest("cd"), "version": "1.3.0", "bytes": 1_640_000, "published_at_ms": 1_767_323_045_006_u64,
                    "publisher": null, "state_version": 2, "broken": "it traps",
                },
            ],
            "history": [{
                "at_ms": 1_767_323_046_000_u64, "by": "operator", "from": digest("ab"), "to": null, "percent": 100,
                "why": "too generous", "act": "rolled_back",
            }],
        }));
        let expected = "\
RELEASE       VERSION  SIZE    PUBLISHED                PUBLISHER  STATE VERSION  BROKEN
abababababab  1.2.0    66 kB   2026-01-02 03:04:05 UTC  acme       1              -
cdcdcdcdcdcd  1.3.0    1.6 MB  2026-01-02 03:04:05 UTC  -          2              it traps

WHEN                     WHAT         FROM          TO  PERCENT  BY        WHY
2026-01-02 03:04:06 UTC  rolled back  abababababab  -   100 %    operator  too generous
";
        assert_eq!(releases.tables(), expected);
        assert_eq!(read::<GameReleases>(json!({ "releases": [], "history": [] })).tables(), "no releases\n");
    }

    #[test]
    fn what_is_not_intact_stands_out() {
        let rows: Vec<Verified> = read(json!([
            { "game": "dice", "release": digest("ab"), "intact": true, "reason": null },
            { "game": "dice", "release": digest("cd"), "intact": false, "reason": "its bytes were changed" },
        ]));
        let expected = "\
GAME  RELEASE       INTACT  REASON
dice  abababababab  yes     -
dice  cdcdcdcdcdcd  NO      its bytes were changed
";
        assert_eq!(Verified::table(&rows), expected);
    }
}
