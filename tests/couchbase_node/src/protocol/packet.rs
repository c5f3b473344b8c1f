//! Packets: a header of 24 bytes, then frames, extras, key and value. Big-endian throughout.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::Status;

const HEADER_BYTES: usize = 24;

/// What the server takes in one packet: the largest value, and room for what goes with it.
const BODY_BYTES_MAX: usize = 30 * 1024 * 1024;

/// A client's request.
const REQUEST: u8 = 0x80;
/// A client's request with frames; its key's length has one byte.
const REQUEST_WITH_FRAMES: u8 = 0x08;
/// The answer to either.
const RESPONSE: u8 = 0x81;

/// Bytes that are no packet. The server hangs up on them.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("the first byte, {0:#04x}, is no request's")]
    Magic(u8),
    #[error("a body of {0} bytes, of at most {BODY_BYTES_MAX}")]
    TooLong(usize),
    #[error("frames, extras and key are longer than the body they are in")]
    Lengths,
}

/// A request, cut into its parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) opcode: u8,
    pub(crate) vbucket: u16,
    /// Chosen by the client, and given back with the answer.
    pub(crate) opaque: u32,
    pub(crate) cas: u64,
    /// Present, if only as no bytes, in a packet of the kind that has frames.
    pub(crate) frames: Option<Bytes>,
    pub(crate) extras: Bytes,
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

impl Request {
    /// The next request in a buffer, if it is there whole.
    pub(crate) fn take_from(buffer: &mut BytesMut) -> Result<Option<Self>, Malformed> {
        let Some(mut header) = buffer.get(..HEADER_BYTES) else {
            // Whoever speaks another protocol learns so from its first byte.
            return match buffer.first() {
                Some(&magic) if !is_request(magic) => Err(Malformed::Magic(magic)),
                _ => Ok(None),
            };
        };
        let magic = header.get_u8();
        if !is_request(magic) {
            return Err(Malformed::Magic(magic));
        }
        let opcode = header.get_u8();
        let has_frames = magic == REQUEST_WITH_FRAMES;
        let (frames_length, key_length) = match has_frames {
            true => (header.get_u8().into(), header.get_u8().into()),
            false => (0, usize::from(header.get_u16())),
        };
        let extras_length = usize::from(header.get_u8());
        let _datatype = header.get_u8();
        let vbucket = header.get_u16();
        let body_length = header.get_u32() as usize;
        let opaque = header.get_u32();
        let cas = header.get_u64();
        if body_length > BODY_BYTES_MAX {
            return Err(Malformed::TooLong(body_length));
        }
        if frames_length + extras_length + key_length > body_length {
            return Err(Malformed::Lengths);
        }
        if buffer.len() < HEADER_BYTES + body_length {
            buffer.reserve(HEADER_BYTES + body_length - buffer.len());
            return Ok(None);
        }
        buffer.advance(HEADER_BYTES);
        let mut body = buffer.split_to(body_length).freeze();
        let frames = has_frames.then(|| body.split_to(frames_length));
        let extras = body.split_to(extras_length);
        let key = body.split_to(key_length);
        Ok(Some(Self { opcode, vbucket, opaque, cas, frames, extras, key, value: body }))
    }
}

fn is_request(magic: u8) -> bool {
    matches!(magic, REQUEST | REQUEST_WITH_FRAMES)
}

/// An answer; which request it is for is known only when it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: Status,
    pub(crate) cas: u64,
    pub(crate) is_json: bool,
    pub(crate) extras: Bytes,
    pub(crate) value: Bytes,
}

impl From<Status> for Response {
    fn from(status: Status) -> Self {
        Self { status, cas: 0, is_json: false, extras: Bytes::new(), value: Bytes::new() }
    }
}

impl Response {
    /// A success with this value.
    pub(crate) fn of(value: impl Into<Bytes>) -> Self {
        Self { value: value.into(), ..Status::Success.into() }
    }

    pub(crate) fn with_extras(self, extras: impl Into<Bytes>) -> Self {
        Self { extras: extras.into(), ..self }
    }

    pub(crate) fn with_cas(self, cas: u64) -> Self {
        Self { cas, ..self }
    }

    /// The packet that answers this request.
    pub(crate) fn packet(&self, opcode: u8, opaque: u32) -> Bytes {
        let body_length = self.extras.len() + self.value.len();
        let mut packet = BytesMut::with_capacity(HEADER_BYTES + body_length);
        packet.put_u8(RESPONSE);
        packet.put_u8(opcode);
        packet.put_u16(0);
        packet.put_u8(u8::try_from(self.extras.len()).expect("extras are short"));
        packet.put_u8(self.is_json.into());
        packet.put_u16(self.status.code());
        packet.put_u32(u32::try_from(body_length).expect("a value is below 4 GiB"));
        packet.put_u32(opaque);
        packet.put_u64(self.cas);
        packet.put_slice(&self.extras);
        packet.put_slice(&self.value);
        packet.freeze()
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, option, prelude::*};

    use super::*;

    /// A request's packet, as a client would write it.
    fn packet(request: &Request) -> BytesMut {
        let mut packet = BytesMut::new();
        let frames = request.frames.clone();
        packet.put_u8(if frames.is_some() { REQUEST_WITH_FRAMES } else { REQUEST });
        packet.put_u8(request.opcode);
        match &frames {
            Some(frames) => {
                packet.put_u8(frames.len().try_into().unwrap());
                packet.put_u8(request.key.len().try_into().unwrap());
            }
            None => packet.put_u16(request.key.len().try_into().unwrap()),
        }
        let frames = frames.unwrap_or_default();
        packet.put_u8(request.extras.len().try_into().unwrap());
        packet.put_u8(0);
        packet.put_u16(request.vbucket);
        let body = [&frames[..], &request.extras, &request.key, &request.value].concat();
        packet.put_u32(body.len().try_into().unwrap());
        packet.put_u32(request.opaque);
        packet.put_u64(request.cas);
        packet.put_slice(&body);
        packet
    }

    prop_compose! {
        fn requests()(
            opcode: u8, vbucket: u16, opaque: u32, cas: u64,
            frames in option::of(vec(any::<u8>(), 0..256)),
            extras in vec(any::<u8>(), 0..24),
            key in vec(any::<u8>(), 0..256),
            value in vec(any::<u8>(), 0..512),
        ) -> Request {
            let frames = frames.map(Bytes::from);
            Request { opcode, vbucket, opaque, cas, frames, extras: extras.into(), key: key.into(), value: value.into() }
        }
    }

    proptest! {
        #[test]
        fn requests_are_read_as_they_were_written(sent in vec(requests(), 1..4), cut in 0_usize..2000) {
            let stream = sent.iter().flat_map(packet).collect::<Vec<_>>();
            let (first, second) = stream.split_at(cut.min(stream.len()));
            let (mut buffer, mut read) = (BytesMut::new(), Vec::new());
            for part in [first, second] {
                buffer.extend_from_slice(part);
                while let Some(request) = Request::take_from(&mut buffer).unwrap() {
                    read.push(request);
                }
            }
            prop_assert_eq!(read, sent);
            prop_assert!(buffer.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in vec(any::<u8>(), 0..200), magic in option::of(0_usize..2)) {
            let mut buffer = BytesMut::from(&bytes[..]);
            if let (Some(magic), Some(first)) = (magic, buffer.first_mut()) {
                *first = [REQUEST, REQUEST_WITH_FRAMES][magic];
            }
            while let Ok(Some(_)) = Request::take_from(&mut buffer) {}
        }
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let read = |bytes: &[u8]| Request::take_from(&mut BytesMut::from(bytes));
        assert_eq!(read(b"GET / HTTP/1.1\r\n"), Err(Malformed::Magic(b'G')));
        let mut header = [0; HEADER_BYTES];
        header[0] = REQUEST;
        header[3] = 9;
        assert_eq!(read(&header), Err(Malformed::Lengths));
        header[8] = 0xff;
        assert_eq!(read(&header), Err(Malformed::TooLong(0xff00_0000)));
    }

    #[test]
    fn an_answer_carries_its_request_s_opaque() {
        let response = Response::of("value").with_extras(vec![0, 0, 0, 7]).with_cas(0x0102);
        let packet = response.packet(0x00, 0xabcd);
        let header = [0x81, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0xab, 0xcd, 0, 0, 0, 0, 0, 0, 1, 2];
        assert_eq!(packet[..HEADER_BYTES], header);
        assert_eq!(&packet[HEADER_BYTES..], b"\0\0\0\x07value");
    }
}
