//! Frames: named pieces of a file, each with a checksum that covers it and everything before it. Knows nothing of what
//! is in them. See [`super`] for how they are written.

use std::io::{self, BufRead, Read as _, Write};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use crate::identity::Digest;

/// What every file begins with, before the version.
const FIRST_WORD: &str = "croupier-store";
/// The version of the format that is written and read.
const VERSION: u32 = 1;
/// A frame's first line: kind, name, size and checksum take less than half of it.
const LINE_BYTES_MAX: u64 = 512;
/// What a frame holds. A size beyond it is damage, which must not be taken for a reason to read a whole disk into memory.
const CONTENT_BYTES_MAX: u64 = 1 << 30;

/// A piece of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    /// What is in it, one word.
    pub(super) kind: String,
    /// Of what, one word.
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

/// A place between two frames: all before it is known to be whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// Bytes before it.
    pub(super) at: u64,
    /// The checksum of the frame before it: the digest of all before it.
    pub(super) digest: Digest,
}

/// A file does not read.
#[derive(Debug, Error)]
pub enum Flaw {
    /// The disk.
    #[error("it cannot be read at byte {at}: {error}")]
    Io {
        /// Where.
        at: u64,
        /// Why.
        error: io::Error,
    },
    /// It begins otherwise.
    #[error("it is no file of 'croupier store export'")]
    Foreign,
    /// It has another version.
    #[error(
        "it has version {0} of the format, and this croupier reads version {VERSION}: use the release that wrote it"
    )]
    Version(String),
    /// It is not what was written.
    #[error("it is damaged at byte {at}: {what}")]
    Damaged {
        /// Where the frame begins that is not whole.
        at: u64,
        /// What is wrong.
        what: String,
    },
    /// It ends too early.
    #[error("it is cut off at byte {at}: {what}")]
    CutOff {
        /// Where the frame begins that is not whole, or would begin that is missing.
        at: u64,
        /// What is missing.
        what: String,
    },
}

/// Writes frames.
pub(super) struct FrameWriter<W> {
    output: W,
    place: Place,
}

impl<W: Write> FrameWriter<W> {
    /// Begins a file.
    pub(super) fn begin(mut output: W) -> io::Result<Self> {
        let first = format!("{FIRST_WORD} {VERSION}\n");
        output.write_all(first.as_bytes())?;
        Ok(Self { output, place: Place { at: first.len() as u64, digest: Digest::of(first.as_bytes()) } })
    }

    /// Goes on with a file that ends in this place.
    pub(super) fn go_on(output: W, place: Place) -> Self {
        Self { output, place }
    }

    pub(super) fn write(&mut self, kind: &str, name: &str, content: &[u8]) -> io::Result<()> {
        if content.len() as u64 > CONTENT_BYTES_MAX {
            let what = format!("{kind} {name} has {} bytes, and the format holds {CONTENT_BYTES_MAX}", content.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        }
        let line = format!("{kind} {name} {}", content.len());
        let digest = checksum(&self.place.digest, &line, content);
        let line = format!("{line} {digest}\n");
        self.output.write_all(line.as_bytes())?;
        self.output.write_all(content)?;
        self.output.write_all(b"\n")?;
        self.place = Place { at: self.place.at + (line.len() + content.len() + 1) as u64, digest };
        Ok(())
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn output(&mut self) -> &mut W {
        &mut self.output
    }
}

/// Reads frames, each only if it is whole.
pub(super) struct FrameReader<R> {
    input: R,
    place: Place,
}

impl<R: BufRead> FrameReader<R> {
    pub(super) fn open(mut input: R) -> Result<Self, Flaw> {
        let mut first = Vec::new();
        input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut first).map_err(|error| Flaw::Io { at: 0, error })?;
        let version = first.strip_prefix(FIRST_WORD.as_bytes()).and_then(|rest| rest.strip_prefix(b" "));
        let version = version.and_then(|rest| rest.strip_suffix(b"\n")).ok_or(Flaw::Foreign)?;
        if version != VERSION.to_string().as_bytes() {
            return Err(Flaw::Version(String::from_utf8_lossy(version).into_owned()));
        }
        Ok(Self { input, place: Place { at: first.len() as u64, digest: Digest::of(&first) } })
    }

    /// The next frame; none where the file ends.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Flaw> {
        let at = self.place.at;
        let read_error = |error| Flaw::Io { at, error };
        let damaged = |what: &str| Flaw::Damaged { at, what: what.to_owned() };
        let mut line = Vec::new();
        self.input.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(read_error)?;
        if line.is_empty() {
            return Ok(None);
        }
        let line_bytes = line.len() as u64;
        if line.pop() != Some(b'\n') {
            return Err(if line_bytes == LINE_BYTES_MAX {
                damaged("a line that tells what follows is too long")
            } else {
                Flaw::CutOff { at, what: "within a line that tells what follows".to_owned() }
            });
        }
        let line = String::from_utf8(line).map_err(|_| damaged("a line that tells what follows is no text"))?;
        let (told, checksum_told) = line.rsplit_once(' ').ok_or_else(|| damaged("it does not tell what follows"))?;
        let [kind, name, size]: [&str; 3] =
            told.split(' ').collect::<Vec<_>>().try_into().map_err(|_| damaged("it does not tell what follows"))?;
        let size: u64 = size.parse().map_err(|_| damaged("it does not tell how much follows"))?;
        if size > CONTENT_BYTES_MAX {
            return Err(damaged("it tells of more than a frame holds"));
        }
        let mut content = Vec::new();
        // Grows as it is read: a size alone takes no memory.
        self.input.by_ref().take(size + 1).read_to_end(&mut content).map_err(read_error)?;
        if content.len() as u64 <= size {
            return Err(Flaw::CutOff { at, what: format!("within {kind} {name}") });
        }
        if content.pop() != Some(b'\n') {
            return Err(damaged(&format!("{kind} {name} does not end where it should")));
        }
        let digest = checksum(&self.place.digest, told, &content);
        if digest.to_string() != checksum_told {
            return Err(damaged(&format!("{kind} {name} does not have its checksum")));
        }
        self.place = Place { at: at + line_bytes + size + 1, digest };
        Ok(Some(Frame { kind: kind.to_owned(), name: name.to_owned(), content }))
    }

    /// Behind the last frame that was read.
    pub(super) fn place(&self) -> Place {
        self.place
    }
}

fn checksum(before: &Digest, told: &str, content: &[u8]) -> Digest {
    let mut hasher = Sha256::new();
    hasher.update(before.as_bytes());
    hasher.update(told.as_bytes());
    hasher.update(b"\n");
    hasher.update(content);
    let text = HEXLOWER.encode(&hasher.finalize());
    text.parse().expect("64 hexadecimal digits in lower case")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frames() -> impl Strategy<Value = Vec<Frame>> {
        let frame = ("[a-z]{1,9}", "[a-z/0-9]{1,20}", prop::collection::vec(any::<u8>(), 0..60));
        let frame = frame.prop_map(|(kind, name, content)| Frame { kind, name, content });
        prop::collection::vec(frame, 0..8)
    }

    fn written(frames: &[Frame]) -> (Vec<u8>, Place) {
        let mut writer = FrameWriter::begin(Vec::new()).unwrap();
        for Frame { kind, name, content } in frames {
            writer.write(kind, name, content).unwrap();
        }
        let place = writer.place();
        (writer.output, place)
    }

    /// What is read up to the end or the first flaw.
    fn read(bytes: &[u8]) -> (Vec<Frame>, Result<Place, Flaw>) {
        let mut reader = match FrameReader::open(bytes) {
            Ok(reader) => reader,
            Err(flaw) => return (Vec::new(), Err(flaw)),
        };
        let mut frames = Vec::new();
        loop {
            match reader.next() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => return (frames, Ok(reader.place())),
                Err(flaw) => return (frames, Err(flaw)),
            }
        }
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(frames in frames()) {
            let (bytes, place) = written(&frames);
            prop_assert_eq!(place.at, bytes.len() as u64);
            let (found, end) = read(&bytes);
            prop_assert_eq!(found, frames);
            prop_assert_eq!(end.unwrap(), place);
        }

        /// Every bit there is: what comes before it is read, and it is found.
        #[test]
        fn any_flipped_bit_is_found(frames in frames()) {
            let (bytes, _) = written(&frames);
            for bit in 0..bytes.len() * 8 {
                let mut damaged = bytes.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                let (found, end) = read(&damaged);
                prop_assert!(end.is_err(), "bit {} of {:?}", bit, String::from_utf8_lossy(&bytes));
                prop_assert!(found.len() <= frames.len() && found[..] == frames[..found.len()]);
            }
        }

        /// Between frames there is no flaw to be found here: whoever reads knows which frame is the last.
        #[test]
        fn a_file_that_is_cut_off_reads_up_to_its_last_whole_frame(frames in frames()) {
            let (bytes, whole) = written(&frames);
            let ends: Vec<_> = (0..=frames.len()).map(|count| written(&frames[..count]).1.at).collect();
            for length in 0..bytes.len() {
                let (found, end) = read(&bytes[..length]);
                prop_assert_eq!(&found[..], &frames[..found.len()]);
                match end {
                    Ok(place) => prop_assert!(ends.contains(&(length as u64)) && place != whole),
                    Err(Flaw::CutOff { at, .. }) => prop_assert_eq!(at, ends[found.len()]),
                    Err(Flaw::Foreign) => prop_assert!((length as u64) < ends[0]),
                    Err(flaw) => prop_assert!(false, "{}", flaw),
                }
            }
        }

        #[test]
        fn frames_cannot_change_places_or_be_left_out(frames in frames(), one: prop::sample::Index) {
            prop_assume!(frames.len() > 1);
            let ends: Vec<_> = (0..=frames.len()).map(|count| usize::try_from(written(&frames[..count]).1.at).unwrap()).collect();
            let (bytes, _) = written(&frames);
            let one = one.index(frames.len() - 1);
            let mut without = bytes.clone();
            without.drain(ends[one]..ends[one + 1]);
            prop_assert!(read(&without).1.is_err());
        }

        #[test]
        fn a_file_is_gone_on_with_as_if_it_was_never_left(frames in frames(), left: prop::sample::Index) {
            let left = left.index(frames.len() + 1);
            let (begun, place) = written(&frames[..left]);
            let mut writer = FrameWriter::go_on(begun, place);
            for Frame { kind, name, content } in &frames[left..] {
                writer.write(kind, name, content).unwrap();
            }
            prop_assert_eq!(writer.output, written(&frames).0);
        }
    }

    #[test]
    fn other_files_and_other_versions_are_told_apart() {
        for foreign in ["", "croupier", "croupier-store 1", "PK\u{3}\u{4}", "croupier-storage 1\n"] {
            assert!(matches!(read(foreign.as_bytes()).1, Err(Flaw::Foreign)), "{foreign}");
        }
        let error = read(b"croupier-store 2\n").1.unwrap_err().to_string();
        assert_eq!(
            error,
            "it has version 2 of the format, and this croupier reads version 1: use the release that wrote it"
        );
    }

    #[test]
    fn a_size_alone_takes_no_memory() {
        let told = format!("croupier-store 1\nrelease x {} {}\nshort\n", CONTENT_BYTES_MAX, "0".repeat(64));
        assert!(matches!(read(told.as_bytes()).1, Err(Flaw::CutOff { at: 17, .. })));
        let told = format!("croupier-store 1\nrelease x {} {}\nshort\n", CONTENT_BYTES_MAX + 1, "0".repeat(64));
        assert!(matches!(read(told.as_bytes()).1, Err(Flaw::Damaged { at: 17, .. })));
    }
}
