//! The ways to name a function: its name, its ARN, or the end of its ARN, each with or without a qualifier.

use targets::function::Declared;

use super::faults;
use crate::aws::{Aws, Fault};

/// The one version there is.
pub(super) const LATEST: &str = "$LATEST";

/// The function that a path names, and the qualifier that a query adds.
pub(super) fn find<'a>(aws: &'a Aws, named: &str, qualifier: Option<&str>) -> Result<&'a Declared, Fault> {
    let (name, own_qualifier) = split(named);
    let found = aws.functions.get(name).filter(|_| {
        let is_latest = |qualifier: Option<&str>| qualifier.is_none_or(|qualifier| qualifier == LATEST);
        is_latest(own_qualifier) && is_latest(qualifier)
    });
    found.ok_or_else(|| {
        let (region, account) = (&aws.settings.region, &aws.settings.account_id);
        let qualifier =
            own_qualifier.or(qualifier).map(|qualifier| format!(":{qualifier}")).unwrap_or_default();
        faults::not_found(format!(
            "Function not found: arn:aws:lambda:{region}:{account}:function:{name}{qualifier}"
        ))
    })
}

/// A function's own name, and its qualifier. Region and account are not looked at: there is one of each here.
fn split(named: &str) -> (&str, Option<&str>) {
    let rest = match named.find(":function:") {
        Some(at) => &named[at + ":function:".len()..],
        None => named.strip_prefix("function:").unwrap_or(named),
    };
    match rest.split_once(':') {
        Some((name, qualifier)) => (name, Some(qualifier)),
        None => (rest, None),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn every_way_to_name_a_function_leads_to_its_name() {
        let cases = [
            ("notify", ("notify", None)),
            ("notify:$LATEST", ("notify", Some("$LATEST"))),
            ("function:notify", ("notify", None)),
            ("000000000000:function:notify", ("notify", None)),
            ("arn:aws:lambda:us-east-1:000000000000:function:notify", ("notify", None)),
            ("arn:aws:lambda:us-east-1:000000000000:function:notify:7", ("notify", Some("7"))),
            ("", ("", None)),
            ("a:b:c", ("a", Some("b:c"))),
        ];
        for (named, expected) in cases {
            assert_eq!(split(named), expected, "{named}");
        }
    }
}
