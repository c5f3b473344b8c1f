//! Paths into documents: `rounds[0].stake`, with names in backticks where they hold other than letters and digits.

use crate::protocol::Status;

/// A path is at most this long.
const PATH_BYTES_MAX: usize = 1024;
/// And has at most so many steps.
const STEPS_MAX: usize = 32;

/// One step from a value to one in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The member of an object.
    Name(String),
    /// The element of an array.
    Index(usize),
    /// The last element of an array, `[-1]`.
    Last,
}

/// The steps from a document to a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

impl Path {
    pub(super) fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, Status> {
        if bytes.len() > PATH_BYTES_MAX {
            return Err(Status::PathTooBig);
        }
        let mut rest = str::from_utf8(bytes).map_err(|_| Status::PathInvalid)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = match rest.strip_prefix('[') {
                Some(index) => read_index(index)?,
                None => {
                    let name = if steps.is_empty() { Some(rest) } else { rest.strip_prefix('.') };
                    read_name(name.ok_or(Status::PathInvalid)?)?
                }
            };
            steps.push(step);
            rest = after;
        }
        if steps.len() > STEPS_MAX { Err(Status::PathTooBig) } else { Ok(Self(steps)) }
    }
}

/// The index up to its bracket, and what follows.
fn read_index(text: &str) -> Result<(Step, &str), Status> {
    let (index, rest) = text.split_once(']').ok_or(Status::PathInvalid)?;
    let step = match index {
        "-1" => Step::Last,
        _ => Step::Index(index.parse().map_err(|_| Status::PathInvalid)?),
    };
    Ok((step, rest))
}

/// The name up to a dot or a bracket, and what follows. In backticks anything may be in a name; two are one of its own.
fn read_name(text: &str) -> Result<(Step, &str), Status> {
    let mut name = String::new();
    let mut is_quoted = false;
    let mut characters = text.char_indices().peekable();
    let mut end = text.len();
    while let Some((at, character)) = characters.next() {
        match character {
            '`' if is_quoted && characters.next_if(|(_, next)| *next == '`').is_some() => name.push('`'),
            '`' => is_quoted = !is_quoted,
            '.' | '[' if !is_quoted => {
                end = at;
                break;
            }
            ']' if !is_quoted => return Err(Status::PathInvalid),
            _ => name.push(character),
        }
    }
    match is_quoted || end == 0 {
        true => Err(Status::PathInvalid),
        false => Ok((Step::Name(name), &text[end..])),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(name: &str) -> Step {
        Step::Name(name.to_owned())
    }

    #[test]
    fn paths_are_read() {
        let cases = [
            ("", vec![]),
            ("balance", vec![name("balance")]),
            ("rounds[0].stake", vec![name("rounds"), Step::Index(0), name("stake")]),
            ("[2][-1]", vec![Step::Index(2), Step::Last]),
            ("`a.b`.`c``d`", vec![name("a.b"), name("c`d")]),
        ];
        for (path, steps) in cases {
            assert_eq!(Path::read(path.as_bytes()), Ok(Path(steps)), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let deep = "[0]".repeat(STEPS_MAX + 1);
        let long = "x".repeat(PATH_BYTES_MAX + 1);
        for (path, status) in [(&deep, Status::PathTooBig), (&long, Status::PathTooBig)] {
            assert_eq!(Path::read(path.as_bytes()), Err(status));
        }
        for path in [".", "a.", "a..b", "a[", "a[x]", "a[-2]", "a]", "`a", "[0]a"] {
            assert_eq!(Path::read(path.as_bytes()), Err(Status::PathInvalid), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = Path::read(&bytes);
        }
    }
}
