//! Leaving: a store is written into a file, in the order of ids. What was written before an interruption is kept.

use std::{
    collections::BTreeSet,
    io::{BufWriter, Write},
};

use futures_util::{StreamExt as _, stream};

use super::{
    Contents, Flaw, MovingError,
    frames::Place,
    part::Part,
    sections::{Game, Section, SectionWriter},
    walking::Walking,
};
use crate::{
    aggregate::Aggregate,
    identity::{AggregateId, Digest},
    ledger::{Broken, Chain, Report},
    listing::Listing,
    store::{Standing, Store, StoreError},
};

/// Records that are read in one go.
const RECORDS_MAX: u64 = 256;
/// Bytes of records in one frame, or one record. A store commits a frame at once, whichever store it is.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// Aggregates whose records are read side by side.
const AT_ONCE: usize = 16;
/// What is gathered before it is written.
const BUFFER_BYTES: usize = 1 << 20;

/// What was written.
#[derive(Clone, Debug)]
pub struct Exported {
    /// How much of everything.
    pub contents: Contents,
    /// Size of the file.
    pub bytes: u64,
    /// The digest of the whole.
    pub digest: Digest,
    /// What the ledger says.
    pub report: Report,
    /// Aggregates that an export before this one had written.
    pub resumed: u64,
    /// Releases that are out of service and have no bytes that could be moved.
    pub left_out: Vec<String>,
}

/// Writes everything of a store, after what was begun of it. Every aggregate is proved, and whole as it was when it was
/// read. `progress` hears how much was written, and how many bytes.
///
/// # Errors
/// [`MovingError`]. What was written so far stays for the next time.
pub async fn export(
    store: &dyn Store,
    part: &Part,
    progress: impl FnMut(&Contents, u64),
) -> Result<Exported, MovingError> {
    let begun = resume(store, part).await?;
    let file = part.cut(begun.place)?;
    write(store, file, begun, progress).await
}

impl Exported {
    /// Writes everything of a store to where nothing can be gone on with.
    ///
    /// # Errors
    /// [`MovingError`].
    pub async fn to(
        store: &dyn Store,
        output: impl Write,
        progress: impl FnMut(&Contents, u64),
    ) -> Result<Self, MovingError> {
        write(store, output, Begun::default(), progress).await
    }
}

/// What an export before this one has written that is whole.
#[derive(Default)]
struct Begun {
    place: Option<Place>,
    contents: Contents,
    report: Report,
    last: Option<AggregateId>,
}

/// Looks through what was begun, as far as it has all of an aggregate and the store still has the same: whoever has been
/// played since, or has come since, is written anew with all that follow, so that what is gone on with is never older than
/// the store. The catalog is small and is written anew.
async fn resume(store: &dyn Store, part: &Part) -> Result<Begun, MovingError> {
    let mut begun = Begun::default();
    let Some(mut reader) = part.read()? else { return Ok(begun) };
    begun.place = Some(reader.place());
    let mut there = Walking::begin(store);
    let mut current: Option<Standing> = None;
    loop {
        match reader.next() {
            // What is not whole was being written when it was interrupted; it is written again.
            Err(Flaw::CutOff { .. } | Flaw::Damaged { .. }) => break,
            Err(flaw) => return Err(flaw.into()),
            Ok(Section::Aggregate(standing)) => {
                // Of what waits there may be less by now: then a little is carried on again.
                if there.peek().await?.is_none_or(|found| found.aggregate != standing.aggregate) {
                    check_known(store, &standing.aggregate).await?;
                    break;
                }
                there.step();
                current = Some(standing);
            }
            Ok(Section::Records(records)) if records.is_end => {
                let Some(standing) = current.take() else { break };
                begun.report.add(&standing.aggregate);
                begun.last = Some(standing.aggregate.id.clone());
                (begun.place, begun.contents) = (Some(reader.place()), *reader.contents());
            }
            Ok(Section::Records(_)) => {}
            Ok(Section::Release(..) | Section::Game(_) | Section::End) => break,
        }
    }
    Ok(begun)
}

/// An aggregate that was written before is one of this store, as it is or was.
async fn check_known(store: &dyn Store, aggregate: &Aggregate) -> Result<(), MovingError> {
    let newest = store.records(&aggregate.id, aggregate.step..=aggregate.step).await?;
    if newest.first().map(|(_, bytes)| Digest::of(bytes)) == Some(aggregate.head) {
        return Ok(());
    }
    Err(MovingError::OtherStore(format!("step {} of {} is not in this one", aggregate.step, aggregate.id)))
}

async fn write(
    store: &dyn Store,
    output: impl Write,
    begun: Begun,
    progress: impl FnMut(&Contents, u64),
) -> Result<Exported, MovingError> {
    let output = BufWriter::with_capacity(BUFFER_BYTES, output);
    let Begun { place, contents, report, last } = begun;
    let sections = match place {
        Some(place) => SectionWriter::go_on(output, place, contents),
        None => SectionWriter::begin(output).map_err(MovingError::of_writing)?,
    };
    let mut leaving = Leaving { store, sections, report, left_out: Vec::new(), progress };
    leaving.aggregates(last.as_ref()).await?;
    leaving.catalog().await?;
    leaving.sections.end().map_err(MovingError::of_writing)?;
    leaving.report.check_sums()?;
    let Place { at, digest } = leaving.sections.place();
    Ok(Exported {
        contents: *leaving.sections.contents(),
        bytes: at,
        digest,
        report: leaving.report,
        resumed: contents.aggregates,
        left_out: leaving.left_out,
    })
}

/// A store that is being written.
struct Leaving<'a, W: Write, P> {
    store: &'a dyn Store,
    sections: SectionWriter<BufWriter<W>>,
    report: Report,
    left_out: Vec<String>,
    progress: P,
}

impl<W: Write, P: FnMut(&Contents, u64)> Leaving<'_, W, P> {
    async fn aggregates(&mut self, after: Option<&AggregateId>) -> Result<(), MovingError> {
        let store = self.store;
        let mut walk = store.walk(after);
        loop {
            let page = walk.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            let first_records = |standing: Standing| async move {
                let records = records(store, &standing, 1).await?;
                Ok::<_, StoreError>((standing, records))
            };
            let mut reads = stream::iter(page.into_iter().map(first_records)).buffered(AT_ONCE);
            while let Some(read) = reads.next().await {
                let (standing, records) = read?;
                self.aggregate(&standing, records).await?;
            }
        }
    }

    async fn aggregate(&mut self, standing: &Standing, first: Vec<(u64, Vec<u8>)>) -> Result<(), MovingError> {
        let aggregate = &standing.aggregate;
        let mut chain = Chain::new(aggregate.id.clone());
        let mut records_read = first;
        self.sections.aggregate(standing).map_err(MovingError::of_writing)?;
        loop {
            let before = chain.made().step;
            for (step, bytes) in &records_read {
                chain.add(*step, bytes)?;
            }
            for frame in frames(&records_read) {
                self.sections.records(&aggregate.id, frame[0].0, frame).map_err(MovingError::of_writing)?;
            }
            if chain.made().step >= aggregate.step {
                break;
            }
            if chain.made().step == before {
                let flaw = "it is missing".to_owned();
                return Err(Broken::Record { aggregate: aggregate.id.clone(), step: before + 1, flaw }.into());
            }
            records_read = records(self.store, standing, chain.made().step + 1).await?;
        }
        chain.check_end(aggregate)?;
        self.report.add(aggregate);
        self.tell();
        Ok(())
    }

    /// After the aggregates: of what their records speak is listed by then, and bytes are kept before they are listed.
    async fn catalog(&mut self) -> Result<(), MovingError> {
        let mut written = BTreeSet::new();
        for listing in self.store.listings().await? {
            for listed in &listing.releases {
                if !written.insert(listed.release) {
                    continue;
                }
                let flaw = match self.store.release(&listed.release).await? {
                    Some(bytes) if Digest::of(&bytes) == listed.release => {
                        self.sections.release(&listed.release, &bytes).map_err(MovingError::of_writing)?;
                        self.tell();
                        continue;
                    }
                    Some(_) => "is not what its digest says",
                    None => "is missing",
                };
                if listed.broken.is_none() {
                    return Err(MovingError::Release { release: listed.release, game: listing.game.clone(), flaw });
                }
                self.left_out.push(format!("release {} of {} {flaw}", listed.release, listing.game));
            }
            let acts = self.store.acts(&listing.game, 1..=listing.version).await?;
            check_acts(&listing, acts.len())?;
            self.sections.game(&Game { listing, acts }).map_err(MovingError::of_writing)?;
            self.tell();
        }
        Ok(())
    }

    fn tell(&mut self) {
        (self.progress)(self.sections.contents(), self.sections.place().at);
    }
}

fn check_acts(listing: &Listing, count: usize) -> Result<(), StoreError> {
    if count as u64 == listing.version {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("{} had {} acts, and {count} are there", listing.game, listing.version)))
}

/// The next records of an aggregate, as far as it was read.
async fn records(store: &dyn Store, standing: &Standing, first: u64) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
    let last = standing.aggregate.step.min(first + RECORDS_MAX - 1);
    store.records(&standing.aggregate.id, first..=last).await
}

/// Records as they come into frames.
fn frames(records: &[(u64, Vec<u8>)]) -> Vec<&[(u64, Vec<u8>)]> {
    let (mut frames, mut rest) = (Vec::new(), records);
    while !rest.is_empty() {
        let mut bytes = 0;
        let fits = rest.iter().take_while(|(_, record)| {
            bytes += record.len();
            bytes <= FRAME_BYTES_MAX
        });
        let (frame, others) = rest.split_at(fits.count().max(1));
        frames.push(frame);
        rest = others;
    }
    frames
}
