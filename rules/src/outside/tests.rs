use super::*;
use crate::cases::Fixtures;
use crate::functions::EXAMPLE_FIXTURES;
use crate::message::Message;
use crate::statement::{CompileOptions, Fault, Outcome, Statement};

fn compile(sql: &str) -> Statement {
    Statement::compile_for(sql, CompileOptions::default(), &Capabilities::all()).unwrap()
}

fn refused(sql: &str, capabilities: &Capabilities) -> String {
    Statement::compile_for(sql, CompileOptions::default(), capabilities).expect_err(sql).to_string()
}

fn randomness() -> [u8; 16] {
    [7; 16]
}

/// Answers nothing at once.
struct Slow;

impl Outside for Slow {
    fn answer(&self, _: &Question) -> Option<Answer> {
        None
    }
}

fn output(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Match(output) => String::from_utf8(output.bytes().to_vec()).unwrap(),
        other => panic!("{other:?}"),
    }
}

fn lambda(function: &str, argument: &str) -> Question {
    Question::Lambda { function: function.to_owned(), argument: argument.to_owned().into() }
}

#[test]
fn a_statement_stops_at_a_question_and_goes_on_with_its_answer() {
    let statement =
        compile("SELECT aws_lambda('b', aws_lambda('a', x)) AS y FROM 'a' WHERE aws_lambda('a', x) = 2");
    let answers = Answers::default();
    let mut message = Message::new("a", br#"{"x":1}"#, 0, &randomness);
    (message.outside, message.answers) = (&Slow, Some(&answers));
    let first = lambda("a", "1");
    assert_eq!(statement.evaluate(&message), Ok(Outcome::Ask(Box::new(first.clone()))));
    answers.add(first, Answer::Json("2".into()));
    let second = lambda("b", "2");
    assert_eq!(statement.evaluate(&message), Ok(Outcome::Ask(Box::new(second.clone()))));
    answers.add(second, Answer::Json("[3]".into()));
    assert_eq!(output(&statement.evaluate(&message).unwrap()), r#"{"y":[3]}"#);
}

#[test]
fn what_failed_is_undefined() {
    let statement = compile(
        "SELECT 1 AS k, aws_lambda('a', 1) AS a, get_thing_shadow('b') AS b, aws_lambda('c', 1) AS c FROM 'a'",
    );
    let answers = Answers::default();
    answers.add(lambda("a", "1"), Answer::Failed("it was slow".to_owned()));
    answers.add(Question::Shadow { thing: "b".to_owned(), shadow: None }, Answer::Nothing);
    answers.add(lambda("c", "1"), Answer::Json("no JSON".into()));
    let mut message = Message::new("a", b"{}", 0, &randomness);
    message.answers = Some(&answers);
    assert_eq!(output(&statement.evaluate(&message).unwrap()), r#"{"k":1}"#);
    assert!(statement.run(&message).misfits.contains(crate::MisfitKind::Function));
    let told: Vec<String> = statement
        .misfits(&message)
        .into_iter()
        .map(|misfit| format!("{}: {}", misfit.sql, misfit.message))
        .collect();
    assert_eq!(told, ["aws_lambda('a', 1): it was slow", "aws_lambda('c', 1): its answer is no JSON"]);
}

#[test]
fn what_is_answered_at_once_stays_the_same_for_one_message() {
    struct Counting(std::sync::atomic::AtomicU32);
    impl Outside for Counting {
        fn answer(&self, _: &Question) -> Option<Answer> {
            let count = self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Some(Answer::Json(count.to_string().into()))
        }
    }
    let statement = compile("SELECT VALUE get_registry_data('DescribeThing', 'kiln') FROM 'a'");
    let (outside, answers) = (Counting(0.into()), Answers::default());
    let mut message = Message::new("a", b"{}", 0, &randomness);
    (message.outside, message.answers) = (&outside, Some(&answers));
    for _ in 0..2 {
        assert_eq!(output(&statement.evaluate(&message).unwrap()), "0");
    }
    message.answers = None;
    assert_eq!(output(&statement.evaluate(&message).unwrap()), "1");
}

#[test]
fn questions_are_bounded() {
    let statement = compile("SELECT (SELECT VALUE aws_lambda('limit', x) FROM list) AS y FROM 'a'");
    let fixtures = Fixtures::parse(EXAMPLE_FIXTURES).unwrap();
    let evaluate = |payload: &str| {
        let mut message = Message::new("a", payload.as_bytes(), 0, &randomness);
        message.outside = &fixtures;
        statement.evaluate(&message)
    };
    let of_length = |length: usize| {
        let elements: Vec<String> = (0..length).map(|x| format!(r#"{{"x":{x}}},{{"x":{x}}}"#)).collect();
        format!(r#"{{"list":[{}]}}"#, elements.join(","))
    };
    assert_eq!(output(&evaluate(&of_length(8)).unwrap()), format!(r#"{{"y":[{}]}}"#, ["90"; 16].join(",")));
    assert_eq!(evaluate(&of_length(9)), Err(Fault::TooManyQuestions { questions_max: 8 }));
}

#[test]
fn what_makes_no_question_asks_nobody() {
    for call in [
        "aws_lambda('limit', missing)",
        "aws_lambda(5, 1)",
        "aws_lambda(concat('no', ' name'), 1)",
        "get_thing_shadow(missing)",
        "get_thing_shadow('kiln7', missing, 'role')",
        "get_registry_data(concat('', 'DeleteThing'), 'kiln7')",
        "get_dynamodb('sites', 'id', {'a': 1})",
        "get_dynamodb('sites', 'id', 'east', 'part', missing)",
        "get_secret('plant/hook', concat('', 'Secret'))",
    ] {
        let statement = compile(&format!("SELECT VALUE {call} FROM 'a'"));
        let mut message = Message::new("a", b"{}", 0, &randomness);
        message.outside = &Slow;
        assert_eq!(output(&statement.evaluate(&message).unwrap()), "", "{call}");
    }
}

/// Every function with every mixture of odd arguments that it takes: nothing panics, all ends.
#[test]
fn no_arguments_make_a_question_panic() {
    let odd = [
        "missing",
        "none",
        "on",
        "-1",
        "1e999",
        "concat('')",
        "concat('€')",
        "[]",
        "{}",
        "*",
        "'SecretBinary'",
    ];
    let fixtures = Fixtures::parse(EXAMPLE_FIXTURES).unwrap();
    let payload = crate::functions::EXAMPLE_PAYLOAD.as_bytes();
    let mut accepted = 0;
    for function in crate::functions::catalogue() {
        for (a, b) in odd.iter().flat_map(|a| odd.iter().map(move |b| (a, b))) {
            for call in [
                format!("({a})"),
                format!("({a}, {b})"),
                format!("({a}, {b}, {a})"),
                format!("('sites', {a}, {b}, {a}, {b})"),
            ] {
                let sql = format!("SELECT VALUE {}{call} FROM 'a'", function.name);
                let Ok(statement) =
                    Statement::compile_for(&sql, CompileOptions::default(), &Capabilities::all())
                else {
                    continue;
                };
                let mut message = Message::new("a", payload, 0, &randomness);
                message.outside = &fixtures;
                assert!(statement.evaluate(&message).is_ok(), "{sql}");
                accepted += usize::from(Service::of_function(function.name).is_some());
            }
        }
    }
    assert!(accepted > 1_000, "{accepted} calls that ask");
}

#[test]
fn templates_ask_too() {
    let statement = compile("SET @limit = aws_lambda('limit', 1) SELECT * FROM 'a'");
    let template = statement.template("${@limit}-${aws_lambda('limit', 2)}").unwrap();
    let answers = Answers::default();
    let mut message = Message::new("a", b"{}", 0, &randomness);
    (message.outside, message.answers) = (&Slow, Some(&answers));
    for (argument, answer) in [("1", "80"), ("2", "90")] {
        let question = lambda("limit", argument);
        assert_eq!(template.render(&message), Err(Fault::Unanswered(Box::new(question.clone()))));
        answers.add(question, Answer::Json(answer.into()));
    }
    assert_eq!(template.render(&message).unwrap(), "80-90");
    let in_error_action = statement.error_template("${@limit}").unwrap();
    assert_eq!(in_error_action.render(&message).unwrap(), "80");
    assert_eq!(
        statement.error_template("${aws_lambda('limit', 2)}").unwrap_err().to_string(),
        "line 1, column 3: `aws_lambda` can't be called in an error action; call it in the statement, as in \
         `SET @found = …`, and write `${@found}` here"
    );
}

#[test]
fn functions_are_known_by_name_and_arn() {
    for (text, expected) in [
        ("grade", Some("grade")),
        ("arn:aws:lambda:eu-west-1:000000000000:function:grade", Some("grade")),
        ("arn:aws:lambda:eu-west-1:000000000000:function:grade:$LATEST", Some("grade")),
        ("arn:aws-cn:lambda:cn-north-1:000000000000:function:grade:7", Some("grade")),
        ("arn:aws:lambda:eu-west-1:000000000000:function:grade:7:8", None),
        ("arn:aws:lambda:eu-west-1:000000000000:layer:grade", None),
        ("arn:aws:s3:eu-west-1:000000000000:function:grade", None),
        ("arn:aws:lambda", None),
        ("two words", None),
        ("", None),
    ] {
        assert_eq!(function_name(text), expected, "{text}");
    }
}

#[test]
fn a_function_that_is_not_declared_is_refused_where_it_is_named() {
    let capabilities = Capabilities::none().with_functions(["grade".to_owned()]);
    assert_eq!(
        refused("SELECT aws_lambda('garde', *) AS a FROM 'a'", &capabilities),
        "line 1, column 19: unknown function `garde`; did you mean `grade`?"
    );
    assert_eq!(
        refused("SELECT aws_lambda('arn:aws:lambda:x:y:function:other', *) AS a FROM 'a'", &capabilities),
        "line 1, column 19: unknown function `other`; declare the function in the settings"
    );
    for fine in ["'grade'", "'arn:aws:lambda:x:y:function:grade:PROD'", "name", "concat('gr', 'ade')"] {
        let sql = format!("SELECT aws_lambda({fine}, *) AS a FROM 'a'");
        assert!(Statement::compile_for(&sql, CompileOptions::default(), &capabilities).is_ok(), "{fine}");
    }
}

/// When a window closes no message is there that could wait.
#[test]
fn actions_of_windows_ask_only_who_answers_at_once() {
    let statement = compile("SELECT count(*) AS n FROM 'a' GROUP BY TUMBLINGWINDOW(ss, 10)");
    assert!(statement.template("${get_registry_data('DescribeThing', 'kiln').version}").is_ok());
    assert_eq!(
        statement.template("${aws_lambda('limit', n)}").unwrap_err().to_string(),
        "line 1, column 3: `aws_lambda` can't be called in an action of a rule with windows; call it in the \
         statement, and select what is needed of its answer"
    );
}

#[test]
fn a_question_forges_no_line_of_a_log() {
    let question = Question::Registry {
        request: RegistryRequest::DescribeThing,
        thing: "kiln'\n2026-11-21T12:00:00Z ERROR forged".to_owned(),
    };
    assert_eq!(
        question.to_string(),
        r"get_registry_data('DescribeThing', 'kiln\'\n2026-11-21T12:00:00Z ERROR forged')"
    );
}
