//! What is in the frames, and in which order they come.

use std::io::{self, BufRead, Write};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Contents, Flaw,
    frames::{Frame, FrameReader, FrameWriter, Place},
};
use crate::{
    aggregate::Aggregate,
    identity::{AggregateId, Digest, GameId, ReleaseDigest},
    listing::{Act, Listing},
    store::{Outbox, Standing},
};

const AGGREGATE: &str = "aggregate";
const RECORDS: &str = "records";
const RELEASE: &str = "release";
const GAME: &str = "game";
const END: &str = "end";
/// The end's name, for lack of a better one.
const ALL: &str = "all";

/// What a frame says.
#[derive(Debug)]
pub(super) enum Section {
    Aggregate(Standing),
    Records(Records),
    Release(ReleaseDigest, Vec<u8>),
    Game(Box<Game>),
    End,
}

/// Some records of the aggregate that came last.
#[derive(Debug)]
pub(super) struct Records {
    /// The number of the first.
    pub(super) first: u64,
    pub(super) records: Vec<Vec<u8>>,
    /// Whether they are the aggregate's last.
    pub(super) is_end: bool,
}

/// A game as the catalog keeps it.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Game {
    pub(super) listing: Listing,
    pub(super) acts: Vec<Act>,
}

#[derive(Serialize)]
struct AggregateText<'a> {
    aggregate: &'a Aggregate,
    waiting: &'a Outbox,
}

#[derive(Deserialize)]
struct AggregateRead {
    aggregate: Aggregate,
    waiting: Outbox,
}

/// Writes sections in their order.
pub(super) struct SectionWriter<W> {
    frames: FrameWriter<W>,
    contents: Contents,
}

impl<W: Write> SectionWriter<W> {
    pub(super) fn begin(output: W) -> io::Result<Self> {
        Ok(Self { frames: FrameWriter::begin(output)?, contents: Contents::default() })
    }

    /// Goes on behind aggregates of which there were so many.
    pub(super) fn go_on(output: W, place: Place, contents: Contents) -> Self {
        Self { frames: FrameWriter::go_on(output, place), contents }
    }

    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }

    pub(super) fn place(&self) -> Place {
        self.frames.place()
    }

    /// The aggregate's records must follow, all of them.
    pub(super) fn aggregate(&mut self, Standing { aggregate, waiting }: &Standing) -> io::Result<()> {
        self.contents.aggregates += 1;
        self.contents.waiting += waiting.count();
        self.frames.write(AGGREGATE, aggregate.id.as_str(), &serde_json::to_vec(&AggregateText { aggregate, waiting })?)
    }

    pub(super) fn records(&mut self, of: &AggregateId, first: u64, records: &[(u64, Vec<u8>)]) -> io::Result<()> {
        let mut content = Vec::with_capacity(records.iter().map(|(_, bytes)| bytes.len() + 24).sum());
        for (_, bytes) in records {
            write!(content, "{} ", bytes.len())?;
            content.extend(bytes);
            content.push(b'\n');
        }
        self.contents.records += records.len() as u64;
        self.frames.write(RECORDS, &format!("{of}/{first}"), &content)
    }

    pub(super) fn release(&mut self, release: &ReleaseDigest, bytes: &[u8]) -> io::Result<()> {
        self.contents.releases += 1;
        self.frames.write(RELEASE, &release.to_string(), bytes)
    }

    pub(super) fn game(&mut self, game: &Game) -> io::Result<()> {
        self.contents.games += 1;
        self.contents.acts += game.acts.len() as u64;
        self.frames.write(GAME, game.listing.game.as_str(), &serde_json::to_vec(game)?)
    }

    pub(super) fn end(&mut self) -> io::Result<()> {
        let contents = serde_json::to_vec(&self.contents)?;
        self.frames.write(END, ALL, &contents)?;
        self.frames.output().flush()
    }
}

/// Reads sections, and takes them only in their order.
pub(super) struct SectionReader<R> {
    frames: FrameReader<R>,
    contents: Contents,
    /// The aggregate that came last, and how many of its records.
    aggregate: Option<(AggregateId, u64, u64)>,
    /// Releases or games have come.
    is_catalog: bool,
    game: Option<GameId>,
}

impl<R: BufRead> SectionReader<R> {
    pub(super) fn open(input: R) -> Result<Self, Flaw> {
        let frames = FrameReader::open(input)?;
        Ok(Self { frames, contents: Contents::default(), aggregate: None, is_catalog: false, game: None })
    }

    /// What was read so far.
    pub(super) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// Behind what was read so far.
    pub(super) fn place(&self) -> Place {
        self.frames.place()
    }

    /// The next section, the end included, after which nothing is to be read any more.
    pub(super) fn next(&mut self) -> Result<Section, Flaw> {
        let at = self.place().at;
        let frame = self.frames.next()?;
        let frame = frame.ok_or_else(|| Flaw::CutOff { at, what: "there is more to come".to_owned() })?;
        let section = self.read(frame).map_err(|what| Flaw::Damaged { at, what })?;
        if matches!(section, Section::End) && self.frames.next()?.is_some() {
            return Err(Flaw::Damaged { at, what: "something follows the end".to_owned() });
        }
        Ok(section)
    }

    fn read(&mut self, Frame { kind, name, content }: Frame) -> Result<Section, String> {
        let misplaced = || format!("{kind} {name} is not in its place");
        let is_open = self.aggregate.as_ref().is_some_and(|(_, step, seen)| seen < step);
        if is_open != (kind == RECORDS) {
            return Err(misplaced());
        }
        match kind.as_str() {
            AGGREGATE => {
                let AggregateRead { aggregate, waiting } = parsed(&kind, &name, &content)?;
                let is_next = self.aggregate.as_ref().is_none_or(|(last, ..)| *last < aggregate.id);
                if !is_next || self.is_catalog || aggregate.id.as_str() != name || aggregate.step == 0 {
                    return Err(misplaced());
                }
                self.aggregate = Some((aggregate.id.clone(), aggregate.step, 0));
                self.contents.aggregates += 1;
                self.contents.waiting += waiting.count();
                Ok(Section::Aggregate(Standing { aggregate: aggregate.into(), waiting }))
            }
            RECORDS => {
                let records = records(&content).ok_or_else(|| format!("{kind} {name} do not read"))?;
                let (id, step, seen) = self.aggregate.as_mut().ok_or_else(misplaced)?;
                let first = *seen + 1;
                *seen += records.len() as u64;
                if name != format!("{id}/{first}") || records.is_empty() || *seen > *step {
                    return Err(misplaced());
                }
                self.contents.records += records.len() as u64;
                Ok(Section::Records(Records { first, records, is_end: seen == step }))
            }
            RELEASE => {
                let release: ReleaseDigest = name.parse().map_err(|_| misplaced())?;
                if Digest::of(&content) != release {
                    return Err(format!("{kind} {name} is not what its digest says"));
                }
                self.is_catalog = true;
                self.contents.releases += 1;
                Ok(Section::Release(release, content))
            }
            GAME => {
                let game: Game = parsed(&kind, &name, &content)?;
                let id = &game.listing.game;
                let is_whole = (1..=game.listing.version).eq(game.acts.iter().map(|act| act.number));
                if id.as_str() != name || self.game.as_ref().is_some_and(|last| last >= id) || !is_whole {
                    return Err(misplaced());
                }
                (self.game, self.is_catalog) = (Some(id.clone()), true);
                self.contents.games += 1;
                self.contents.acts += game.acts.len() as u64;
                Ok(Section::Game(Box::new(game)))
            }
            END => {
                let contents: Contents = parsed(&kind, &name, &content)?;
                if name == ALL && contents == self.contents { Ok(Section::End) } else { Err(misplaced()) }
            }
            _ => Err(format!("nobody knows what {kind} is")),
        }
    }
}

fn parsed<T: DeserializeOwned>(kind: &str, name: &str, content: &[u8]) -> Result<T, String> {
    serde_json::from_slice(content).map_err(|error| format!("{kind} {name} does not read: {error}"))
}

/// Records one after the other, each behind its size.
fn records(mut content: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut records = Vec::new();
    while !content.is_empty() {
        let space = content.iter().position(|byte| *byte == b' ')?;
        let size: usize = std::str::from_utf8(&content[..space]).ok()?.parse().ok()?;
        let rest = &content[space + 1..];
        let (record, rest) = rest.split_at_checked(size)?;
        records.push(record.to_vec());
        content = rest.strip_prefix(b"\n")?;
    }
    Some(records)
}
