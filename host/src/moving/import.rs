//! Arriving: a file is looked through as a whole, and compared with what the store has, before anything is written. What
//! is there already is never written again, so that an import that was interrupted is simply begun anew.

use std::{
    collections::BTreeMap,
    io::{BufRead, Seek, SeekFrom},
    sync::Arc,
};

use tokio::task::JoinSet;

use super::{
    Contents, Flaw, MovingError,
    arriving::Arriving,
    sections::{Game, Records, Section, SectionReader},
    walking::Walking,
};
use crate::{
    aggregate::Aggregate,
    identity::{Digest, GameId, ReleaseDigest},
    ledger::{self, Report},
    store::{CommitError, Standing, Store, StoreError},
};

/// Aggregates that arrive side by side: a store commits many at once for little more than one.
const AT_ONCE: usize = 64;

/// What has arrived.
#[derive(Clone, Debug)]
pub struct Imported {
    /// How much of everything is in the file.
    pub contents: Contents,
    /// Its size.
    pub bytes: u64,
    /// The digest of the whole.
    pub digest: Digest,
    /// Aggregates that were there already, and were the same.
    pub were_there: u64,
    /// What the ledger says of the file.
    pub of_file: Report,
    /// What it says of the store. The same, or there would have been an error.
    pub of_store: Report,
}

/// What is being done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The file is looked through and compared.
    Looking,
    /// What is missing is written.
    Writing,
    /// The store is proved.
    Proving,
}

/// Writes everything of a file into a store that is empty, or that has a part of it. No host may be at work on the store.
/// `progress` hears of the stage, and how many bytes of the file are behind it.
///
/// # Errors
/// [`MovingError`].
pub async fn import(
    store: Arc<dyn Store>,
    mut file: impl BufRead + Seek,
    mut progress: impl FnMut(Stage, u64),
) -> Result<Imported, MovingError> {
    let (digest, bytes) = look_through(&*store, &mut file, |at| progress(Stage::Looking, at)).await?;
    file.seek(SeekFrom::Start(0)).map_err(|error| Flaw::Io { at: 0, error })?;
    let mut arrivals =
        Arrivals { store: store.clone(), tasks: JoinSet::new(), were_there: 0, report: Report::default() };
    let mut reader = SectionReader::open(&mut file)?;
    arrivals.take(&mut reader, |at| progress(Stage::Writing, at)).await?;
    if reader.place().digest != digest {
        return Err(MovingError::Changed);
    }
    arrivals.report.check_sums()?;
    let of_store = ledger::check(&*store, |_| progress(Stage::Proving, bytes)).await?;
    if of_store != arrivals.report {
        return Err(MovingError::Otherwise(format!(
            "{} aggregates with {} records instead of {} with {}, or other sums",
            of_store.aggregates, of_store.records, arrivals.report.aggregates, arrivals.report.records
        )));
    }
    let contents = *reader.contents();
    Ok(Imported { contents, bytes, digest, were_there: arrivals.were_there, of_file: arrivals.report, of_store })
}

/// Reads a whole file and compares what can be compared without its records: its digest and size.
async fn look_through(
    store: &dyn Store,
    file: &mut impl BufRead,
    mut progress: impl FnMut(u64),
) -> Result<(Digest, u64), MovingError> {
    let mut reader = SectionReader::open(file)?;
    let mut there = Walking::begin(store);
    let mut listings: BTreeMap<_, _> =
        store.listings().await?.into_iter().map(|listing| (listing.game.clone(), listing)).collect();
    loop {
        match reader.next()? {
            Section::Aggregate(standing) => compare(&mut there, &standing.aggregate).await?,
            Section::Game(game) => {
                if let Some(listing) = listings.remove(&game.listing.game) {
                    let acts = store.acts(&listing.game, 1..=listing.version).await?;
                    check_same(&game, &Game { listing, acts })?;
                }
            }
            Section::Records(_) | Section::Release(..) => {}
            Section::End => break,
        }
        progress(reader.place().at);
    }
    if let Some(other) = there.peek().await? {
        return Err(MovingError::NotEmpty(other.aggregate.id.to_string()));
    }
    match listings.into_keys().next() {
        Some(game) => Err(MovingError::NotEmpty(format!("the game {game}"))),
        None => Ok((reader.place().digest, reader.place().at)),
    }
}

/// The next aggregate of the file must be in the store as it was at one of its steps, or not at all.
async fn compare(there: &mut Walking<'_>, arriving: &Aggregate) -> Result<(), MovingError> {
    let Some(Standing { aggregate: found, .. }) = there.peek().await? else { return Ok(()) };
    if found.id < arriving.id {
        return Err(MovingError::NotEmpty(found.id.to_string()));
    }
    if found.id > arriving.id {
        return Ok(());
    }
    if found.step > arriving.step {
        let how = format!("has step {}, where the file has {} as its newest", found.step, arriving.step);
        return Err(MovingError::differs(&arriving.id, how));
    }
    if found.step == arriving.step && **found != *arriving {
        return Err(MovingError::differs(&arriving.id, "differs from what the file has of the same step"));
    }
    there.step();
    Ok(())
}

fn check_same(game: &Game, found: &Game) -> Result<(), MovingError> {
    if game == found {
        return Ok(());
    }
    let how = "its listing or its acts are others than in the file: has a host been started on the store?".to_owned();
    Err(MovingError::Differs { what: format!("the game {}", game.listing.game), how })
}

/// Everything that arrives.
struct Arrivals {
    store: Arc<dyn Store>,
    tasks: JoinSet<Result<bool, MovingError>>,
    were_there: u64,
    report: Report,
}

impl Arrivals {
    async fn take(
        &mut self,
        reader: &mut SectionReader<impl BufRead>,
        mut progress: impl FnMut(u64),
    ) -> Result<(), MovingError> {
        loop {
            match reader.next()? {
                Section::Aggregate(standing) => {
                    self.report.add(&standing.aggregate);
                    self.aggregate(standing, reader).await?;
                }
                Section::Release(release, bytes) => self.release(&release, &bytes).await?,
                Section::Game(game) => {
                    // Whatever is listed is there: a host may not find a game without what was played on it.
                    self.all_arrived().await?;
                    self.game(&game).await?;
                }
                // Records come with their aggregates.
                Section::Records(_) => return Err(MovingError::Changed),
                Section::End => return self.all_arrived().await,
            }
            progress(reader.place().at);
        }
    }

    /// Beside others if its records come in one frame, as those of most do.
    async fn aggregate(
        &mut self,
        standing: Standing,
        reader: &mut SectionReader<impl BufRead>,
    ) -> Result<(), MovingError> {
        while self.tasks.len() >= AT_ONCE {
            self.one_arrived().await?;
        }
        let (store, under_way) = (self.store.clone(), self.tasks.len() + 1);
        let first = next_records(reader)?;
        if first.is_end {
            self.tasks.spawn(async move {
                let mut arriving = Arriving::begin(store, standing).await?;
                arriving.take(first, under_way).await?;
                Ok(arriving.was_there())
            });
            return Ok(());
        }
        let mut arriving = Arriving::begin(store, standing).await?;
        let mut records = first;
        loop {
            let is_end = records.is_end;
            arriving.take(records, 1).await?;
            if is_end {
                break;
            }
            records = next_records(reader)?;
        }
        self.were_there += u64::from(arriving.was_there());
        Ok(())
    }

    async fn one_arrived(&mut self) -> Result<bool, MovingError> {
        let Some(arrived) = self.tasks.join_next().await else { return Ok(false) };
        let was_there = arrived.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string()).into()))?;
        self.were_there += u64::from(was_there);
        Ok(true)
    }

    async fn all_arrived(&mut self) -> Result<(), MovingError> {
        while self.one_arrived().await? {}
        Ok(())
    }

    async fn release(&self, release: &ReleaseDigest, bytes: &[u8]) -> Result<(), MovingError> {
        match self.store.release(release).await? {
            Some(kept) if Digest::of(&kept) == *release => Ok(()),
            _ => Ok(self.store.put_release(release, bytes).await?),
        }
    }

    async fn game(&self, game: &Game) -> Result<(), MovingError> {
        let Game { listing, acts } = game;
        let id: &GameId = &listing.game;
        if let Some(found) = self.store.listing(id).await? {
            let acts = self.store.acts(id, 1..=found.version).await?;
            return check_same(game, &Game { listing: found, acts });
        }
        let committed = self.store.commit_acts(listing, acts).await;
        committed.map_err(|error| match error {
            CommitError::Conflict => MovingError::Differs {
                what: format!("the game {id}"),
                how: "somebody acts on it: stop all hosts of the store first".to_owned(),
            },
            CommitError::TooLarge { size, size_max } => {
                MovingError::TooLarge { what: format!("the game {id}"), size, size_max }
            }
            CommitError::Store(error) => error.into(),
        })
    }
}

fn next_records(reader: &mut SectionReader<impl BufRead>) -> Result<Records, MovingError> {
    match reader.next()? {
        Section::Records(records) => Ok(records),
        _ => Err(MovingError::Changed),
    }
}
