//! `iot-gateway users`: users, their passwords, and what a user may do.

use super::registration::{Declared, now_ms};
use super::{ConfigArguments, output};
use access::scram::{Credential, PASSWORD_BYTES_MAX};
use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::{Args, Subcommand};
use registry::{Operation, UserRecord, UserStatus, UserSummary};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Random bytes of a password that is made here.
const GENERATED_BYTES: usize = 24;

#[derive(Debug, Args)]
#[command(after_help = "Example:\n  iot-gateway users add ada --policy device\n  \
    iot-gateway users add ada --policy device --password-file password.txt\n  \
    iot-gateway users set-password ada\n  \
    iot-gateway users disable ada\n\n\
    Without --password-file a password is made, and shown this once: what is kept of it can't be turned back into it.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Create a user
    Add {
        name: String,
        /// A policy; may be given several times
        #[arg(long = "policy", value_name = "POLICY")]
        policies: Vec<String>,
        #[command(flatten)]
        password: PasswordArguments,
    },
    /// List users
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one user, as JSON
    Show { name: String },
    /// Give a user another password; connections made with the one before are cut at once
    SetPassword {
        name: String,
        #[command(flatten)]
        password: PasswordArguments,
    },
    /// Let nobody in as this user, and cut its connections at once
    Disable { name: String },
    /// Let it in again
    Enable { name: String },
    /// Delete a user, and cut its connections at once
    Delete { name: String },
    /// Attach a policy to a user
    Attach { name: String, policy: String },
    /// Detach a policy from a user
    Detach { name: String, policy: String },
}

#[derive(Debug, Args)]
struct PasswordArguments {
    /// The file that holds the password, `-` for standard input; a line break at the end does not belong to it
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.config.load()?;
    let declared = Declared::open(&settings)?;
    let iterations = settings.raw.access.password_iterations;
    let (operation, made) = match &arguments.action {
        Action::List { json } => return list(&declared, *json),
        Action::Show { name } => return show(&declared, name),
        Action::Add { name, policies, password } => {
            let (credential, made) = password.credential(iterations)?;
            let policies = policies.iter().cloned().collect();
            let record = UserRecord { policies, ..UserRecord::new(name, credential, now_ms()) };
            (Operation::CreateUser(record), made)
        }
        Action::SetPassword { name, password } => {
            let (credential, made) = password.credential(iterations)?;
            (Operation::UpdateUserCredential { user: name.clone(), credential, at_ms: now_ms() }, made)
        }
        Action::Disable { name } => (status(name, UserStatus::Inactive), None),
        Action::Enable { name } => (status(name, UserStatus::Active), None),
        Action::Delete { name } => (Operation::DeleteUser { user: name.clone() }, None),
        Action::Attach { name, policy } => {
            (Operation::AttachUserPolicy { policy: policy.clone(), user: name.clone() }, None)
        }
        Action::Detach { name, policy } => {
            (Operation::DetachUserPolicy { policy: policy.clone(), user: name.clone() }, None)
        }
    };
    declared.apply(&[operation])?;
    if let Some(password) = made {
        output::line(format!("password: {password}"));
    }
    Ok(ExitCode::SUCCESS)
}

fn status(user: &str, status: UserStatus) -> Operation {
    Operation::UpdateUserStatus { user: user.to_owned(), status }
}

impl PasswordArguments {
    /// What is to be kept of the password, and the password if it was made here. It goes no further than this process.
    fn credential(&self, iterations: u32) -> anyhow::Result<(Credential, Option<String>)> {
        let (password, made) = match &self.password_file {
            Some(file) => (read(file)?, None),
            None => {
                let made = URL_SAFE_NO_PAD.encode(rand::random::<[u8; GENERATED_BYTES]>());
                (made.clone(), Some(made))
            }
        };
        Ok((Credential::derive(&password, rand::random(), iterations)?, made))
    }
}

fn read(file: &Path) -> anyhow::Result<String> {
    let mut text = String::new();
    let bytes_max = PASSWORD_BYTES_MAX as u64 + 3;
    let read = if file == Path::new("-") {
        std::io::stdin().take(bytes_max).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(bytes_max).read_to_string(&mut text))
    };
    read.with_context(|| format!("the password can't be read from {}", file.display()))?;
    let password =
        text.strip_suffix('\n').map_or(text.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
    ensure!(!password.is_empty(), "there is no password in {}", file.display());
    Ok(password.to_owned())
}

fn list(declared: &Declared, as_json: bool) -> anyhow::Result<ExitCode> {
    let users = declared.users()?;
    if as_json {
        output::json(&users)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows: Vec<Vec<String>> = users.into_iter().map(row).collect();
    output::table(&["user", "status", "policies", "password set"], &rows);
    Ok(ExitCode::SUCCESS)
}

fn row(user: UserSummary) -> Vec<String> {
    let policies = user.policies.into_iter().collect::<Vec<_>>().join(", ");
    let seconds = i64::try_from(user.password_set_at_ms / 1000).unwrap_or_default();
    let set = OffsetDateTime::from_unix_timestamp(seconds).ok().and_then(|time| time.format(&Rfc3339).ok());
    vec![user.name, user.status.to_string(), policies, set.unwrap_or_default()]
}

fn show(declared: &Declared, name: &str) -> anyhow::Result<ExitCode> {
    let user = declared.users()?.into_iter().find(|user| user.name == name);
    output::json(&user.with_context(|| format!("there is no user `{name}`; `users list` shows all"))?)?;
    Ok(ExitCode::SUCCESS)
}
