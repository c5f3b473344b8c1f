//! Small blocks of memory in lists by their size, before an allocator for all others. A game's values are small, of few sizes, and
//! many: a simulation makes and drops some in each of its millions of rounds.

#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::cell::UnsafeCell;
use std::ptr;

/// Sizes of small blocks are its multiples; they are aligned to it.
const GRAIN_BYTES: usize = 16;

/// The largest small block.
const SMALL_BYTES_MAX: usize = 512;

/// What small blocks are cut from.
const SLAB_BYTES: usize = 4096;

/// An allocator of one thread.
pub(crate) struct SmallBlocks<A> {
    lists: UnsafeCell<Lists>,
    others: A,
}

/// What is free waits for the next block of its size and is never anything else again.
struct Lists {
    /// The first free block of each size in grains, from 1 on. Each begins with the address of the next.
    free: [*mut u8; SMALL_BYTES_MAX / GRAIN_BYTES],
    /// What no block was cut from yet: whole grains.
    slab: *mut u8,
    slab_bytes: usize,
}

impl<A> SmallBlocks<A> {
    /// Before `others`, which gets all that is larger.
    ///
    /// # Safety
    /// Only one thread ever uses it.
    pub(crate) const unsafe fn before(others: A) -> Self {
        let free = [ptr::null_mut(); SMALL_BYTES_MAX / GRAIN_BYTES];
        Self { lists: UnsafeCell::new(Lists { free, slab: ptr::null_mut(), slab_bytes: 0 }), others }
    }
}

// SAFETY: who made it promised that there is one thread.
unsafe impl<A> Sync for SmallBlocks<A> {}

// SAFETY: its layout alone says whether a block is small, so each goes back to where it came from. A list has nothing but free
// blocks of its size, and none of them is in it twice or in another.
unsafe impl<A: GlobalAlloc> GlobalAlloc for SmallBlocks<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises. One thread uses the lists, and nothing in here allocates from them again.
        unsafe {
            match grains(layout) {
                Some(grains) => (*self.lists.get()).take(grains, &self.others),
                None => self.others.alloc(layout),
            }
        }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`.
        unsafe {
            match grains(layout) {
                Some(grains) => (*self.lists.get()).put(block, grains),
                None => self.others.dealloc(block, layout),
            }
        }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_bytes: usize) -> *mut u8 {
        // SAFETY: the caller's promises, one of which is that the new size is a layout's.
        unsafe {
            let new_layout = Layout::from_size_align_unchecked(new_bytes, layout.align());
            match (grains(layout), grains(new_layout)) {
                (None, None) => self.others.realloc(block, layout, new_bytes),
                (before, after) if before == after => block,
                _ => {
                    let moved = self.alloc(new_layout);
                    if !moved.is_null() {
                        ptr::copy_nonoverlapping(block, moved, layout.size().min(new_bytes));
                        self.dealloc(block, layout);
                    }
                    moved
                }
            }
        }
    }
}

/// The size of a small block; none where it is not small.
fn grains(layout: Layout) -> Option<usize> {
    let small = layout.size() <= SMALL_BYTES_MAX && layout.align() <= GRAIN_BYTES;
    small.then(|| layout.size().div_ceil(GRAIN_BYTES))
}

impl Lists {
    /// # Safety
    /// A small block has this many grains.
    unsafe fn take(&mut self, grains: usize, others: &impl GlobalAlloc) -> *mut u8 {
        let first = self.free[grains - 1];
        if first.is_null() {
            // SAFETY: the caller's promise.
            return unsafe { self.cut(grains, others) };
        }
        // SAFETY: a free block begins with the address of the next.
        self.free[grains - 1] = unsafe { first.cast::<*mut u8>().read() };
        first
    }

    /// # Safety
    /// The block was taken with this many grains, or cut, and nothing uses it any more.
    unsafe fn put(&mut self, block: *mut u8, grains: usize) {
        // SAFETY: a grain is larger than an address and aligned for one.
        unsafe { block.cast::<*mut u8>().write(self.free[grains - 1]) };
        self.free[grains - 1] = block;
    }

    /// # Safety
    /// A small block has this many grains.
    unsafe fn cut(&mut self, grains: usize, others: &impl GlobalAlloc) -> *mut u8 {
        let bytes = grains * GRAIN_BYTES;
        // SAFETY: a slab is cut once, and what is left of it is smaller than the block that was asked for: a small one.
        unsafe {
            if self.slab_bytes < bytes {
                let slab = others.alloc(Layout::from_size_align_unchecked(SLAB_BYTES, GRAIN_BYTES));
                if slab.is_null() {
                    return slab;
                }
                if self.slab_bytes > 0 {
                    self.put(self.slab, self.slab_bytes / GRAIN_BYTES);
                }
                (self.slab, self.slab_bytes) = (slab, SLAB_BYTES);
            }
            let block = self.slab;
            self.slab = block.add(bytes);
            self.slab_bytes -= bytes;
            block
        }
    }
}

#[cfg(test)]
mod tests {
    use std::alloc::System;
    use std::cell::Cell;

    use rand_xoshiro::Xoshiro256PlusPlus;
    use rand_xoshiro::rand_core::{Rng as _, SeedableRng as _};

    use super::*;

    /// The system's, as long as there is something left.
    struct Others {
        left: Cell<usize>,
    }

    // SAFETY: the system's.
    unsafe impl GlobalAlloc for Others {
        unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
            match self.left.get().checked_sub(layout.size()) {
                Some(left) => {
                    self.left.set(left);
                    unsafe { System.alloc(layout) }
                }
                None => ptr::null_mut(),
            }
        }

        unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
            self.left.set(self.left.get() + layout.size());
            unsafe { System.dealloc(block, layout) }
        }
    }

    fn heap(bytes: usize) -> SmallBlocks<Others> {
        // SAFETY: each test has its own.
        unsafe { SmallBlocks::before(Others { left: Cell::new(bytes) }) }
    }

    /// A block that is full of its own number.
    struct Owned {
        block: *mut u8,
        layout: Layout,
        fill: u8,
    }

    impl Owned {
        fn new(block: *mut u8, layout: Layout, fill: u8) -> Self {
            assert!(!block.is_null() && block.addr().is_multiple_of(layout.align()));
            unsafe { block.write_bytes(fill, layout.size()) };
            Self { block, layout, fill }
        }

        fn is_whole(&self, bytes: usize) -> bool {
            unsafe { std::slice::from_raw_parts(self.block, bytes) }.iter().all(|&byte| byte == self.fill)
        }
    }

    #[test]
    fn blocks_never_share_memory_and_keep_what_is_in_them() {
        let heap = heap(usize::MAX);
        let mut generator = Xoshiro256PlusPlus::seed_from_u64(1);
        let mut below = |bound: u64| usize::try_from(generator.next_u64() % bound).unwrap();
        let mut owned: Vec<Owned> = Vec::new();
        for step in 0..200_000 {
            let bytes = match below(8) {
                0 => 1 + below(5_000),
                1 => 500 + below(30),
                _ => 1 + below(600),
            };
            let fill = u8::try_from(step % 251).unwrap();
            match below(if owned.len() < 300 { 4 } else { 7 }) {
                0 | 1 => {
                    let layout = Layout::from_size_align(bytes, 1 << below(7)).unwrap();
                    owned.push(Owned::new(unsafe { heap.alloc(layout) }, layout, fill));
                }
                2 if !owned.is_empty() => {
                    let place = below(owned.len() as u64);
                    let mut one = owned.swap_remove(place);
                    one.block = unsafe { heap.realloc(one.block, one.layout, bytes) };
                    assert!(one.is_whole(bytes.min(one.layout.size())), "moving keeps what fits");
                    let layout = Layout::from_size_align(bytes, one.layout.align()).unwrap();
                    owned.push(Owned::new(one.block, layout, fill));
                }
                _ if !owned.is_empty() => {
                    let place = below(owned.len() as u64);
                    let one = owned.swap_remove(place);
                    assert!(one.is_whole(one.layout.size()), "nobody else wrote into it");
                    unsafe { heap.dealloc(one.block, one.layout) };
                }
                _ => {}
            }
        }
        assert!(owned.iter().all(|one| one.is_whole(one.layout.size())));
        for one in owned {
            unsafe { heap.dealloc(one.block, one.layout) };
        }
    }

    #[test]
    fn what_is_free_is_taken_again() {
        let heap = heap(SLAB_BYTES);
        let layout = Layout::from_size_align(100, 8).unwrap();
        for _ in 0..10_000 {
            let blocks: Vec<_> = (0..SLAB_BYTES / 112).map(|_| unsafe { heap.alloc(layout) }).collect();
            assert!(blocks.iter().all(|block| !block.is_null()));
            assert!(unsafe { heap.alloc(layout) }.is_null(), "there is no more");
            for block in blocks {
                unsafe { heap.dealloc(block, layout) };
            }
        }
    }
}
