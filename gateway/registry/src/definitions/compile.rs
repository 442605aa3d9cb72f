//! From the text of a definition to a rule whose targets exist.

use super::Fault;
use crate::name::nearest;
use rules::definition::{Action, Definition, TargetKind};
use rules::outside::Service;
use rules::{Capabilities, Diagnostic};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The targets that the settings declare.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeclaredTargets {
    targets: BTreeSet<(TargetKind, String)>,
    pub(super) descriptors: Option<PathBuf>,
}

impl FromIterator<(TargetKind, String)> for DeclaredTargets {
    fn from_iter<I: IntoIterator<Item = (TargetKind, String)>>(targets: I) -> Self {
        Self { targets: targets.into_iter().collect(), descriptors: None }
    }
}

impl DeclaredTargets {
    /// The names of the targets of a kind.
    pub(super) fn names(&self, kind: TargetKind) -> impl Iterator<Item = &str> {
        self.targets.iter().filter(move |(declared, _)| *declared == kind).map(|(_, name)| name.as_str())
    }

    /// The same and the folder of descriptor files that rules decode by: `{bucket}/{key}` below it.
    #[must_use]
    pub fn with_descriptors(self, folder: Option<PathBuf>) -> Self {
        Self { descriptors: folder, ..self }
    }

    /// Whom rules may ask: the registry, and the functions that are declared.
    pub fn capabilities(&self) -> Capabilities {
        let functions = self.names(TargetKind::Function).map(str::to_owned);
        Capabilities::none().with(Service::Registry).with_functions(functions)
    }

    /// Whether an action has a target that exists or, with a template for a name, may have one.
    fn may_lead(&self, action: &Action) -> bool {
        match action.kind {
            // The broker is always there; the topic was checked with the definition.
            TargetKind::Republish => true,
            kind => self.names(kind).any(|declared| action.target.may_be(declared)),
        }
    }

    fn hint_of_pattern(&self, kind: TargetKind) -> String {
        const NAMED_MAX: usize = 10;
        let names: Vec<String> = self.names(kind).take(NAMED_MAX).map(|name| format!("`{name}`")).collect();
        match names.is_empty() {
            true => format!("declare the {kind} in the settings"),
            false => format!("the settings declare {}", names.join(", ")),
        }
    }

    /// What to write for a name that no target of the kind has.
    pub(super) fn hint(&self, kind: TargetKind, name: &str) -> String {
        if let Some(nearest) = nearest(name, self.names(kind)) {
            return format!("did you mean `{nearest}`?");
        }
        if let Some((other, _)) = self.targets.iter().find(|(_, declared)| declared == name) {
            return format!("`{name}` is a {other}; write `{other} = \"{name}\"`");
        }
        format!("declare the {kind} in the settings")
    }
}

/// Compiles a definition.
///
/// # Errors
/// Everything that is wrong with it, each with its place.
pub(super) fn compile(
    name: &str,
    file: &Path,
    text: &str,
    targets: &DeclaredTargets,
    capabilities: &Capabilities,
) -> Result<Definition, Vec<Fault>> {
    let definition = parse(name, file, text, capabilities)?;
    let actions = definition.actions.iter().chain(&definition.error_action);
    let unknown: Vec<Fault> = actions
        .filter(|action| !targets.may_lead(action))
        .map(|action| unknown_target(name, file, action, targets))
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    for Diagnostic { message, line, column, hint, .. } in &definition.warnings {
        let hint = hint.as_deref();
        tracing::warn!(rule = name, file = %file.display(), line, column, hint, "{message}");
    }
    Ok(definition)
}

/// Compiles a definition, wherever its actions go.
///
/// # Errors
/// As [`compile`], but for targets.
pub(super) fn parse(
    name: &str,
    file: &Path,
    text: &str,
    capabilities: &Capabilities,
) -> Result<Definition, Vec<Fault>> {
    Definition::parse_for(name, &file.to_string_lossy(), text, capabilities)
        .map_err(|errors| errors.diagnostics.into_iter().map(|error| fault(file, error)).collect())
}

fn unknown_target(name: &str, file: &Path, action: &Action, targets: &DeclaredTargets) -> Fault {
    let Action { kind, target, line, .. } = action;
    let fault = match target.as_constant() {
        Some(constant) => Fault::of_file(file, format!("unknown {kind} `{constant}` in rule `{name}`"))
            .with_hint(targets.hint(*kind, constant)),
        None => {
            let message =
                format!("no {kind} has a name that `{}` could become, in rule `{name}`", target.source());
            Fault::of_file(file, message).with_hint(targets.hint_of_pattern(*kind))
        }
    };
    Fault { place: Some((*line, 1)), ..fault }
}

fn fault(file: &Path, diagnostic: Diagnostic) -> Fault {
    let Diagnostic { message, line, column, hint, .. } = diagnostic;
    Fault { file: file.to_path_buf(), place: Some((line, column)), message, hint }
}
