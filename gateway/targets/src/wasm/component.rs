//! A component of the world
//!
//! ```wit
//! package iot-gateway:function@1.0.0;
//!
//! world function-v1 {
//!   import log: func(line: string);
//!   import context: func() -> string;
//!   export handle: func(event: string) -> result<string, string>;
//! }
//! ```
//!
//! of which it need not import anything.

use wasmtime::component::types::{ComponentFunc, ComponentItem};
use wasmtime::component::{Component as Compiled, ComponentExportIndex, InstancePre, Linker, Type, WasmStr};
use wasmtime::{Engine, Store, StoreContextMut};

use super::call::Stop;
use super::failure::Failure;
use super::host::{ERROR_BYTES_MAX, Host, LINE_BYTES_MAX, beginning};
use super::program::refused;
use crate::nearest;

const HANDLE: &str = "handle: func(event: string) -> result<string, string>";
const IMPORTS: [(&str, &str); 2] = [("log", "func(line: string)"), ("context", "func() -> string")];

/// See the module.
pub(super) struct Component {
    prepared: InstancePre<Host>,
    handle: ComponentExportIndex,
}

impl Component {
    pub(super) fn compile(engine: &Engine, file: &[u8]) -> Result<Self, String> {
        let component = Compiled::new(engine, file).map_err(|error| refused(&error))?;
        check_imports(engine, &component)?;
        check_exports(engine, &component)?;
        let handle = component.get_export_index(None, "handle").ok_or_else(|| missing(engine, &component))?;
        let prepared = linker(engine).and_then(|linker| linker.instantiate_pre(&component));
        Ok(Self { prepared: prepared.map_err(|error| refused(&error))?, handle })
    }

    pub(super) fn run(
        &self,
        store: &mut Store<Host>,
        event: &[u8],
        answer_bytes_max: usize,
    ) -> Result<Vec<u8>, Stop> {
        let event = std::str::from_utf8(event).map_err(|error| Failure::Answer {
            why: format!("a component takes text, but the event is no UTF-8: {error}"),
        })?;
        let instance = self.prepared.instantiate(&mut *store)?;
        // The answer stays in the memory of the instance until its length is known.
        let handle =
            instance.get_typed_func::<(&str,), (Result<WasmStr, WasmStr>,)>(&mut *store, self.handle)?;
        let (answer,) = handle.call(&mut *store, (event,))?;
        match answer {
            Ok(answer) => {
                let answer = answer.to_str(&*store)?;
                if answer.len() > answer_bytes_max {
                    return Err(Failure::AnswerTooLarge { bytes_max: answer_bytes_max }.into());
                }
                Ok(answer.as_bytes().to_vec())
            }
            Err(error) => {
                let error = beginning(&error.to_str(&*store)?, ERROR_BYTES_MAX).to_owned();
                store.data_mut().failed = Some(error);
                Ok(Vec::new())
            }
        }
    }
}

fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    linker.root().func_wrap(
        "log",
        |mut store: StoreContextMut<'_, Host>, (line,): (WasmStr,)| -> wasmtime::Result<()> {
            let (text, bytes) = {
                let line = line.to_str(&store)?;
                (beginning(&line, LINE_BYTES_MAX).to_owned(), line.len())
            };
            store.data_mut().log(&text, bytes);
            Ok(())
        },
    )?;
    linker.root().func_wrap(
        "context",
        |store: StoreContextMut<'_, Host>, (): ()| -> wasmtime::Result<(String,)> {
            Ok((store.data().context.to_string(),))
        },
    )?;
    Ok(linker)
}

fn check_imports(engine: &Engine, component: &Compiled) -> Result<(), String> {
    for (name, found) in component.component_type().imports(engine) {
        let known = IMPORTS.iter().find(|(known, _)| *known == name);
        let Some((_, signature)) = known else { return Err(unknown_import(name)) };
        let fits = match &found.ty {
            ComponentItem::ComponentFunc(function) => match name {
                "log" => params_are_strings(function, 1) && function.results().len() == 0,
                _ => params_are_strings(function, 0) && function.results().eq([Type::String]),
            },
            _ => false,
        };
        if !fits {
            return Err(format!("it imports `{name}` as something else than `{name}: {signature}`"));
        }
    }
    Ok(())
}

fn unknown_import(name: &str) -> String {
    let hint = if name.starts_with("wasi:") {
        "there is no WASI: build without it, as with Rust's `wasm32-unknown-unknown` and `wasm-tools component new`, or with stubs"
            .to_owned()
    } else {
        let names: Vec<String> = IMPORTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        match nearest::of(name, names.iter()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "there are `log` and `context`".to_owned(),
        }
    };
    format!("it imports `{name}`, which the gateway does not give; {hint}")
}

fn check_exports(engine: &Engine, component: &Compiled) -> Result<(), String> {
    let exports = component.component_type();
    let found = exports.exports(engine).find(|(name, _)| *name == "handle");
    let Some((_, found)) = found else { return Err(missing(engine, component)) };
    let fits = match &found.ty {
        ComponentItem::ComponentFunc(function) => {
            params_are_strings(function, 1) && function.results().len() == 1 && {
                let result = function.results().next();
                matches!(result, Some(Type::Result(result))
                    if result.ok() == Some(Type::String) && result.err() == Some(Type::String))
            }
        }
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("its export `handle` is something else than `{HANDLE}`")) }
}

fn params_are_strings(function: &ComponentFunc, count: usize) -> bool {
    function.params().len() == count && function.params().all(|(_, of_one)| of_one == Type::String)
}

fn missing(engine: &Engine, component: &Compiled) -> String {
    let exports = component.component_type();
    let names: Vec<String> = exports.exports(engine).map(|(name, _)| name.to_owned()).collect();
    match nearest::of("handle", names.iter()) {
        Some(near) => format!("it exports no `{HANDLE}`; did you mean that by `{near}`?"),
        None => format!("it exports no `{HANDLE}` (at the top level of its world, not in an interface)"),
    }
}
