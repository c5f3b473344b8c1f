//! Parts of documents.
use crate::{
    bucket::Mode,
    protocol::{Request, Response, Status},
};
use bytes::Bytes;
pub(crate) struct Mutation {
    pub(crate) value: Option<Bytes>,
    pub(crate) expiry: u32,
    pub(crate) mode: Mode,
    pub(crate) response: Response,
}
pub(crate) fn look_up(_: &Bytes, _: &Request) -> Result<Response, Status> {
    Err(Status::NotSupported)
}
pub(crate) fn mutate(_: Option<Bytes>, _: &Request) -> Result<Mutation, Status> {
    Err(Status::NotSupported)
}
