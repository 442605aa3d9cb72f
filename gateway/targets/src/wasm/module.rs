//! A plain module, version 1 of its interface.
//!
//! It exports `memory`, `allocate: (length) -> address` and `handle: (address, length) -> answer`, whose answer is
//! `address << 32 | length`, and may import `log`, `fail` and `context` from `gateway`. A later version of the interface
//! will look for another export than `handle`, so that a module never runs under rules it was not written for.

use wasmtime::{
    Caller, Engine, Extern, ExternType, FuncType, InstancePre, Linker, Memory, Module, Store, ValType,
};

use super::call::Stop;
use super::failure::Failure;
use super::host::{ERROR_BYTES_MAX, Host, LINE_BYTES_MAX};
use super::program::refused;
use crate::nearest;

/// The module from which the gateway's functions are imported.
const GATEWAY: &str = "gateway";
/// What it exports, and the types of each.
const IMPORTS: [(&str, &str); 3] =
    [("log", "(i32, i32) -> ()"), ("fail", "(i32, i32) -> ()"), ("context", "(i32, i32) -> (i32)")];
/// What a module has to export.
const EXPORTS: [(&str, &str); 2] = [("allocate", "(i32) -> (i32)"), ("handle", "(i32, i32) -> (i64)")];
/// Called once before anything else if it is there: what linkers name the beginning of a library.
const INITIALIZE: &str = "_initialize";

/// See the module.
pub(super) struct PlainModule {
    prepared: InstancePre<Host>,
    initializes: bool,
}

impl PlainModule {
    pub(super) fn compile(engine: &Engine, file: &[u8]) -> Result<Self, String> {
        let module = Module::new(engine, file).map_err(|error| refused(&error))?;
        check_imports(&module)?;
        check_exports(&module)?;
        let prepared = linker(engine).and_then(|linker| linker.instantiate_pre(&module));
        let prepared = prepared.map_err(|error| refused(&error))?;
        let initializes = module.get_export(INITIALIZE).is_some();
        Ok(Self { prepared, initializes })
    }

    pub(super) fn run(
        &self,
        store: &mut Store<Host>,
        event: &[u8],
        answer_bytes_max: usize,
    ) -> Result<Vec<u8>, Stop> {
        let instance = self.prepared.instantiate(&mut *store)?;
        if self.initializes {
            instance.get_typed_func::<(), ()>(&mut *store, INITIALIZE)?.call(&mut *store, ())?;
        }
        let memory = instance.get_memory(&mut *store, "memory");
        let memory = memory.expect("`check_exports` saw the memory");
        let length = u32::try_from(event.len()).map_err(|_| unfit("the event is over 4 GiB".to_owned()))?;
        let allocate = instance.get_typed_func::<u32, u32>(&mut *store, "allocate")?;
        let address = allocate.call(&mut *store, length)?;
        if address == 0 && store.data().refused_bytes.is_some() {
            return Err(Stop::NoMemory);
        }
        memory.write(&mut *store, address as usize, event).map_err(|_| {
            let size = memory.data_size(&*store);
            unfit(format!("`allocate({length})` gave {address}, but the memory ends at {size}"))
        })?;
        let handle = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "handle")?;
        let answer = handle.call(&mut *store, (address, length))?;
        if store.data().failed.is_some() {
            return Ok(Vec::new());
        }
        let (address, length) = ((answer >> 32) as usize, (answer & u64::from(u32::MAX)) as usize);
        if length > answer_bytes_max {
            return Err(Failure::AnswerTooLarge { bytes_max: answer_bytes_max }.into());
        }
        let data = memory.data(&*store);
        let found = data.get(address..address.saturating_add(length)).map(<[u8]>::to_vec);
        found.ok_or_else(|| {
            let size = data.len();
            unfit(format!("`handle` gave {length} bytes at {address}, but the memory ends at {size}"))
        })
    }
}

fn unfit(why: String) -> Stop {
    Failure::Answer { why }.into()
}

/// The functions that a module may import.
fn linker(engine: &Engine) -> wasmtime::Result<Linker<Host>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(
        GATEWAY,
        "log",
        |mut caller: Caller<'_, Host>, address: u32, length: u32| -> wasmtime::Result<()> {
            let text = text(&mut caller, "log", address, length, LINE_BYTES_MAX)?;
            caller.data_mut().log(&text, length as usize);
            Ok(())
        },
    )?;
    linker.func_wrap(
        GATEWAY,
        "fail",
        |mut caller: Caller<'_, Host>, address: u32, length: u32| -> wasmtime::Result<()> {
            let text = text(&mut caller, "fail", address, length, ERROR_BYTES_MAX)?;
            caller.data_mut().failed = Some(text);
            Ok(())
        },
    )?;
    linker.func_wrap(
        GATEWAY,
        "context",
        |mut caller: Caller<'_, Host>, address: u32, length: u32| -> wasmtime::Result<u32> {
            let context = caller.data().context.clone();
            let memory = memory(&mut caller, "context")?;
            let copied = context.len().min(length as usize);
            let outside = |_| outside("context", address, copied);
            memory.write(&mut caller, address as usize, &context.as_bytes()[..copied]).map_err(outside)?;
            Ok(context.len() as u32)
        },
    )?;
    Ok(linker)
}

/// The first bytes of a text in the memory of the module, which must be in it as a whole.
fn text(
    caller: &mut Caller<'_, Host>,
    function: &str,
    address: u32,
    length: u32,
    bytes_max: usize,
) -> wasmtime::Result<String> {
    let memory = memory(caller, function)?;
    let (address, length) = (address as usize, length as usize);
    let data = memory.data(&*caller).get(address..address.saturating_add(length));
    let data = data.ok_or_else(|| outside(function, address as u32, length))?;
    Ok(String::from_utf8_lossy(&data[..length.min(bytes_max)]).into_owned())
}

fn memory(caller: &mut Caller<'_, Host>, function: &str) -> wasmtime::Result<Memory> {
    let found = caller.get_export("memory").and_then(Extern::into_memory);
    found.ok_or_else(|| wasmtime::format_err!("it called `{GATEWAY}.{function}` before its memory was there"))
}

fn outside(function: &str, address: u32, length: usize) -> wasmtime::Error {
    wasmtime::format_err!(
        "it handed {length} bytes at {address} to `{GATEWAY}.{function}`, which is outside its memory"
    )
}

fn check_imports(module: &Module) -> Result<(), String> {
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        let known = IMPORTS.iter().find(|(known, _)| from == GATEWAY && *known == name);
        match (known, import.ty()) {
            (Some((_, signature)), ExternType::Func(found)) if describe(&found) == *signature => {}
            (Some((_, signature)), found) => {
                let found = kind(&found);
                return Err(format!("it imports `{from}.{name}` as {found}; it is a function {signature}"));
            }
            (None, _) => return Err(unknown_import(from, name)),
        }
    }
    Ok(())
}

fn unknown_import(from: &str, name: &str) -> String {
    let hint = if from.starts_with("wasi") {
        "there is no WASI: build for a target without it, as Rust's `wasm32-unknown-unknown`".to_owned()
    } else {
        let names: Vec<String> = IMPORTS.iter().map(|(name, _)| (*name).to_owned()).collect();
        match nearest::of(name, names.iter()) {
            Some(near) => format!("did you mean `{GATEWAY}.{near}`?"),
            None => format!("there are `{GATEWAY}.log`, `{GATEWAY}.fail` and `{GATEWAY}.context`"),
        }
    };
    format!("it imports `{from}.{name}`, which the gateway does not give; {hint}")
}

fn check_exports(module: &Module) -> Result<(), String> {
    match module.get_export("memory") {
        Some(ExternType::Memory(_)) => {}
        Some(found) => return Err(format!("its export `memory` is {}; it must be its memory", kind(&found))),
        None => return Err(missing(module, "memory", "its memory")),
    }
    for (name, signature) in EXPORTS {
        check_function(module, name, signature, true)?;
    }
    check_function(module, INITIALIZE, "() -> ()", false)
}

fn check_function(module: &Module, name: &str, signature: &str, is_needed: bool) -> Result<(), String> {
    match module.get_export(name) {
        Some(ExternType::Func(found)) if describe(&found) == signature => Ok(()),
        Some(found) => {
            Err(format!("its export `{name}` is {}; it must be a function {signature}", kind(&found)))
        }
        None if is_needed => Err(missing(module, name, &format!("a function {signature}"))),
        None => Ok(()),
    }
}

fn missing(module: &Module, name: &str, what: &str) -> String {
    let names: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    match nearest::of(name, names.iter()) {
        Some(near) => format!("it exports no `{name}`, {what}; did you mean that by `{near}`?"),
        None => format!("it exports no `{name}`, {what}"),
    }
}

fn kind(found: &ExternType) -> String {
    match found {
        ExternType::Func(function) => format!("a function {}", describe(function)),
        ExternType::Memory(_) => "a memory".to_owned(),
        ExternType::Table(_) => "a table".to_owned(),
        ExternType::Global(_) => "a global".to_owned(),
        ExternType::Tag(_) => "a tag".to_owned(),
    }
}

fn describe(function: &FuncType) -> String {
    let list = |types: &mut dyn Iterator<Item = ValType>| {
        types.map(|of_one| of_one.to_string()).collect::<Vec<_>>().join(", ")
    };
    format!("({}) -> ({})", list(&mut function.params()), list(&mut function.results()))
}
