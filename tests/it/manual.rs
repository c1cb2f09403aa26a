//! `rules/README.md`, followed line by line: its commands are run, its rules are checked, its tables
//! of keys are printed from the grammar. `REGENERATE=1` writes what has changed.

use std::path::Path;
use std::process::Command;

use countersign::engine::charset::Charset;
use countersign::rule;
use countersign::text::shape::print::{self, Section};

use crate::support::shop::Folder;
use crate::support::written::is_written;

pub(crate) const README: &str = include_str!("../../rules/README.md");

/// A piece of the page.
pub(crate) enum Piece {
    /// Between fences: what stands behind the first, and what is between.
    Block { info: String, text: String },
    /// Between markers: the name of a construct.
    Generated { name: String },
    /// Anything else, line by line.
    Line(String),
}

pub(crate) fn pieces() -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut lines = README.lines();
    while let Some(line) = lines.next() {
        let mut until = |end: &str| -> String {
            let inner = lines.by_ref().take_while(|line| *line != end);
            inner.map(|line| format!("{line}\n")).collect()
        };
        if let Some(info) = line.strip_prefix("```") {
            pieces.push(Piece::Block { info: info.to_owned(), text: until("```") });
        } else if let Some(name) = line.strip_prefix("<!-- generated: ") {
            let name = name.strip_suffix(" -->").unwrap().to_owned();
            until("<!-- end -->");
            pieces.push(Piece::Generated { name });
        } else {
            pieces.push(Piece::Line(line.to_owned()));
        }
    }
    pieces
}

/// A rule as its top-level keys, each with what stands above it.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    let mut above = String::new();
    for line in text.lines() {
        let line = format!("{line}\n");
        let key = line.split(':').next().unwrap();
        if line.starts_with(|c: char| c.is_ascii_lowercase()) {
            sections.push((key.to_owned(), std::mem::take(&mut above) + &line));
        } else if line == "\n" || line.starts_with('#') {
            above += &line;
        } else {
            sections.last_mut().unwrap().1 += &(std::mem::take(&mut above) + &line);
        }
    }
    sections
}

/// Replaces keys, as the reader is told to; a new one stands before `event`.
fn replace(rule: &str, by: &str) -> String {
    let mut all = sections(rule);
    for (key, text) in sections(by) {
        let text = text.trim_start_matches('\n').to_owned();
        if let Some((_, known)) = all.iter_mut().find(|(known, _)| *known == key) {
            let gap = if known.starts_with('\n') { "\n" } else { "" };
            *known = format!("{gap}{text}");
        } else {
            let at = all.iter().position(|(known, _)| known == "event").unwrap();
            all.insert(at, (key, format!("\n{text}")));
        }
    }
    all.into_iter().map(|(_, text)| text).collect()
}

/// The lines of a change that go, and those that come.
fn change(rule: &str, diff: &str) -> String {
    let side = |sign: char| -> String {
        let lines = diff.lines().filter(|line| !line.starts_with(sign));
        lines.map(|line| format!("{}\n", line.get(1..).unwrap_or_default())).collect()
    };
    let (before, after) = (side('+'), side('-'));
    assert!(rule.contains(&before), "the rule has no\n{before}");
    rule.replacen(&before, &after, 1)
}

/// Runs the commands of a block in one shell; the block with what they have really said.
fn run(folder: &Folder, block: &str) -> String {
    let commands: Vec<&str> = block.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    let script: String =
        commands.iter().map(|command| format!("printf '\\036'\n{command}\n")).collect();
    let programs = Path::new(env!("CARGO_BIN_EXE_countersign")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1\n{script}")])
        .current_dir(folder.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said: Vec<&str> = said.split('\u{1e}').skip(1).collect();
    assert_eq!(said.len(), commands.len(), "{said:?}");
    let pairs = commands.iter().zip(said);
    let block: String = pairs.map(|(command, said)| format!("$ {command}\n{said}")).collect();
    assert!(!block.contains("```"), "what is said would end the block:\n{block}");
    block
}

fn generated(name: &str, grammar: &[Section]) -> String {
    if name == "charsets" {
        let words: Vec<&str> = Charset::ALL.map(Charset::as_str).to_vec();
        return format!("<!-- generated: charsets -->\n{}.\n<!-- end -->\n", words.join(", "));
    }
    let section = grammar.iter().find(|section| section.shape.name == name);
    let section = section
        .unwrap_or_else(|| panic!("rules/README.md explains `{name}`, which the grammar has not"));
    format!("<!-- generated: {name} -->\n{}<!-- end -->\n", section.text)
}

/// The page with everything in it that the code says.
fn as_it_is() -> String {
    let folder = Folder::new();
    let grammar = print::sections(rule::grammar());
    let mut page = String::new();
    // The rule before it was broken to show a law.
    let mut whole = None;
    for piece in pieces() {
        match piece {
            Piece::Line(line) => page += &format!("{line}\n"),
            Piece::Generated { name } => page += &generated(&name, &grammar),
            Piece::Block { info, text } => {
                let mut said = text.clone();
                match info.as_str() {
                    "http capture.http" => folder.write("capture.http", &text),
                    "yaml acme.yaml" => {
                        folder.write("acme.yaml", replace(&folder.read("acme.yaml"), &text));
                    }
                    "yaml acme.yaml examples" => {
                        folder.write("acme.yaml", folder.read("acme.yaml") + &text);
                    }
                    "diff" => {
                        let rule = folder.read("acme.yaml");
                        folder.write("acme.yaml", change(&rule, &text));
                        whole = Some(rule);
                    }
                    "console" => {
                        said = run(&folder, &text);
                        if let Some(rule) = whole.take() {
                            assert!(
                                said.contains(": error: "),
                                "no law is broken by this:\n{said}"
                            );
                            folder.write("acme.yaml", rule);
                        }
                    }
                    _ => {}
                }
                page += &format!("```{info}\n{said}```\n");
            }
        }
    }
    page
}

#[test]
fn the_page_says_what_the_code_says() {
    is_written("rules/README.md", &as_it_is());
}

#[test]
fn the_walk_ends_with_a_rule_that_proves_itself() {
    let whole = README.split("The whole rule").nth(1).unwrap();
    let whole = whole.split("```").nth(1).unwrap();
    let (_, rule) = whole.split_once("$ cat acme.yaml\n").unwrap();
    let rule =
        rule::compile("acme.yaml", rule).unwrap_or_else(|found| panic!("{}", found.render(rule)));
    assert!(rule.forgeries() > 200, "{}", rule.forgeries());
    assert_eq!(rule.examples().len(), 2);
    for shown in [
        "has two readings",
        "accepts a forgery of example",
        "forgeries refused",
        " passed, 0 failed",
        "\naccepted\n",
    ] {
        assert!(README.contains(shown), "the walk does not show {shown:?}");
    }
}
