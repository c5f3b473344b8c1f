//! The `croupier` command.

use std::{ffi::c_long, process::ExitCode};

use clap::Parser as _;
use libmimalloc_sys::{mi_option_eager_commit_delay, mi_option_set_default, mi_option_t};

/// A step allocates and frees some hundred small things on whichever thread runs it; the system's allocator takes a
/// seventh of the processor for that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How long memory that was freed is kept before the system gets it back; the name that the bindings lack. Tables are filled in
/// memory and written every few seconds, and giving back what that takes in between costs a busy host a tenth of the processor.
const PURGE_DELAY: mi_option_t = 15;
const PURGE_DELAY_MS: c_long = 60_000;

fn main() -> ExitCode {
    set_memory_option(PURGE_DELAY, PURGE_DELAY_MS);
    // All of it is taken as huge pages from the first on, where the system has them: then an address is found sooner.
    set_memory_option(mi_option_eager_commit_delay, 0);
    match croupier::cli::Cli::parse().run() {
        Ok(status) => status,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Unless the environment sets it: `MIMALLOC_PURGE_DELAY`, `MIMALLOC_EAGER_COMMIT_DELAY`.
#[expect(unsafe_code, reason = "the allocator's options are set by a function of C")]
fn set_memory_option(option: mi_option_t, value: c_long) {
    // SAFETY: it stores a number, and no option beyond the last.
    unsafe { mi_option_set_default(option, value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Options are numbers, and another version of the allocator may have others.
    #[test]
    #[expect(unsafe_code, reason = "the allocator's options are read by a function of C")]
    fn the_options_that_are_set_are_those_that_are_meant() {
        // SAFETY: they read a number.
        let defaults =
            unsafe { [PURGE_DELAY, mi_option_eager_commit_delay].map(|option| libmimalloc_sys::mi_option_get(option)) };
        assert_eq!(defaults, [10, 1], "the allocator's own values");
    }
}
