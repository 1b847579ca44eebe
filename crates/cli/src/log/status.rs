//! `sigsum log status`: how a log does, asked of the log itself, or read from its directory where it
//! does not answer. For people, and for scripts by its exit status and `--json`.

mod ask;

use super::read_config;
use crate::failure::Failure;
use crate::files::print;
use ask::NoStatus;
use clap::{ArgAction, Args};
use serde_json::{Value, json};
use sigsum_log::config::{DEFAULT_DATA_DIR, DEFAULT_INTERNAL};
use sigsum_store::Place;
use sigsum_store::fsck::{Recorded, recorded};
use std::path::{Path, PathBuf};

/// Options of `log status`.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Status {
    /// The log's internal endpoint: HOST:PORT or unix:PATH
    #[arg(long, value_name = "ENDPOINT")]
    internal_endpoint: Option<String>,
    /// The log's directory, for when the log does not answer
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Configuration file of the log (default: $SIGSUM_LOGSERVER_CONFIG or /etc/sigsum/config.toml)
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Print help
    #[arg(short = 'h', short_alias = '?', long, action = ArgAction::Help)]
    help: Option<bool>,
}

/// Bytes of a leaf on disk: an entry of 130, a hash of 32, and what is above.
const LEAF_BYTES: u64 = 165;

/// Says how the log does. Fails where it does not do all that it is for.
pub(super) fn run(options: &Status) -> Result<(), Failure> {
    let file = match (&options.internal_endpoint, &options.data_dir, &options.config) {
        (Some(_), Some(_), None) => None,
        _ => Some(read_config(options.config.as_deref())?),
    };
    let configured = file.as_ref().and_then(|file| file.internal_endpoint.clone());
    let endpoint = options.internal_endpoint.clone().or(configured);
    let endpoint = endpoint.unwrap_or_else(|| DEFAULT_INTERNAL.to_owned());
    let configured = file.and_then(|file| file.data_dir);
    let dir = options.data_dir.clone().or(configured).unwrap_or_else(|| DEFAULT_DATA_DIR.into());
    let (answer, mut problems, text) = match ask::get(&endpoint, "/status.json") {
        Ok(body) => running(&status_of(&body).map_err(|why| no_log(&endpoint, &why))?),
        Err(NoStatus::Silent(error)) => stopped(&endpoint, &error, &dir),
        Err(NoStatus::NoLog(why)) => return Err(no_log(&endpoint, &why)),
        Err(NoStatus::Unknown(why)) => {
            return Err(Failure::new(format!("the internal endpoint is not known: {why}"))
                .remedy("name it with --internal-endpoint HOST:PORT or unix:PATH"));
        }
    };
    problems.sort();
    problems.dedup();
    if options.json {
        let mut answer = answer;
        answer["problems"] = json!(problems);
        print(format!("{answer:#}\n"))?;
    } else {
        let verdict = match problems.as_slice() {
            [] => "the log does all that it is for\n".to_owned(),
            problems => problems.iter().map(|problem| format!("PROBLEM: {problem}\n")).collect(),
        };
        print(verdict + &text)?;
    }
    if problems.is_empty() { Ok(()) } else { Err(Failure::silent()) }
}

fn no_log(endpoint: &str, why: &str) -> Failure {
    Failure::new(format!("{endpoint} is not the internal endpoint of a log: {why}"))
}

/// A status that a log, or a copy of one, gave.
fn status_of(body: &[u8]) -> Result<Value, String> {
    let status: Value = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    match status["key_hash"].is_string() && status["waiting"].is_array() {
        true => Ok(status),
        false => Err("the answer does not say how a log does".to_owned()),
    }
}

/// What a log says that answers.
fn running(status: &Value) -> (Value, Vec<String>, String) {
    let text = match status["role"] == "secondary" {
        true => told_by_secondary(status),
        false => told(status),
    };
    (json!({ "running": true, "log": status }), problems_of(status), text)
}

/// What the directory says of a log that does not answer.
fn stopped(endpoint: &str, error: &str, dir: &Path) -> (Value, Vec<String>, String) {
    let mut problems = vec![format!("no answer from the internal endpoint {endpoint}: {error}")];
    let found = match recorded(&Place::dir(dir)) {
        Ok(found) => found,
        Err(error) => {
            problems.push(error.to_string());
            return (json!({ "running": false }), problems, String::new());
        }
    };
    problems.extend(found.damaged.iter().cloned());
    let state = if found.in_use { "in use by a process" } else { "not in use" };
    let (size, head) = (found.tree.map(|tree| tree.size.0), found.head.map(|size| size.0));
    let published = found.published.map(|(size, _)| size.0);
    let mut text = format!("\ndirectory          {} ({}), {state}\n", dir.display(), found.role);
    for (name, size) in [
        ("leaves in the tree", size),
        ("last signed head  ", head),
        ("published head    ", published),
    ] {
        let size = size.map_or_else(|| "none".to_owned(), |size| size.to_string());
        text += &format!("{name} {size}\n");
    }
    let Recorded { in_use, role, .. } = found;
    let directory = json!({
        "path": dir.display().to_string(),
        "in_use": in_use,
        "role": role.to_string(),
        "tree_size": size,
        "signed_size": head,
        "published_size": published,
        "cosignatures": found.published.map(|(_, count)| count),
    });
    (json!({ "running": false, "directory": directory }), problems, text)
}

/// What keeps the log from doing all that it is for.
fn problems_of(status: &Value) -> Vec<String> {
    let list = |key: &str| status[key].as_array().cloned().unwrap_or_default();
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let waiting = list("waiting");
    let mut problems: Vec<String> = waiting
        .iter()
        .map(|it| format!("{}: {}", word(&it["part"]), word(&it["reason"])))
        .collect();
    if status["quorum"]["is_needed"] == true && status["quorum"]["missing"] == true {
        problems.push("no quorum of cosignatures".to_owned());
    }
    for witness in list("witnesses") {
        if witness["state"] == "ahead" {
            let (name, problem) = (word(&witness["name"]), word(&witness["problem"]));
            problems.push(format!("witness {name} {problem}"));
        }
    }
    problems
}

/// How a copy does, for people.
fn told_by_secondary(status: &Value) -> String {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let number =
        |value: &Value| value.as_u64().map_or_else(|| "none".to_owned(), |n| n.to_string());
    let mut text = format!(
        "\nkey hash           {} (a copy)\n\
         primary            {}: {}\n\
         leaves held        {}\n\
         last verified head {}\n",
        word(&status["key_hash"]),
        word(&status["primary"]),
        word(&status["state"]),
        number(&status["committed_size"]),
        number(&status["verified_size"]),
    );
    if let Some(contradiction) = status["contradiction"].as_str() {
        text += &format!("contradiction      {contradiction}\n");
    }
    text + &disk(status)
}

/// The numbers, for people.
fn told(status: &Value) -> String {
    let number =
        |value: &Value| value.as_u64().map_or_else(|| "none".to_owned(), |n| n.to_string());
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut text = format!(
        "\nkey hash           {}\n\
         committed leaves   {}\n\
         last signed head   {}\n",
        word(&status["key_hash"]),
        number(&status["committed_size"]),
        number(&status["signed_size"]),
    );
    let (head, now_s) = (&status["head"], status["now_s"].as_u64().unwrap_or(0));
    text += &format!("published head     {}", number(&head["size"]));
    if let Some(count) = head["cosignatures"].as_u64() {
        text += &format!(", cosignatures {count}");
    }
    if let Some(time_s) = head["newest_cosignature_s"].as_u64() {
        text += &format!(", the newest {} seconds old", now_s.saturating_sub(time_s));
    }
    text.push('\n');
    for witness in status["witnesses"].as_array().into_iter().flatten() {
        text +=
            &format!("witness            {}: {}", word(&witness["name"]), word(&witness["state"]));
        if let Some(problem) = witness["problem"].as_str() {
            text += &format!(", {problem}");
        }
        text.push('\n');
    }
    text += &disk(status);
    for section in status["sections"].as_array().into_iter().flatten() {
        text += &format!("\n{}\n", word(&section["title"]));
        for row in section["rows"].as_array().into_iter().flatten() {
            text += &format!("  {}: {}\n", word(&row[0]), word(&row[1]));
        }
    }
    text
}

/// The space that is left, and how long it lasts.
fn disk(status: &Value) -> String {
    let Some(free) = status["disk"]["free_bytes"].as_u64() else { return String::new() };
    let mut text = format!("space left         {} MiB", free >> 20);
    let per_day = status["growth"]["per_day"].as_u64().filter(|leaves| *leaves > 0);
    if let Some(leaves) = per_day {
        let days = free / leaves.saturating_mul(LEAF_BYTES);
        text += &format!(", {days} days at {leaves} leaves a day");
    }
    text + "\n"
}
