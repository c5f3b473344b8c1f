//! The system as a whole: the real binary, real sockets, real files, real games.

#![expect(clippy::unwrap_used, reason = "in tests, helpers included, a failed unwrap is the report")]

mod harness;
mod load;

mod architecture;
mod checking;
mod clients;
mod command_line;
mod contract;
mod couchbase;
mod crash;
mod designing;
mod durability;
mod fairness;
mod hostile;
mod javascript;
mod ledger;
mod migration;
mod moving;
mod play;
mod protocol;
mod queues;
mod railgun;
mod releases;
mod replay;
mod sessions;
mod simulation;
mod steps;
mod stores;
mod tracking;
