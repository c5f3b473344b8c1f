//! A round as a file that proves itself: the records of its steps to the byte, their digests, and the component that it
//! was played on, if that is wanted.

use std::{collections::BTreeMap, sync::Arc};

use data_encoding::BASE64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{Flaw, Replayed, Replayer};
use crate::{
    aggregate::Aggregate,
    identity::{Digest, GameId, ReleaseDigest, RoundId},
    record::{Act, Play, Record},
    store::{Store, StoreError},
};

/// What such a file begins with.
const FORMAT: &str = "croupier round 1";
/// Records that are read in one go.
const RECORDS_PER_PAGE: u64 = 100;

/// A round, with all that is needed to play it again but for the component, and that too where it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RoundFile {
    /// What the file is, and in which version: `croupier round 1`.
    pub format: String,
    /// The round.
    pub round: RoundId,
    /// Its game.
    pub game: GameId,
    /// Whether it was still open when it was written.
    pub open: bool,
    /// Every record of the player's from the round's first to its last, whatever they did in between: so the chain is whole.
    pub records: Vec<Kept>,
    /// What the record after the last one, or the player's state, says that the last one's digest is.
    pub head: Digest,
    /// Components in base64, by their digests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub releases: BTreeMap<ReleaseDigest, String>,
}

/// A record in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Kept {
    /// The step's number.
    pub step: u64,
    /// SHA-256 of the record's text.
    pub digest: Digest,
    /// The record's JSON, byte for byte; as a text, so that nothing can give it another form.
    pub record: String,
}

/// What a file with a round was found to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoundProof {
    /// The round.
    pub round: RoundId,
    /// Its game.
    pub game: GameId,
    /// What it was played on.
    pub release: ReleaseDigest,
    /// Whether it was still open.
    pub open: bool,
    /// Records whose chain was proved.
    pub records: usize,
    /// Calls that came out as they were recorded, to the last byte.
    pub identical: usize,
    /// Calls that were stopped because they computed too long; they are not taken again.
    pub stopped: usize,
}

/// What is wrong with a round.
#[derive(Debug, Error)]
pub enum FileError {
    /// Not a file of this kind.
    #[error("it is no file of a round as 'croupier round export' writes it: {0}")]
    Unreadable(String),
    /// Nobody has played it.
    #[error("there is no round {0}")]
    NoRound(RoundId),
    /// Something was changed, or is missing.
    #[error("record {step} of {aggregate}: {flaw}", aggregate = .round.aggregate)]
    Record {
        /// The round.
        round: RoundId,
        /// Whose record.
        step: u64,
        /// What is wrong.
        flaw: String,
    },
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl RoundFile {
    /// Takes a round out of a store, and with it the components that it was played on, if that is wanted.
    ///
    /// # Errors
    /// [`FileError`].
    pub async fn of_store(store: &dyn Store, round: &RoundId, with_release: bool) -> Result<Self, FileError> {
        let no_round = || FileError::NoRound(round.clone());
        let aggregate = store.stored(&round.aggregate).await?.ok_or_else(no_round)?;
        let mut taken = Taken { round, records: Vec::new(), played: None };
        taken.read(store, &aggregate).await?;
        let (game, release, open) = taken.played.ok_or_else(no_round)?;
        let last = taken.records.last().map_or(0, |last| last.step);
        let mut file = Self {
            format: FORMAT.to_owned(),
            round: round.clone(),
            game,
            open,
            records: taken.records,
            head: head(store, &aggregate, last).await?,
            releases: BTreeMap::new(),
        };
        if with_release {
            let bytes = store.release(&release).await?;
            let bytes =
                bytes.ok_or_else(|| file.flaw(round.opened_by, format!("release {release} is not in the store")))?;
            file.releases.insert(release, BASE64.encode(&bytes));
        }
        Ok(file)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`FileError::Unreadable`].
    pub fn parse(text: &[u8]) -> Result<Self, FileError> {
        let file: Self = serde_json::from_slice(text).map_err(|error| FileError::Unreadable(error.to_string()))?;
        if file.format == FORMAT {
            Ok(file)
        } else {
            Err(FileError::Unreadable(format!("its format is '{}', and this croupier reads '{FORMAT}'", file.format)))
        }
    }

    /// The components in it.
    ///
    /// # Errors
    /// [`FileError::Unreadable`] where one is not base64.
    pub fn components(&self) -> Result<Vec<Vec<u8>>, FileError> {
        let decoded = self.releases.iter().map(|(digest, text)| {
            let bytes = BASE64.decode(text.as_bytes());
            bytes.map_err(|error| FileError::Unreadable(format!("release {digest} is no base64: {error}")))
        });
        decoded.collect()
    }

    /// Proves the chain of the records, and takes every call of the round again.
    ///
    /// # Errors
    /// [`FileError::Record`] names the first record with a flaw.
    pub async fn prove(&self, replayer: &Replayer) -> Result<RoundProof, FileError> {
        let records = self.chain()?;
        let mut calls = records.iter().filter_map(|record| call_of(record, &self.round));
        let release = calls.next().map(|play| play.release).ok_or_else(|| FileError::NoRound(self.round.clone()))?;
        let (mut identical, mut stopped) = (0, 0);
        for (record, kept) in records.iter().zip(&self.records) {
            if call_of(record, &self.round).is_none() {
                continue;
            }
            match replayer.replay(kept.record.as_bytes()).await {
                Ok(Replayed::Stopped) => stopped += 1,
                Ok(Replayed::Identical { .. } | Replayed::NotPlayed) => identical += 1,
                Err(Flaw::Unplayable(error)) => return Err(self.flaw(record.step, error.to_string())),
                Err(flaw) => return Err(self.flaw(record.step, flaw.to_string())),
            }
        }
        let (round, game) = (self.round.clone(), self.game.clone());
        Ok(RoundProof { round, game, release, open: self.open, records: records.len(), identical, stopped })
    }

    /// The records, once it is proved that none was changed and none is missing.
    ///
    /// # Errors
    /// [`FileError::Record`].
    pub fn chain(&self) -> Result<Vec<Record>, FileError> {
        let mut records: Vec<Record> = Vec::with_capacity(self.records.len());
        for kept in &self.records {
            let flaw = |flaw: String| self.flaw(kept.step, flaw);
            if Digest::of(kept.record.as_bytes()) != kept.digest {
                return Err(flaw(format!("its text is not the one with digest {}: somebody changed it", kept.digest)));
            }
            let record =
                Record::decode(kept.record.as_bytes()).map_err(|error| flaw(format!("it does not read: {error}")))?;
            if record.step != kept.step || record.aggregate != self.round.aggregate {
                return Err(flaw(format!("it says it is record {} of {}", record.step, record.aggregate)));
            }
            if let Some((before, kept)) = records.last().zip(self.records.get(records.len().wrapping_sub(1))) {
                if record.step != before.step + 1 {
                    return Err(self.flaw(before.step + 1, "it is missing".to_owned()));
                }
                if record.previous != kept.digest {
                    return Err(flaw("it holds another digest of the record before it".to_owned()));
                }
            }
            records.push(record);
        }
        let (Some(first), Some(last)) = (records.first(), records.last()) else {
            return Err(FileError::NoRound(self.round.clone()));
        };
        if first.step != self.round.opened_by {
            return Err(self.flaw(self.round.opened_by, "it is missing".to_owned()));
        }
        if self.records.last().is_some_and(|kept| kept.digest != self.head) {
            return Err(self.flaw(last.step, "what follows it holds another digest of it".to_owned()));
        }
        let newest = records.iter().rev().find_map(|record| call_of(record, &self.round)?.round.as_ref());
        match newest {
            None => Err(FileError::NoRound(self.round.clone())),
            Some(mark) if mark.open != self.open => {
                Err(self.flaw(last.step + 1, "it is missing: the round went on".to_owned()))
            }
            Some(_) => Ok(records),
        }
    }

    /// Whether a call is one of this round's.
    #[must_use]
    pub fn has(&self, play: &Play) -> bool {
        is_call_of(play, &self.round)
    }

    fn flaw(&self, step: u64, flaw: String) -> FileError {
        FileError::Record { round: self.round.clone(), step, flaw }
    }
}

/// The records of a round, while they are read.
struct Taken<'a> {
    round: &'a RoundId,
    records: Vec<Kept>,
    /// The game, the release, and whether the round is open after the newest of its calls.
    played: Option<(GameId, ReleaseDigest, bool)>,
}

impl Taken<'_> {
    /// Reads on until the round is over, or the player has done no more.
    async fn read(&mut self, store: &dyn Store, aggregate: &Aggregate) -> Result<(), FileError> {
        let mut first = self.round.opened_by;
        let mut newest_call = 0;
        while first <= aggregate.step {
            let last = aggregate.step.min(first + RECORDS_PER_PAGE - 1);
            for (step, bytes) in store.records(&aggregate.id, first..=last).await? {
                let flaw = |flaw: String| FileError::Record { round: self.round.clone(), step, flaw };
                let digest = Digest::of(&bytes);
                let text = String::from_utf8(bytes).map_err(|error| flaw(error.to_string()))?;
                let record =
                    Record::decode(text.as_bytes()).map_err(|error| flaw(format!("it does not read: {error}")))?;
                let play = call_of(&record, self.round);
                if play.is_none() && step == self.round.opened_by {
                    return Err(FileError::NoRound(self.round.clone()));
                }
                self.records.push(Kept { step, digest, record: text });
                if let Some(play) = play {
                    newest_call = self.records.len();
                    let open = play.round.as_ref().is_none_or(|mark| mark.open);
                    self.played = Some((play.game.clone(), play.release, open));
                    if !open {
                        return Ok(());
                    }
                }
            }
            first = last + 1;
        }
        // What the player did elsewhere since the newest call of an open round is no part of it.
        self.records.truncate(newest_call);
        Ok(())
    }
}

/// What a record has of a round: a call of it, or one that was void in it.
fn call_of<'a>(record: &'a Record, round: &RoundId) -> Option<&'a Play> {
    let Act::Played(play) = &record.act else { return None };
    is_call_of(play, round).then_some(play)
}

fn is_call_of(play: &Play, round: &RoundId) -> bool {
    let of_mark = play.round.as_ref().is_some_and(|mark| mark.id == *round);
    of_mark || play.observed.round.as_ref().is_some_and(|seen| seen.id == *round)
}

/// The digest that a record should have, as its successor or its aggregate says.
async fn head(store: &dyn Store, aggregate: &Arc<Aggregate>, step: u64) -> Result<Digest, FileError> {
    if step == aggregate.step {
        return Ok(aggregate.head);
    }
    let next = store.records(&aggregate.id, step + 1..=step + 1).await?;
    let next = next.first().and_then(|(_, bytes)| Record::decode(bytes).ok());
    Ok(next.map_or(Digest::ZERO, |next| next.previous))
}
