//! How wasmtime is set up, each setting with its reason.

use std::time::Duration;

use wasmtime::{Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig, Strategy};

use super::Settings;

/// Data that one host call may carry from the game: above the largest reply, far below what would hurt.
pub(super) const HOST_CALL_BYTES_MAX: usize = 1 << 20;

/// Handles that one step may hold; the contract has no resources, so an honest game holds none.
pub(super) const COMPONENT_HANDLES_MAX: usize = 1000;

/// How often a computing step gives way to others; also the grain of its time budget.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// A component built from an interpreter has three memories and three tables; nothing we know of needs more.
const MEMORIES_PER_COMPONENT: u32 = 3;
/// See [`MEMORIES_PER_COMPONENT`].
const TABLES_PER_COMPONENT: u32 = 3;
/// Core instances in one component: the module itself, and the shims that connect it to its imports.
const CORE_INSTANCES_PER_COMPONENT: u32 = 20;

/// Wasm frames only: a guest's own data lives in its memory. Enough for deep JSON, small enough to overflow early.
const WASM_STACK_BYTES: usize = 128 << 10;
/// The whole stack of a step: the guest's frames, and room for host functions on top of them.
const STEP_STACK_BYTES: usize = 1 << 20;
/// Memory that a pool slot keeps between steps and clears by hand: cheaper than giving it back to the kernel.
const KEEP_RESIDENT_BYTES: usize = 256 << 10;
/// Elements of one table: function pointers of a large game.
const TABLE_ELEMENTS_MAX: usize = 20_000;

pub(super) fn configuration(settings: &Settings) -> Config {
    let mut config = Config::new();
    config.strategy(Strategy::Cranelift);
    config.cranelift_opt_level(OptLevel::Speed);
    // The same bits on every machine: a NaN's payload would otherwise differ, and replays with it.
    config.cranelift_nan_canonicalization(true);

    // What no game needs is off: less to attack, and threads and relaxed SIMD would not be deterministic.
    // (Garbage collection and threads are not even compiled in.)
    config.wasm_component_model(true);
    config.wasm_relaxed_simd(false);
    config.wasm_memory64(false);
    // What joins the parts of a component, an interpreter and what stands in for its system, copies between their memories.
    config.wasm_multi_memory(true);
    // Halves the cost of a fresh instance: games are called, they do not run on their own.
    config.concurrency_support(false);

    // A step that computes on is interrupted at every tick. Costs compiled games nothing measurable; fuel would.
    config.epoch_interruption(true);
    config.max_wasm_stack(WASM_STACK_BYTES);
    config.async_stack_size(STEP_STACK_BYTES);

    // The operator's log shows where a game trapped.
    config.wasm_backtrace_max_frames(std::num::NonZeroUsize::new(20));

    // Slots are made once and reused, memory images are mapped copy-on-write: a fresh instance costs microseconds.
    // Reservations and guards stay at their defaults, which let compiled code go without bounds checks.
    config.memory_init_cow(true);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    config
}

fn pool(settings: &Settings) -> PoolingAllocationConfig {
    let steps = settings.concurrent_steps_max;
    // One more than admission lets in: a release that is being loaded is instantiated too, to describe itself.
    let instances = steps + 1;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances);
    pool.total_core_instances(instances * CORE_INSTANCES_PER_COMPONENT);
    pool.max_core_instances_per_component(CORE_INSTANCES_PER_COMPONENT);
    pool.total_stacks(instances);
    pool.total_memories(instances * MEMORIES_PER_COMPONENT);
    pool.max_memories_per_component(MEMORIES_PER_COMPONENT);
    pool.total_tables(instances * TABLES_PER_COMPONENT);
    pool.max_tables_per_component(TABLES_PER_COMPONENT);
    pool.max_tables_per_module(TABLES_PER_COMPONENT);
    pool.table_elements(TABLE_ELEMENTS_MAX);
    pool.max_memory_size(settings.memory_bytes_max);
    // Where the kernel can tell which pages a step has touched, only those are cleared.
    pool.pagemap_scan(Enabled::Auto);
    pool.linear_memory_keep_resident(KEEP_RESIDENT_BYTES);
    pool.table_keep_resident(KEEP_RESIDENT_BYTES);
    pool
}
