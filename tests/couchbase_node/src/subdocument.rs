//! Parts of documents: LOOKUP_IN and MUTATE_IN, from their packets to edits of JSON text.

mod edit;
mod path;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::de::IgnoredAny;
use serde_json::{Value, json};

use self::{
    edit::{Edit, edit, find, length},
    path::Path,
};
use crate::{
    bucket::{Mode, Stored},
    protocol::{Request, Response, Status},
};

/// Parts of one request.
const PARTS_MAX: usize = 16;

/// A document is made if there is none.
const MAKE_DOCUMENT: u8 = 0x01;
/// There must be no document.
const ADD_DOCUMENT: u8 = 0x02;

/// Objects on the way are made if there are none.
const MAKE_PARENTS: u8 = 0x01;
/// The path is one of the document's extended attributes. There are none, but for what the node itself says of a document.
const EXTENDED_ATTRIBUTE: u8 = 0x04;

/// What a part of a request does, by its opcode.
mod part {
    pub(super) const GET_DOCUMENT: u8 = 0x00;
    pub(super) const SET_DOCUMENT: u8 = 0x01;
    pub(super) const REMOVE_DOCUMENT: u8 = 0x04;
    pub(super) const GET: u8 = 0xc5;
    pub(super) const EXISTS: u8 = 0xc6;
    pub(super) const INSERT: u8 = 0xc7;
    pub(super) const UPSERT: u8 = 0xc8;
    pub(super) const REMOVE: u8 = 0xc9;
    pub(super) const REPLACE: u8 = 0xca;
    pub(super) const APPEND: u8 = 0xcb;
    pub(super) const PREPEND: u8 = 0xcc;
    pub(super) const INSERT_BEFORE: u8 = 0xcd;
    pub(super) const ADD_UNIQUE: u8 = 0xce;
    pub(super) const COUNT: u8 = 0xcf;
    pub(super) const LENGTH: u8 = 0xd2;
}

/// One part of a request.
struct Part {
    opcode: u8,
    flags: u8,
    path: Bytes,
    value: Bytes,
}

impl Part {
    /// The parts of a value: each its opcode, its flags, its path's length, for a mutation its value's length, then the
    /// path and the value.
    fn all(mut bytes: Bytes, have_values: bool) -> Result<Vec<Self>, Status> {
        let mut parts = Vec::new();
        let cut_off = |_| Status::InvalidArguments;
        while bytes.has_remaining() {
            let opcode = bytes.try_get_u8().map_err(cut_off)?;
            let flags = bytes.try_get_u8().map_err(cut_off)?;
            let path_length = usize::from(bytes.try_get_u16().map_err(cut_off)?);
            let value_length = if have_values { bytes.try_get_u32().map_err(cut_off)? as usize } else { 0 };
            if bytes.remaining() < path_length.saturating_add(value_length) {
                return Err(Status::InvalidArguments);
            }
            let (path, value) = (bytes.split_to(path_length), bytes.split_to(value_length));
            parts.push(Self { opcode, flags, path, value });
        }
        match parts.len() {
            1..=PARTS_MAX => Ok(parts),
            _ => Err(Status::InvalidCombination),
        }
    }

    /// What a path leads to, in a document or in what there is to say about it.
    fn look_up(&self, document: &Bytes, about: &str) -> Result<Bytes, Status> {
        if self.opcode == part::GET_DOCUMENT {
            return Ok(document.clone());
        }
        let within = match self.flags {
            0 => text(document)?,
            EXTENDED_ATTRIBUTE => about,
            _ => return Err(Status::NotSupported),
        };
        let path = Path::read(&self.path)?;
        match self.opcode {
            part::GET | part::EXISTS if path.is_root() => Err(Status::PathInvalid),
            part::GET => find(within, &path).map(|found| Bytes::copy_from_slice(found.as_bytes())),
            part::EXISTS => find(within, &path).map(|_| Bytes::new()),
            part::LENGTH => find(within, &path).and_then(length).map(|length| length.to_string().into()),
            _ => Err(Status::InvalidCombination),
        }
    }

    fn edit(&self) -> Result<Edit<'_>, Status> {
        let value = str::from_utf8(&self.value).map_err(|_| Status::ValueCantInsert)?;
        let edit = match self.opcode {
            part::INSERT => Edit::Insert(value),
            part::UPSERT => Edit::Upsert(value),
            part::REPLACE => Edit::Replace(value),
            part::REMOVE => Edit::Remove,
            part::APPEND => Edit::Append(value),
            part::PREPEND => Edit::Prepend(value),
            part::INSERT_BEFORE => Edit::InsertBefore(value),
            part::ADD_UNIQUE => Edit::AddUnique(value),
            part::COUNT => Edit::Count(value.trim().parse().ok().filter(|by| *by != 0).ok_or(Status::DeltaInvalid)?),
            _ => return Err(Status::InvalidCombination),
        };
        Ok(edit)
    }
}

/// The first error of a request that does not come down to its document or one of its parts.
fn check_document_flags(extras: &[u8], known: u8) -> Result<u8, Status> {
    match extras {
        [] => Ok(0),
        [flags] if flags & !known == 0 => Ok(*flags),
        _ => Err(Status::InvalidArguments),
    }
}

/// Each part's status, its value's length and its value.
pub(crate) fn look_up(document: &Stored, request: &Request) -> Result<Response, Status> {
    check_document_flags(&request.extras, 0)?;
    let about = about(document).to_string();
    let mut answer = BytesMut::new();
    let mut overall = Status::Success;
    for part in Part::all(request.value.clone(), false)? {
        let found = part.look_up(&document.value, &about);
        let (status, value) = found.map_or_else(|status| (status, Bytes::new()), |value| (Status::Success, value));
        if status != Status::Success {
            overall = Status::MultiPathFailure;
        }
        answer.put_u16(status.code());
        put_value(&mut answer, &value);
    }
    Ok(Response { status: overall, ..Response::of(answer) })
}

/// What the node says of a document where an extended attribute is asked for.
fn about(document: &Stored) -> Value {
    json!({"$document": {
        "CAS": format!("{:#018x}", document.cas),
        "seqno": format!("{:#018x}", document.sequence),
        "exptime": document.expires_at.unwrap_or(0),
        "flags": document.flags,
        "value_bytes": document.value.len(),
        "datatype": [if document.is_json { "json" } else { "raw" }],
        "deleted": false,
    }})
}

/// What becomes of a document.
pub(crate) struct Mutation {
    /// None if it is removed, or if the response is no success and nothing happens.
    pub(crate) value: Option<Bytes>,
    pub(crate) expiry: u32,
    pub(crate) mode: Mode,
    pub(crate) response: Response,
}

/// All parts of a mutation, or none. Extras: the expiry, flags for the document, either, or neither.
pub(crate) fn mutate(before: Option<Bytes>, request: &Request) -> Result<Mutation, Status> {
    let (expiry, flags) = match request.extras.split_at_checked(4) {
        Some((mut expiry, flags)) => (expiry.get_u32(), flags),
        None => (0, &request.extras[..]),
    };
    let flags = check_document_flags(flags, MAKE_DOCUMENT | ADD_DOCUMENT)?;
    let parts = Part::all(request.value.clone(), true)?;
    let mode = match (&before, flags) {
        (Some(_), ADD_DOCUMENT) => return Err(Status::KeyExists),
        (None, 0) => return Err(Status::KeyNotFound),
        (None, _) => Mode::Insert,
        (Some(_), _) => Mode::Replace,
    };
    let mut document = Some(before.unwrap_or_else(|| empty_for(&parts[0])));
    let mut answer = BytesMut::new();
    for (index, part) in (0_u8..).zip(&parts) {
        match mutate_part(&mut document, part) {
            Ok(None) => {}
            Ok(Some(count)) => {
                answer.put_u8(index);
                answer.put_u16(Status::Success.code());
                put_value(&mut answer, count.as_bytes());
            }
            Err(status) => {
                let [high, low] = status.code().to_be_bytes();
                let response = Response { status: Status::MultiPathFailure, ..Response::of(vec![index, high, low]) };
                return Ok(Mutation { value: None, expiry, mode, response });
            }
        }
    }
    Ok(Mutation { value: document, expiry, mode, response: Response::of(answer) })
}

/// Gives a counter's new value.
fn mutate_part(document: &mut Option<Bytes>, part: &Part) -> Result<Option<String>, Status> {
    if part.flags & !MAKE_PARENTS != 0 {
        return Err(Status::NotSupported);
    }
    match part.opcode {
        part::SET_DOCUMENT => {
            *document = Some(part.value.clone());
            Ok(None)
        }
        part::REMOVE_DOCUMENT => {
            *document = None;
            Ok(None)
        }
        _ => {
            let path = Path::read(&part.path)?;
            let before = document.as_deref().ok_or(Status::InvalidCombination)?;
            let after = edit(text(before)?, &path, &part.edit()?, part.flags & MAKE_PARENTS != 0)?;
            let count = match part.opcode {
                part::COUNT => Some(find(&after, &path)?.to_owned()),
                _ => None,
            };
            *document = Some(after.into());
            Ok(count)
        }
    }
}

/// What a document is before the first part makes it.
fn empty_for(first: &Part) -> Bytes {
    match first.opcode {
        part::APPEND | part::PREPEND | part::ADD_UNIQUE if first.path.is_empty() => "[]".into(),
        _ => "{}".into(),
    }
}

fn text(document: &[u8]) -> Result<&str, Status> {
    let text = str::from_utf8(document).map_err(|_| Status::NotJson)?;
    serde_json::from_str::<IgnoredAny>(text).map_err(|_| Status::NotJson)?;
    Ok(text)
}

fn put_value(answer: &mut BytesMut, value: &[u8]) {
    answer.put_u32(u32::try_from(value.len()).expect("a document is below 4 GiB"));
    answer.put_slice(value);
}
