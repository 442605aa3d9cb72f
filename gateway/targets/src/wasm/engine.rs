//! The compiler and the pool of memories of one function.

use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::function::Limits;

/// Modules within one component: language runtimes bring their libraries as modules of their own.
pub(super) const INSTANCES_MAX: usize = 50;
/// Memories of one instance. One is the rule; a component's adapter may have a second.
pub(super) const MEMORIES_MAX: usize = 2;
/// Tables of one instance.
pub(super) const TABLES_MAX: usize = 10;
/// Entries of one table: each is a function that can be called through a pointer.
pub(super) const TABLE_ELEMENTS_MAX: usize = 100_000;
/// Stack of the function, in bytes. The threads that calls run on have 2 MiB.
const STACK_BYTES_MAX: usize = 512 << 10;
/// Bytes of a memory that are zeroed by hand after a call instead of being given back to the system, which costs more.
const KEPT_BYTES: usize = 128 << 10;

/// Makes the engine of a function that is called `concurrency` times at once.
///
/// Where the address space is too small for the pool, memories are made anew for each call, which is slower.
pub(super) fn new(limits: &Limits) -> wasmtime::Result<Engine> {
    let mut pooling = config();
    pooling.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(limits)));
    Engine::new(&pooling).or_else(|error| {
        tracing::warn!(
            error = format!("{error:#}"),
            "no room for a pool of WebAssembly memories; calls make their own"
        );
        Engine::new(&config())
    })
}

fn config() -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_memory64(false)
        .wasm_component_model(true);
    config
}

fn pool(limits: &Limits) -> PoolingAllocationConfig {
    let calls = u32::try_from(limits.concurrency).unwrap_or(u32::MAX);
    let of_each = |most: usize| calls.saturating_mul(most as u32);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_core_instances(of_each(INSTANCES_MAX))
        .total_memories(of_each(MEMORIES_MAX))
        .total_tables(of_each(TABLES_MAX))
        .max_core_instances_per_component(INSTANCES_MAX as u32)
        .max_memories_per_component(MEMORIES_MAX as u32)
        .max_memories_per_module(MEMORIES_MAX as u32)
        .max_tables_per_component(TABLES_MAX as u32)
        .max_tables_per_module(TABLES_MAX as u32)
        .table_elements(TABLE_ELEMENTS_MAX)
        .max_memory_size(limits.memory_bytes_max)
        .linear_memory_keep_resident(KEPT_BYTES)
        .table_keep_resident(KEPT_BYTES);
    pool
}
