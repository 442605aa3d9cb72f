//! WebAssembly: functions without a process.
//!
//! A file holds either a plain module with the small interface of [`module`] or a component of the world in
//! [`component`]; `WASM.md` beside this crate describes both for those who write them. Each call gets an instance of
//! its own, made from a pool of prepared memories in microseconds, so nothing that one event leaves behind is seen by
//! the next. An instance reaches what it was handed, and its own memory: there are no files, sockets or clocks (no WASI).
//!
//! Every call is bounded: in instructions (fuel), in time, in memory, in the bytes of its answer and of what it logs.
//! Calls run on threads of the function's own, as many at once as its concurrency.
//!
//! | Read | for |
//! | --- | --- |
//! | [`function`] | one function: its file, and calls of it |
//! | [`reload`] | following the file |
//! | [`program`] | bytes of a file ⇄ something that can be called, or what is wrong with them |
//! | [`call`] | one call from instance to answer |
//! | [`threads`] | where calls run |
//! | [`host`] | what an instance may ask of the gateway |
//! | [`runtime`] | the same as the code of a [`Function`](crate::function::Function) |
//! | [`failure`] | what went wrong, in words for people |
//!
//! Must not know: events, batches, retries, and what a process is.

#[cfg(feature = "wasm")]
mod call;
#[cfg(feature = "wasm")]
mod component;
#[cfg(feature = "wasm")]
mod engine;
#[cfg(feature = "wasm")]
mod failure;
#[cfg(feature = "wasm")]
mod function;
#[cfg(feature = "wasm")]
mod host;
#[cfg(feature = "wasm")]
mod module;
#[cfg(feature = "wasm")]
mod program;
#[cfg(feature = "wasm")]
mod reload;
#[cfg(feature = "wasm")]
mod runtime;
mod settings;
#[cfg(feature = "wasm")]
mod threads;

#[cfg(test)]
#[cfg(feature = "wasm")]
mod tests;

#[cfg(feature = "wasm")]
pub use runtime::function;
pub use settings::{FUEL_STANDARD, Settings};

/// In a build without WebAssembly there are no such functions.
///
/// # Errors
/// Always, and how to mend it.
#[cfg(not(feature = "wasm"))]
pub fn function(
    settings: crate::function::Settings,
    wasm: Settings,
) -> Result<std::sync::Arc<crate::function::Function>, crate::function::FunctionError> {
    let why = format!(
        "`{}` can't be called, as this gateway was built without WebAssembly; build it with the feature `wasm`",
        wasm.file.display()
    );
    Err(crate::function::FunctionError::Setting { function: settings.name, setting: "wasm", why })
}
