//! The documents, held to the program: commands, flags, configuration files.

use crate::harness::Sandbox;
use sigsum_core::PublicKey;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Keys of log-go's configuration that this version ignores or refuses; the guide says so in words.
const KEYS_OF_LOG_GO_ALONE: &[&str] = &["trillian-rpc-server", "trillian-tree-id-file"];

/// A file of the repository.
pub(crate) fn document(name: &str) -> String {
    std::fs::read_to_string(repository().join(name)).unwrap()
}

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The documents that show commands.
fn documents() -> Vec<String> {
    let mut names = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned()];
    for entry in std::fs::read_dir(repository().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            names.push(format!("docs/{name}"));
        }
    }
    names
}

/// The blocks of a document that are of this language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let opening = format!("```{language}\n");
    text.split(opening.as_str()).skip(1).map(|rest| rest.split("```").next().unwrap()).collect()
}

/// Commands of console blocks, and pieces of text in backticks that begin as a command does.
fn commands(text: &str) -> Vec<String> {
    let prompts = blocks(text, "console").into_iter().flat_map(str::lines);
    let mut found: Vec<String> =
        prompts.filter_map(|line| line.strip_prefix("$ ")).map(str::to_owned).collect();
    for (n, piece) in text.split("```").enumerate() {
        if n % 2 == 0 {
            let quoted = piece.split('`').skip(1).step_by(2);
            found.extend(quoted.filter(|q| q.starts_with("sigsum ")).map(str::to_owned));
        }
    }
    found
}

/// The words behind `sigsum`, without redirections and what follows a pipe; `None` where the line
/// runs something else.
fn words_of(line: &str) -> Option<Vec<&str>> {
    let line = line.split(['|', '#', ';', '&']).next().unwrap();
    let line = line.strip_prefix("cargo run --release -- ").or(line.strip_prefix("sigsum "))?;
    let mut words = Vec::new();
    let mut all = line.split_whitespace();
    while let Some(word) = all.next() {
        match word {
            "<" | ">" => drop(all.next()),
            word => words.push(word),
        }
    }
    Some(words)
}

/// What `--help` tells, by command.
struct Program {
    sandbox: Sandbox,
    known: BTreeMap<Vec<String>, Help>,
}

#[derive(Debug, Clone, Default)]
struct Help {
    commands: Vec<String>,
    flags: Vec<String>,
}

impl Program {
    fn new() -> Self {
        Self { sandbox: Sandbox::new(), known: BTreeMap::new() }
    }

    fn help(&mut self, path: &[String]) -> Help {
        if let Some(help) = self.known.get(path) {
            return help.clone();
        }
        let mut args: Vec<&str> = path.iter().map(String::as_str).collect();
        args.push("--help");
        let mut help = Help::default();
        let mut section = String::new();
        for line in self.sandbox.run(&args).ok().stdout.lines() {
            match line.strip_prefix("  ") {
                None if line.is_empty() => {}
                None => section = line.to_owned(),
                Some(rest) if section == "Commands:" && !rest.starts_with(' ') => {
                    help.commands.extend(rest.split(' ').next().map(str::to_owned));
                }
                Some(rest) if section == "Options:" && rest.trim_start().starts_with('-') => {
                    let words = rest.split([' ', ',']).filter(|word| word.starts_with('-'));
                    help.flags.extend(words.map(str::to_owned));
                }
                Some(_) => {}
            }
        }
        self.known.insert(path.to_vec(), help.clone());
        help
    }

    /// Whether the program has this command and these flags.
    fn check(&mut self, words: &[&str]) -> Result<(), String> {
        let mut path = Vec::new();
        let mut help = self.help(&path);
        for word in words {
            if let Some(long) = word.strip_prefix("--") {
                let flag = format!("--{}", long.split('=').next().unwrap());
                if !help.flags.contains(&flag) {
                    return Err(format!("sigsum {}: no flag {flag}", path.join(" ")));
                }
            } else if word.len() > 1 && word.starts_with('-') {
                if !help.flags.iter().any(|flag| flag.len() == 2 && word.starts_with(flag)) {
                    return Err(format!("sigsum {}: no flag {word}", path.join(" ")));
                }
            } else if help.commands.iter().any(|command| command == word) {
                path.push((*word).to_owned());
                help = self.help(&path);
            } else if !help.commands.is_empty() && *word != "..." {
                return Err(format!("sigsum {}: no command {word}", path.join(" ")));
            }
        }
        Ok(())
    }
}

#[test]
fn every_command_and_flag_in_the_documents_exists() {
    let mut program = Program::new();
    let mut checked = 0;
    let mut wrong = Vec::new();
    for name in documents() {
        for line in commands(&document(&name)) {
            let Some(words) = words_of(&line) else { continue };
            checked += 1;
            wrong.extend(program.check(&words).err().map(|e| format!("{name}: `{line}`: {e}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 50, "only {checked} commands were found");
}

#[test]
fn commands_and_flags_that_do_not_exist_are_found() {
    let mut program = Program::new();
    let mut check = |line: &str| program.check(&words_of(line).unwrap());
    assert_eq!(check("sigsum verify -p policy -k k.pub f.proof < f"), Ok(()));
    assert_eq!(check("sigsum log primary --data-dir=log"), Ok(()));
    assert_eq!(check("sigsum log tertiary"), Err("sigsum log: no command tertiary".to_owned()));
    assert_eq!(check("sigsum verify --quiet"), Err("sigsum verify: no flag --quiet".to_owned()));
    assert_eq!(check("sigsum submit -x f"), Err("sigsum submit: no flag -x".to_owned()));
}

/// Column one of the tables under a heading: what stands there in backticks.
fn listed(text: &str, heading: &str) -> Vec<String> {
    let section = text.split(heading).nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    let cells = rows.map(|row| row.split(" |").next().unwrap());
    cells.flat_map(|cell| cell.split('`').step_by(2)).map(str::to_owned).collect()
}

#[test]
fn the_configuration_of_a_log_is_read_and_has_every_key() {
    use sigsum_log::config::{AcmeTable, FileConfig};
    let text = document("docs/log.md");
    for file in blocks(&text, "toml") {
        let parsed = FileConfig::parse(file).unwrap();
        match parsed.secondary.primary_url {
            Some(_) => drop(parsed.into_secondary_settings().unwrap()),
            None => drop(parsed.into_settings().unwrap()),
        }
    }

    let mut keys = listed(&text, "## Configuration file");
    keys.extend(listed(&text, "## Followers"));
    // Of a file that sets nothing, the debug form names every key.
    let shown = format!("{:?} {:?}", FileConfig::default(), AcmeTable::default());
    let before_none = shown.split(": None").map(|part| part.rsplit([' ', '{']).next().unwrap());
    let all: Vec<String> = before_none
        .filter(|key| key.starts_with(|c: char| c.is_ascii_lowercase()))
        .map(|key| key.replace('_', "-"))
        .filter(|key| !KEYS_OF_LOG_GO_ALONE.contains(&key.as_str()))
        .collect();
    assert!(all.len() > 10, "{all:?}");
    for key in &all {
        let in_table = |table: &str| format!("{table}.{key}");
        let names = [key.clone(), in_table("primary"), in_table("secondary"), in_table("acme")];
        assert!(names.iter().any(|name| keys.contains(name)), "docs/log.md lacks {key}: {keys:?}");
    }
    let tables = ["primary.followers", "primary.static-keys"];
    for key in keys.iter().filter(|key| !tables.contains(&key.as_str())) {
        let key = key.strip_prefix("primary.").unwrap_or(key);
        let key = key.strip_prefix("secondary.").unwrap_or(key);
        let key = key.strip_prefix("acme.").unwrap_or(key);
        assert!(all.iter().any(|known| known == key), "docs/log.md has {key}, which is none");
    }
}

#[test]
fn the_configuration_of_a_witness_is_read_and_has_every_key() {
    use sigsum_witness::Config;
    let text = document("docs/witness.md");
    let [file] = blocks(&text, "toml")[..] else { panic!("one configuration file") };
    let config: Config = toml::from_str(file).unwrap();
    config.check(&[PublicKey::new([1; 32])]).unwrap();

    let mut keys = listed(&text, "## Configuration file");
    let refused = toml::from_str::<Config>("no-key = 1").unwrap_err().to_string();
    let expected = refused.split("expected one of").nth(1).unwrap();
    let mut all: Vec<_> = expected.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    keys.sort();
    all.sort();
    assert_eq!(keys, all);
}

#[test]
fn the_configurations_that_are_shipped_are_read() {
    let file = sigsum_log::config::FileConfig::parse(&document("deploy/etc/config.toml")).unwrap();
    let settings = file.into_settings().unwrap();
    assert_eq!(settings.policy_file, Some("/etc/sigsum/log-policy".into()));
    sigsum_core::policy::Policy::parse_sigsum(document("deploy/etc/log-policy").as_bytes())
        .unwrap();
    let file = document("deploy/etc/secondary.toml");
    let file = sigsum_log::config::FileConfig::parse(&file).unwrap();
    assert!(file.into_secondary_settings().unwrap().log_key_file.is_some());
    let witness: sigsum_witness::Config =
        toml::from_str(&document("deploy/etc/witness.toml")).unwrap();
    witness.check(&[PublicKey::new([1; 32])]).unwrap();
}
