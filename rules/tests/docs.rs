//! Every example of the SQL in the documentation runs. How examples are written is in `CONTRIBUTING.md`.

use std::path::{Path, PathBuf};

use rules::definition::Definition;
use rules::{Capabilities, CompileOptions, Message, Outcome, SqlVersion, Statement};

/// A fenced block of a page.
struct Block {
    /// The words behind the fence.
    words: Vec<String>,
    text: String,
    /// The line of the fence, from 1.
    line: usize,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    for (number, line) in page.lines().enumerate() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (None, Some(words)) => {
                let words = words.split_whitespace().map(str::to_owned).collect();
                open = Some(Block { words, text: String::new(), line: number + 1 });
            }
            (Some(block), None) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, None) => {}
        }
    }
    blocks
}

impl Block {
    fn is(&self, language: &str, word: &str) -> bool {
        self.words.first().is_some_and(|first| first == language || language == "*")
            && self.words.get(1).is_some_and(|second| second == word)
    }

    fn language(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }
}

/// The pages: those at the root, and those beside the rules and the gateway.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate stands in the workspace");
    let folders = [root.to_path_buf(), root.join("rules"), root.join("gateway")];
    let files = folders.iter().flat_map(|folder| std::fs::read_dir(folder).expect("the folder is there"));
    let paths = files.map(|file| file.expect("the folder can be read").path());
    let mut pages: Vec<PathBuf> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "md")).collect();
    pages.sort();
    pages
}

fn compile(sql: &str, version: SqlVersion) -> Result<Statement, String> {
    let options = CompileOptions { version, ..CompileOptions::default() };
    Statement::compile_for(sql, options, &Capabilities::all()).map_err(|errors| errors.render(sql, "sql"))
}

/// What a statement makes of a message, as pages write it.
fn outcome(statement: &Statement, topic: &str, payload: &str) -> String {
    if statement.topic_filter().is_some_and(|filter| !filter.matches(topic)) {
        return "no match".to_owned();
    }
    let randomness = || [7u8; 16];
    let mut message = Message::new(topic, payload.trim().as_bytes(), 1_718_000_000_123, &randomness);
    message.client_id = Some("kiln7");
    match statement.evaluate(&message) {
        Ok(Outcome::Match(output)) if output.bytes().is_empty() => "Undefined".to_owned(),
        Ok(Outcome::Match(output)) => String::from_utf8_lossy(output.bytes()).into_owned(),
        Ok(Outcome::NoMatch) => "no match".to_owned(),
        other => format!("{other:?}"),
    }
}

/// JSON without the spaces that pages have; another text as it is.
fn plain(text: &str) -> String {
    serde_json::from_str::<serde_json::Value>(text).map_or(text.trim().to_owned(), |json| json.to_string())
}

/// What is wrong with an example, if anything.
fn check_sql(block: &Block, following: &[Block]) -> Result<(), String> {
    let word = block.words.get(1).map(String::as_str);
    let version = word.and_then(SqlVersion::parse).unwrap_or_default();
    let compiled = compile(block.text.trim(), version);
    if word == Some("refused") {
        return compiled.map_or(Ok(()), |_| Err("it is accepted".to_owned()));
    }
    let statement = compiled?;
    let [message, result, ..] = following else { return Ok(()) };
    if !message.is("json", "message") || !result.is("*", "result") {
        return Ok(());
    }
    let topic = message.words.get(2).ok_or("the message names no topic")?;
    let (found, wanted) = (outcome(&statement, topic, &message.text), &result.text);
    if plain(&found) == plain(wanted) {
        return Ok(());
    }
    Err(format!("  expected {}\n  got      {found}", wanted.trim()))
}

fn check_definition(block: &Block) -> Result<bool, String> {
    let table: Result<toml::Table, _> = toml::from_str(&block.text);
    if !table.is_ok_and(|table| table.contains_key("sql")) {
        return Ok(false);
    }
    let parsed = Definition::parse_for("example", "rule.toml", &block.text, &Capabilities::all());
    parsed.map(|_| true).map_err(|errors| errors.render(&block.text))
}

/// The statements of commands: what stands in double quotes behind `--sql`.
fn commanded(text: &str) -> Vec<String> {
    let behind = text.split("--sql \"").skip(1);
    behind.filter_map(|rest| rest.split('"').next()).map(|sql| sql.replace("\\\n", " ")).collect()
}

#[test]
fn every_example_of_the_sql_runs() {
    let (mut failures, mut checked) = (Vec::new(), 0);
    for page in pages() {
        let text = std::fs::read_to_string(&page).expect("the page can be read");
        let blocks = blocks(&text);
        for (number, block) in blocks.iter().enumerate() {
            let result = match block.language() {
                "sql" => check_sql(block, &blocks[number + 1..]).map(|()| 1),
                "toml" => check_definition(block).map(usize::from),
                "sh" => commanded(&block.text)
                    .iter()
                    .try_fold(0, |count, sql| compile(sql, SqlVersion::default()).map(|_| count + 1)),
                _ => Ok(0),
            };
            match result {
                Ok(count) => checked += count,
                Err(problem) => failures.push(format!("{}:{}:\n{problem}", page.display(), block.line)),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(checked >= 3, "only {checked} examples were found: do the pages still mark them?");
}

/// The check itself: an example that doesn't hold is found.
#[test]
fn an_example_that_does_not_hold_is_found() {
    let page = "```sql\nSELECT x FROM 'a'\n```\n```json message a\n{\"x\": 1}\n```\n```json result\n{\"x\": 2}\n```\n\
                ```sql refused\nSELECT x FROM 'a'\n```\n```sql\nSELEC\n```\n";
    let blocks = blocks(page);
    let problem = |number: usize| check_sql(&blocks[number], &blocks[number + 1..]).unwrap_err();
    assert_eq!(problem(0), "  expected {\"x\": 2}\n  got      {\"x\":1}");
    assert_eq!(problem(3), "it is accepted");
    assert!(problem(4).contains("did you mean `SELECT`?"));
    assert_eq!(
        commanded("rules eval --sql \"SELECT 1 AS a FROM 'a'\" \\\n --topic a"),
        ["SELECT 1 AS a FROM 'a'"]
    );
}
