//! Explanations as people read them: `UPDATE_SNAPSHOTS=1` rewrites the lines below each message.

use rules::definition::Definition;
use rules::{CompileOptions, Message, Statement};

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/explanations.txt");

/// A statement or definition, then a line with the topic and the payload.
fn explain(case: &str) -> String {
    let (rule, message) = case.rsplit_once('\n').expect("a case ends with its message");
    let (topic, payload) = message.split_once(' ').unwrap_or((message, ""));
    let randomness = || [7; 16];
    let message = Message::new(topic, payload.as_bytes(), 1_718_000_000_123, &randomness);
    if rule.contains("sql = ") {
        let definition = Definition::parse("rule", "rule.toml", rule).expect(rule);
        let actions: Vec<_> = definition.actions.iter().map(|action| action.filled(&message)).collect();
        return definition.statement.explain(&message).text(&actions);
    }
    let statement = Statement::compile(rule, CompileOptions::default()).expect(rule);
    statement.explain(&message).text(&[])
}

#[test]
fn messages_are_explained_with_these_words() {
    let text = std::fs::read_to_string(PATH).unwrap();
    let mut rewritten = String::new();
    for case in text.split("\n====\n") {
        let case = case.split("\n----\n").next().unwrap().trim();
        if !rewritten.is_empty() {
            rewritten.push_str("\n====\n");
        }
        rewritten.push_str(&format!("{case}\n----\n{}", explain(case).trim_end()));
    }
    rewritten.push('\n');
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        std::fs::write(PATH, &rewritten).unwrap();
    }
    assert_eq!(text, rewritten);
}

#[test]
fn programs_read_the_same() {
    let definition = Definition::parse(
        "rule",
        "rule.toml",
        "sql = \"SET @l = 1 SELECT n, x - 1 AS d FROM 'a' WHERE n > @l\"\n[[action]]\nstream = { name = \"r\", partition_key = \"k${n}\" }\n",
    )
    .unwrap();
    let json = |payload: &str| {
        let randomness = || [7; 16];
        let message = Message::new("a", payload.as_bytes(), 0, &randomness);
        let actions: Vec<_> = definition.actions.iter().map(|action| action.filled(&message)).collect();
        definition.statement.explain(&message).json(&actions).unwrap().to_string()
    };
    assert_eq!(
        json(r#"{"n":2.50,"x":"y"}"#),
        concat!(
            r#"{"matches":true,"topicMatches":true,"from":{"filter":"a","topic":"a","matches":true},"#,
            r#""set":[{"name":"@l","parts":[{"depth":0,"sql":"1","value":1}]}],"#,
            r#""where":[{"depth":0,"sql":"n > @l","value":true},{"depth":1,"sql":"n","value":2.5},{"depth":1,"sql":"@l","value":1}],"#,
            r#""select":[{"name":"n","parts":[{"depth":0,"sql":"n","value":2.5}]},"#,
            r#"{"name":"d","parts":[{"depth":0,"sql":"x - 1","undefined":true,"why":"`-` does not take String and Int"},{"depth":1,"sql":"x","value":"y"}]}],"#,
            r#""output":{"n":2.5},"#,
            r#""misfits":[{"kind":"conversion","sql":"x - 1","line":1,"column":22,"message":"`-` does not take String and Int","inputs":["\"y\"","1"]}],"#,
            r#""actions":[{"settings":{"partition_key":"k2.5","stream":"r"},"templates":{"partition_key":"k${n}"}}]}"#,
        )
    );
    let no_match = json(r#"{"n":0}"#);
    assert!(
        no_match.starts_with(r#"{"matches":false,"whyNot":"n is 0 and @l is 1; the rule wants n > @l","#),
        "{no_match}"
    );
    assert!(!no_match.contains("output") && !no_match.contains("actions"), "{no_match}");
}

#[test]
fn an_explanation_of_much_is_short() {
    let numbers: Vec<String> = (0..2_000).map(|number| number.to_string()).collect();
    let payload = format!(r#"{{"a":[{}],"text":"{}"}}"#, numbers.join(","), "x".repeat(100_000));
    let randomness = || [7; 16];
    let message = Message::new("a", payload.as_bytes(), 0, &randomness);
    let chain = vec!["a = text"; 200].join(" OR ");
    let nested = "(SELECT VALUE (SELECT VALUE (SELECT VALUE 1 FROM a) FROM a) FROM a)";
    for sql in [
        format!("SELECT a, text, {nested} AS n FROM '#' WHERE {chain}"),
        format!("SELECT * FROM '#' WHERE EXISTS {nested} AND {chain}"),
        format!(
            "SET @a = concat(text, text, text, text, text, text, text, text, text, text, text) SELECT @a, {chain} AS c FROM '#'"
        ),
    ] {
        let explanation = Statement::compile(&sql, CompileOptions::default()).unwrap().explain(&message);
        let json =
            serde_json::to_string(&(&explanation.condition, &explanation.items, &explanation.variables));
        assert!(json.unwrap().len() < 1024 * 1024);
        assert!(explanation.text(&[]).len() < 1024 * 1024);
    }
}
