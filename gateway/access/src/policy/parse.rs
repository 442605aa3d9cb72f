//! From a policy document to statements.

use super::condition::{Condition, Operator, parse_key};
use super::document::{Member, Node};
use super::resource::Resource;
use super::{Action, ActionSet, Effect, PolicyError, PolicyLimits, PolicyProblem, Statement};
use crate::nearest::nearest;

const VERSION: &str = "2012-10-17";
const POLICY_MEMBERS: [&str; 3] = ["Version", "Id", "Statement"];
const STATEMENT_MEMBERS: [&str; 5] = ["Sid", "Effect", "Action", "Resource", "Condition"];

pub(super) fn parse(
    document: &str,
    limits: PolicyLimits,
) -> Result<(Vec<Statement>, Vec<String>), PolicyError> {
    let characters = document.chars().filter(|character| !character.is_whitespace()).count();
    if characters > limits.document_characters_max {
        let problem = PolicyProblem::TooLong { characters, characters_max: limits.document_characters_max };
        return Err(PolicyError { path: "document".to_owned(), line: 1, column: 1, problem });
    }
    let root = Node::root(document)?;
    let members = root.members()?;
    known_members(&members, &POLICY_MEMBERS)?;
    let version = required(&root, &members, "Version", "write `\"Version\": \"2012-10-17\"`")?;
    if version.string()? != VERSION {
        return Err(version.error(PolicyProblem::Invalid {
            value: version.string()?,
            expected: "a version with policy variables; write `2012-10-17`",
        }));
    }
    let statements =
        required(&root, &members, "Statement", "a policy has one statement or more")?.elements_or_self()?;
    let mut warnings = Vec::new();
    let statements = statements
        .iter()
        .enumerate()
        .map(|(index, node)| statement(node, index + 1, &mut warnings))
        .collect::<Result<Vec<_>, _>>()?;
    if statements.is_empty() {
        warnings.push("the policy has no statements, so it allows nothing".to_owned());
    }
    Ok((statements, warnings))
}

fn statement(node: &Node<'_>, number: usize, warnings: &mut Vec<String>) -> Result<Statement, PolicyError> {
    let members = node.members()?;
    known_members(&members, &STATEMENT_MEMBERS)?;
    let effect = required(node, &members, "Effect", "write `Allow` or `Deny`")?;
    let effect = match effect.string()?.as_str() {
        "Allow" => Effect::Allow,
        "Deny" => Effect::Deny,
        word => {
            let nearest = nearest(word, ["Allow", "Deny"]).map(str::to_owned);
            return Err(effect.error(PolicyProblem::Unknown {
                what: "effect",
                word: word.to_owned(),
                nearest,
            }));
        }
    };
    let actions =
        actions(&required(node, &members, "Action", "name at least one action, like `iot:Publish`")?)?;
    let resources =
        resources(&required(node, &members, "Resource", "name at least one, like `topic/a/b`, or `*`")?)?;
    let conditions = member(&members, "Condition").map(conditions).transpose()?.unwrap_or_default();
    let sid = member(&members, "Sid").map(Node::string).transpose()?;
    warn(number, actions, &resources, &conditions, warnings);
    Ok(Statement { sid, effect, actions, resources, conditions })
}

fn actions(node: &Node<'_>) -> Result<ActionSet, PolicyError> {
    let elements = non_empty(node, "a list of actions that has at least one")?;
    elements.iter().try_fold(ActionSet::default(), |set, element| {
        let named = ActionSet::parse(&element.string()?).map_err(|problem| element.error(problem))?;
        Ok(set.union(named))
    })
}

fn resources(node: &Node<'_>) -> Result<Vec<Resource>, PolicyError> {
    let mut resources = Vec::new();
    for element in non_empty(node, "a list of resources that has at least one")? {
        resources.extend(Resource::parse(&element.string()?).map_err(|problem| element.error(problem))?);
    }
    Ok(resources)
}

fn conditions(block: &Node<'_>) -> Result<Vec<Condition>, PolicyError> {
    let mut conditions = Vec::new();
    for Member { name: operator, value: keys } in block.members()? {
        let operator = Operator::parse(&operator).map_err(|problem| keys.error(problem))?;
        for Member { name: key, value: operands } in keys.members()? {
            let key = parse_key(&key, operator).map_err(|problem| operands.error(problem))?;
            let mut condition = Condition::new(operator, key);
            // An empty list has a meaning: `ForAllValues:` with it allows no value at all.
            for operand in operands.elements_or_self()? {
                condition.push(&operand.string_or_boolean()?).map_err(|problem| operand.error(problem))?;
            }
            conditions.push(condition);
        }
    }
    Ok(conditions)
}

/// Notes what is legal but without effect.
fn warn(
    number: usize,
    set: ActionSet,
    resources: &[Resource],
    conditions: &[Condition],
    warnings: &mut Vec<String>,
) {
    let named = || Action::ALL.into_iter().filter(|action| set.contains(*action));
    if set.is_empty() {
        warnings.push(format!("statement {number} names no action of MQTT, so it has no effect here"));
    }
    for action in named() {
        let kind = action.resource_kind();
        if !resources.iter().any(|resource| resource.kind == kind) {
            let prefix = kind.prefix();
            warnings.push(format!(
                "statement {number} names `{action}`, which needs a resource `{prefix}…`, and has none"
            ));
        }
    }
    if conditions.iter().any(Condition::is_about_connect) && named().any(|action| action != Action::Connect) {
        warnings.push(format!(
            "statement {number} has a condition on the connect request, which only `iot:Connect` has"
        ));
    }
}

fn non_empty<'a>(node: &Node<'a>, expected: &'static str) -> Result<Vec<Node<'a>>, PolicyError> {
    let elements = node.elements_or_self()?;
    if elements.is_empty() {
        return Err(node.error(PolicyProblem::Invalid { value: "[]".to_owned(), expected }));
    }
    Ok(elements)
}

fn member<'a, 'b>(members: &'b [Member<'a>], name: &str) -> Option<&'b Node<'a>> {
    members.iter().find(|member| member.name == name).map(|member| &member.value)
}

fn required<'a>(
    parent: &Node<'a>,
    members: &[Member<'a>],
    name: &'static str,
    advice: &'static str,
) -> Result<Node<'a>, PolicyError> {
    member(members, name)
        .cloned()
        .ok_or_else(|| parent.error(PolicyProblem::Missing { member: name, advice }))
}

fn known_members(members: &[Member<'_>], known: &[&str]) -> Result<(), PolicyError> {
    let Some(stranger) = members.iter().find(|member| !known.contains(&member.name.as_str())) else {
        return Ok(());
    };
    let word = stranger.name.clone();
    let advice = match word.as_str() {
        "NotAction" => "list the actions in `Action`; what no statement allows is denied anyway",
        "NotResource" => {
            "list the resources in `Resource`, and except some with a statement that denies them"
        }
        "Principal" | "NotPrincipal" => "a policy is attached to a certificate, which is its principal",
        _ => {
            let nearest = nearest(&word, known.iter().copied()).map(str::to_owned);
            return Err(stranger.value.error(PolicyProblem::Unknown { what: "member", word, nearest }));
        }
    };
    Err(stranger.value.error(PolicyProblem::Unsupported { word, advice }))
}
