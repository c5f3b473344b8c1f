//! The component's memory. A fresh instance runs each call, and what a call allocates usually fits into an arena that is part of the
//! instance from the start: asking the host for more memory costs more than many a game's whole call.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::Layout;
use std::arch::wasm32::memory_grow;
use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, Ordering};

use talc::base::{Talc, binning::Binning};
use talc::cell::TalcSyncCell;
use talc::source::Source;
use talc::wasm::WasmBinning;

use crate::small_blocks::SmallBlocks;

/// With a stack of 64 KiB and the static data, an instance fits into the 256 KiB that a host can keep resident.
const ARENA_BYTES: usize = 128 * 1024;

/// WebAssembly's own unit of memory.
const PAGE_BYTES: usize = 64 * 1024;

/// At least what the allocator adds to an allocation and to a heap.
const OVERHEAD_BYTES: usize = 128;

static mut ARENA: [MaybeUninit<u8>; ARENA_BYTES] = [MaybeUninit::uninit(); ARENA_BYTES];

static SPARES_ARENA: AtomicBool = AtomicBool::new(false);

/// From now on takes new pages in place of the arena, where that was not begun. A host gives the memory of one instance to
/// the next and clears whatever of it was ever touched; new pages it takes away. So what allocates much more than a call
/// of the game, and is called once, should not leave an arena that takes long to clear after every call.
pub(crate) fn spare_arena() {
    SPARES_ARENA.store(true, Ordering::Relaxed);
}

#[global_allocator]
// SAFETY: a component has one thread.
static HEAP: SmallBlocks<TalcSyncCell<ArenaThenPages, WasmBinning>> =
    unsafe { SmallBlocks::before(TalcSyncCell::new_wasm(ArenaThenPages { arena_taken: false, end: None })) };

/// Gives the allocator the arena first, then as many pages as it needs.
#[derive(Debug)]
struct ArenaThenPages {
    arena_taken: bool,
    /// The end of the heap that the pages make up.
    end: Option<NonNull<u8>>,
}

// SAFETY: it neither allocates nor calls what does.
unsafe impl Source for ArenaThenPages {
    fn acquire<B: Binning>(talc: &mut Talc<Self, B>, layout: Layout) -> Result<(), ()> {
        if !talc.source.arena_taken && !SPARES_ARENA.load(Ordering::Relaxed) {
            talc.source.arena_taken = true;
            // SAFETY: nothing else refers to the arena, and it is claimed once.
            unsafe { talc.claim((&raw mut ARENA).cast(), ARENA_BYTES) };
            return Ok(());
        }
        let bytes = layout.size() + layout.align() + OVERHEAD_BYTES;
        let pages = bytes.div_ceil(PAGE_BYTES);
        let first = memory_grow::<0>(pages);
        if first == usize::MAX {
            return Err(());
        }
        let start = ptr::with_exposed_provenance_mut::<u8>(first * PAGE_BYTES);
        let new_end = start.wrapping_add(pages * PAGE_BYTES);
        // SAFETY: the pages are new, so nothing refers to them. Where they follow the heap, it is extended.
        talc.source.end = match talc.source.end {
            Some(end) if end.as_ptr() == start => Some(unsafe { talc.extend(end, new_end) }),
            _ => unsafe { talc.claim(start, pages * PAGE_BYTES) },
        };
        Ok(())
    }
}
