//! Stands in for the providers of notifications, for tests: SendGrid (`POST /v3/mail/send`), Meta
//! (`POST /<version>/<user>/notifications` and batches at `POST /<version>/`), Airship (`POST /api/push`) and a webhook's
//! server (`POST /webhook`), all on one loopback address.
//!
//! It takes as long as they do, fails as they do when it is told to, and counts by notification what it was asked and what
//! it took: what it took twice was delivered twice. An address that begins with `refused` is one that a provider refuses.

mod counts;
mod dice;
mod faults;
mod latency;
mod providers;
mod server;
mod settings;

pub use counts::{Counts, ProviderCounts};
pub use faults::{Fault, Faults};
pub use latency::Latency;
pub use server::StandIn;
pub use settings::{Credentials, Latencies, Provider, Settings};
