//! The bytes of a file, checked and compiled, or what is wrong with them.

use wasmtime::{Engine, Store};

use super::call::Stop;
use super::component::Component;
use super::host::Host;
use super::module::PlainModule;

/// How a component says that it is one, behind the four bytes that every file has.
const COMPONENT_LAYER: [u8; 4] = [0x0d, 0, 1, 0];

/// Something that can be called.
pub(super) enum Program {
    Module(PlainModule),
    Component(Component),
}

impl Program {
    /// Compiles a file. The text says what to mend.
    pub(super) fn compile(engine: &Engine, file: &[u8]) -> Result<Self, String> {
        if file.is_empty() {
            return Err("the file is empty".to_owned());
        }
        if is_component(file) {
            Component::compile(engine, file).map(Self::Component)
        } else {
            PlainModule::compile(engine, file).map(Self::Module)
        }
    }

    /// One call in an instance of its own.
    pub(super) fn run(
        &self,
        store: &mut Store<Host>,
        event: &[u8],
        answer_bytes_max: usize,
    ) -> Result<Vec<u8>, Stop> {
        match self {
            Self::Module(module) => module.run(store, event, answer_bytes_max),
            Self::Component(component) => component.run(store, event, answer_bytes_max),
        }
    }
}

/// True for a component, be it binary or text; all else is left to the compiler of modules to judge.
fn is_component(file: &[u8]) -> bool {
    if let Some(rest) = file.strip_prefix(b"\0asm") {
        return rest.starts_with(&COMPONENT_LAYER);
    }
    let Ok(text) = std::str::from_utf8(file) else { return false };
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with(";;"));
    first.is_some_and(|line| line.starts_with("(component"))
}

/// What the compiler says, in one line.
pub(super) fn refused(error: &wasmtime::Error) -> String {
    let text = format!("{error:#}");
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    format!("it is no WebAssembly that the gateway can compile: {}", lines.join(" "))
}
