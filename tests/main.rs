//! The system as a whole: the real binary, real sockets, real files, real games.

mod harness;
mod load;

mod crash;
mod durability;
mod hostile;
mod ledger;
mod play;
mod protocol;
mod sessions;
mod steps;
