//! What is wrong with a policy document, and where.

/// A refused policy document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}, `{path}`: {problem}")]
pub struct PolicyError {
    /// The place in the document, like `Statement[0].Effect`; `document` for the whole.
    pub path: String,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: PolicyProblem,
}

/// What is wrong with a policy document.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PolicyProblem {
    /// Not JSON.
    #[error("not JSON: {0}")]
    Json(String),
    /// Over the size limit.
    #[error(
        "the document has {characters} characters without white space, the limit is {characters_max}; split it in several policies"
    )]
    TooLong {
        /// Its length, white space not counted.
        characters: usize,
        /// The limit.
        characters_max: usize,
    },
    /// Another JSON type was needed.
    #[error("expected {expected}, found {found}")]
    Shape {
        /// What was needed.
        expected: &'static str,
        /// What stands there.
        found: &'static str,
    },
    /// A required member is missing.
    #[error("`{member}` is missing; {advice}")]
    Missing {
        /// Its name.
        member: &'static str,
        /// What to write.
        advice: &'static str,
    },
    /// The same member twice.
    #[error("`{0}` stands here twice; join the two")]
    Duplicate(String),
    /// A word the language does not have.
    #[error("unknown {what} `{word}`{}", did_you_mean(.nearest))]
    Unknown {
        /// The kind of word.
        what: &'static str,
        /// The word.
        word: String,
        /// The nearest valid one.
        nearest: Option<String>,
    },
    /// A word IAM has, but that has no place here.
    #[error("`{word}` is not supported: {advice}")]
    Unsupported {
        /// The word.
        word: String,
        /// Why, and what to write instead.
        advice: &'static str,
    },
    /// A value that cannot be meant.
    #[error("`{value}` is not {expected}")]
    Invalid {
        /// The value.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    nearest.as_ref().map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}
