//! A rule's statement: compiled once, evaluated for every message its topic filter lets through.

use std::sync::Arc;

use bytes::Bytes;
use thiserror::Error;

use crate::check::{Check, Patterns, Reach};
use crate::diagnostic::{Diagnostic, SqlErrors};
use crate::evaluate::Evaluation;
use crate::filter::TopicFilter;
use crate::glance::Glance;
use crate::message::Message;
use crate::misfit::MisfitKinds;
use crate::outside::{Capabilities, Question};
use crate::plan::{Plan, Projection, Variables};
use crate::syntax::{self, Parsing, Select};
use crate::template::Template;
use crate::window::{Row, WindowPlan};

/// The version of the SQL a statement is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum SqlVersion {
    /// `2015-10-08`: no nested SELECT, no literals of arrays and objects, 10.0 stays a Decimal.
    V2015,
    /// `2016-03-23`: the whole language.
    #[default]
    V2016,
}

impl SqlVersion {
    /// Every version with its name.
    pub const ALL: [Self; 2] = [Self::V2015, Self::V2016];

    /// The name AWS gives it.
    pub fn text(self) -> &'static str {
        match self {
            Self::V2015 => "2015-10-08",
            Self::V2016 => "2016-03-23",
        }
    }

    /// The version with this name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.text() == text)
    }
}

/// How a statement is compiled, and what its evaluation may cost.
#[derive(Debug, Clone, Copy)]
pub struct CompileOptions {
    /// The version of the SQL.
    pub version: SqlVersion,
    /// The largest output of one message, in bytes.
    pub output_bytes_max: usize,
    /// The most array elements subqueries may visit for one message.
    pub elements_max: u32,
    /// The most bytes that functions, comparisons and subqueries may look at or make for one message.
    pub work_bytes_max: usize,
    /// The most different questions a statement may ask the world outside for one message.
    pub questions_max: usize,
}

impl Default for CompileOptions {
    fn default() -> Self {
        Self {
            version: SqlVersion::default(),
            output_bytes_max: 1024 * 1024,
            elements_max: 100_000,
            work_bytes_max: 32 * 1024 * 1024,
            questions_max: 8,
        }
    }
}

/// A compiled statement. Cheap to share; evaluation needs no lock.
#[derive(Debug, Clone)]
pub struct Statement {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    sql: String,
    /// The tree is kept for explanations, which are asked for rarely and by people.
    select: Select,
    options: CompileOptions,
    capabilities: Capabilities,
    filter: Option<TopicFilter>,
    variables: Variables,
    condition: Option<Plan>,
    /// What can be seen of `condition` in a payload that isn't read; nothing with SET, which comes before it.
    glance: Option<Glance>,
    projection: Projection,
    /// What a statement over windows has instead of a projection.
    window: Option<WindowPlan>,
    patterns: Patterns,
    warnings: Vec<Diagnostic>,
}

/// What a statement makes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// WHERE isn't true: false, Undefined, or no Boolean.
    NoMatch,
    /// The actions get this.
    Match(Output),
    /// It depends on the answer to this. The host finds it, adds it to the message's answers and evaluates again.
    Ask(Box<Question>),
    /// The message counts in windows, whose results come when they close: see [`crate::window`].
    Row(Row),
}

/// The result of SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A JSON text.
    Json(Bytes),
    /// `SELECT *` of a payload that isn't JSON: the payload as it was published.
    Raw(Bytes),
    /// `SELECT VALUE` of Undefined: nothing.
    Empty,
}

impl Output {
    /// What a target gets as the body.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Self::Json(bytes) | Self::Raw(bytes) => bytes,
            Self::Empty => &[],
        }
    }

    /// The media type of the body.
    pub fn content_type(&self) -> &'static str {
        match self {
            Self::Json(_) => "application/json",
            Self::Raw(_) | Self::Empty => "application/octet-stream",
        }
    }
}

/// What came of a statement for one message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What the statement makes of the message.
    pub outcome: Result<Outcome, Fault>,
    /// What on the way was Undefined although its inputs were there.
    pub misfits: MisfitKinds,
}

/// Why a statement could not be evaluated for one message. The fault is the rule's (or a hostile message's), and the
/// same message would fail again: don't retry.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// The result, or a text on the way to it, is larger than allowed.
    #[error("result is larger than {bytes_max} bytes; select less, or raise the limit")]
    TooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// What is built is nested too deep.
    #[error("result is nested more than {depth_max} levels deep; nest it less")]
    TooDeep {
        /// The limit.
        depth_max: u32,
    },
    /// Subqueries inside subqueries visited too many elements.
    #[error("subqueries visited more than {elements_max} array elements; nest them less, or raise the limit")]
    TooMuchWork {
        /// The limit.
        elements_max: u32,
    },
    /// Functions, comparisons and subqueries went through too much.
    #[error(
        "functions, comparisons and subqueries went through more than {work_bytes_max} bytes; nest subqueries less, or look at less of the payload in them"
    )]
    TooManyBytes {
        /// The limit.
        work_bytes_max: usize,
    },
    /// More was asked of the world outside than allowed.
    #[error(
        "more than {questions_max} questions were asked for one message; ask fewer, or one for several values"
    )]
    TooManyQuestions {
        /// The limit.
        questions_max: usize,
    },
    /// A template depends on the answer to this. The host finds it, adds it to the message's answers and renders again.
    #[error("`{0}` has no answer yet")]
    Unanswered(Box<Question>),
    /// The values of GROUP BY are too long to tell groups apart by.
    #[error("values of GROUP BY are longer than {bytes_max} bytes; group by something shorter")]
    GroupKeyTooLarge {
        /// The limit.
        bytes_max: usize,
    },
    /// TIMESTAMP BY gave no time, so the message belongs to no window.
    #[error(
        "TIMESTAMP BY gave {found}, which is no time; it takes milliseconds since 1970 or a text such as `2024-05-01T12:30:05Z`"
    )]
    NoEventTime {
        /// The type of what it gave.
        found: &'static str,
    },
}

impl Statement {
    /// Reads and checks a statement.
    ///
    /// # Errors
    /// Everything that is wrong: syntax, unknown functions, filters, versions, patterns. Where a clause can't be read at
    /// all, what is wrong with the syntax alone.
    pub fn compile(sql: &str, options: CompileOptions) -> Result<Self, SqlErrors> {
        Self::compile_for(sql, options, &Capabilities::none())
    }

    /// The same for a host that offers these services. Calls of others are refused.
    ///
    /// # Errors
    /// As above.
    pub fn compile_for(
        sql: &str,
        options: CompileOptions,
        capabilities: &Capabilities,
    ) -> Result<Self, SqlErrors> {
        let Parsing { select, mistakes } = syntax::read_statement(sql);
        let Some(select) = select else { return Err(SqlErrors::new(mistakes)) };
        let mut check = Check::of(sql, options.version, &select).reaching(Reach::Offered(capabilities));
        check.know_mistakes(mistakes);
        let variables = check.variables(&select.variables);
        let filter = check.topic_filter(select.from.as_ref());
        let condition = select.condition.as_ref().map(|condition| check.expression(condition));
        let (projection, window) = match &select.grouping {
            None => (check.projection(&select.body), None),
            Some(grouping) => (Projection::nothing(), check.window(&select, grouping)),
        };
        let patterns = check.take_patterns();
        let warnings = check.finish()?;
        let glance = condition.as_ref().filter(|_| variables.is_empty()).and_then(Glance::of);
        let sql = sql.to_owned();
        let capabilities = capabilities.clone();
        let inner = Inner {
            sql,
            select,
            options,
            capabilities,
            filter,
            variables,
            condition,
            glance,
            projection,
            window,
            patterns,
            warnings,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The text it was compiled from.
    pub fn sql(&self) -> &str {
        &self.inner.sql
    }

    /// The statement on one line, written one way: the same for statements that differ only in spaces, case of keywords,
    /// quotes and needless parentheses. Compiling it gives the same plan.
    pub fn normalized_sql(&self) -> String {
        self.inner.select.to_string()
    }

    /// The filter of FROM; `None` for a rule that is only reached by Basic Ingest.
    pub fn topic_filter(&self) -> Option<&TopicFilter> {
        self.inner.filter.as_ref()
    }

    /// The options it was compiled with.
    pub fn options(&self) -> CompileOptions {
        self.inner.options
    }

    /// What is allowed but probably not meant.
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.inner.warnings
    }

    /// Evaluates WHERE, and SELECT if it is true. FROM isn't looked at: whoever calls has routed the message.
    ///
    /// # Errors
    /// When the limits of the options are exceeded. A type mismatch is no error, it is Undefined.
    pub fn evaluate(&self, message: &Message<'_>) -> Result<Outcome, Fault> {
        self.run(message).outcome
    }

    /// The same, and which kinds of misfits there were on the way; [`Statement::misfits`] says where.
    pub fn run(&self, message: &Message<'_>) -> Run {
        let glance = self.inner.glance.as_ref();
        if glance.is_some_and(|glance| glance.sees_none(message.payload())) {
            return Run { outcome: Ok(Outcome::NoMatch), misfits: MisfitKinds::default() };
        }
        let run = self.run_read(message);
        if let Some(glance) = glance {
            glance.learn(matches!(run.outcome, Ok(Outcome::NoMatch)));
        }
        run
    }

    fn run_read(&self, message: &Message<'_>) -> Run {
        match Evaluation::start(&self.inner.options, &self.inner.variables, message) {
            Ok(evaluation) => {
                let outcome = asked(self.outcome(&evaluation));
                Run { outcome, misfits: evaluation.misfits() }
            }
            Err(fault) => Run { outcome: asked(Err(fault)), misfits: MisfitKinds::default() },
        }
    }

    fn outcome<'v>(&'v self, evaluation: &Evaluation<'v>) -> Result<Outcome, Fault> {
        if let Some(condition) = &self.inner.condition {
            let holds = evaluation.holds(condition);
            evaluation.fault()?;
            if !holds {
                return Ok(Outcome::NoMatch);
            }
        }
        match &self.inner.window {
            None => evaluation.output(&self.inner.projection).map(Outcome::Match),
            Some(window) => evaluation.row(window).map(Outcome::Row),
        }
    }

    /// Compiles the text of an action in which the variables of SET are visible.
    ///
    /// # Errors
    /// Everything that is wrong with the expressions in it.
    pub fn template(&self, text: &str) -> Result<Template, SqlErrors> {
        let capabilities = &self.inner.capabilities;
        let reach = match self.is_windowed() {
            true => Reach::ResultOfWindow(capabilities),
            false => Reach::Offered(capabilities),
        };
        Template::with_variables(text, self.inner.options, &self.inner.variables, reach)
    }

    /// The same for the error action, which may ask nobody.
    ///
    /// # Errors
    /// As above.
    pub fn error_template(&self, text: &str) -> Result<Template, SqlErrors> {
        Template::with_variables(
            text,
            self.inner.options,
            &self.inner.variables,
            Reach::ErrorAction(&self.inner.capabilities),
        )
    }

    /// The plan as text, to compare plans.
    #[cfg(test)]
    pub(crate) fn plan_text(&self) -> String {
        let Inner { filter, variables, condition, projection, window, .. } = self.inner.as_ref();
        let window = window.as_ref().map(WindowPlan::text);
        format!("{filter:?}\n{variables:?}\n{condition:?}\n{projection:?}\n{window:?}")
    }

    /// Whether it is over windows, so that messages give rows.
    pub fn is_windowed(&self) -> bool {
        self.inner.window.is_some()
    }

    /// Whether it has TIMESTAMP BY, so that messages count at a time of their own.
    pub fn has_event_time(&self) -> bool {
        self.inner.window.as_ref().is_some_and(|window| window.time.is_some())
    }

    /// Tells the rows and states of a statement over windows from those of any other; `None` for other statements. Equal
    /// for equal texts of the same SQL version.
    pub fn fingerprint(&self) -> Option<[u8; 8]> {
        self.inner.window.as_ref().map(|window| window.fingerprint)
    }

    pub(crate) fn window_plan(&self) -> Option<&WindowPlan> {
        self.inner.window.as_ref()
    }

    pub(crate) fn capabilities(&self) -> &Capabilities {
        &self.inner.capabilities
    }

    pub(crate) fn patterns(&self) -> &Patterns {
        &self.inner.patterns
    }

    pub(crate) fn select(&self) -> &Select {
        &self.inner.select
    }

    pub(crate) fn condition(&self) -> Option<&Plan> {
        self.inner.condition.as_ref()
    }

    pub(crate) fn variables(&self) -> &Variables {
        &self.inner.variables
    }
}

/// A statement that waits for an answer has not failed.
fn asked(outcome: Result<Outcome, Fault>) -> Result<Outcome, Fault> {
    match outcome {
        Err(Fault::Unanswered(question)) => Ok(Outcome::Ask(question)),
        other => other,
    }
}
