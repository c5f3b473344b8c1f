//! A server that verifies requests as the host's documentation tells receivers to.

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::Sha256;

use super::{Call, Delivery, Rejected, Request};
use crate::{Credentials, Provider};

#[derive(Deserialize)]
struct Body<'a> {
    notification: String,
    to: String,
    #[serde(borrow)]
    body: &'a RawValue,
}

pub(super) fn read(request: &Request, credentials: &Credentials) -> Result<Call, Rejected> {
    if !is_signed(request, credentials.webhook_secret.as_bytes()) {
        return Err(Rejected::Unauthorized);
    }
    let Body { notification, to, body } = serde_json::from_slice(&request.body).map_err(|_| "no such request")?;
    let delivery = Delivery { notification, to, words: body.get().to_owned() };
    Ok(Call::single(Provider::Webhook, request.key()?, delivery)?)
}

/// The timestamp's age is not looked at: a test may take its time.
fn is_signed(request: &Request, secret: &[u8]) -> bool {
    let timestamp = request.header("x-croupier-timestamp");
    let signature = request.header("x-croupier-signature").strip_prefix("v1=");
    let signature = signature.and_then(|signature| HEXLOWER.decode(signature.as_bytes()).ok());
    let (Ok(_), Some(signature)) = (timestamp.parse::<u64>(), signature) else { return false };
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(timestamp.as_bytes());
    mac.update(b".");
    mac.update(&request.body);
    mac.verify_slice(&signature).is_ok()
}
