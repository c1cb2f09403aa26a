//! Architecture is a test: layers, purity, the length of files, the line that says what a file is.

use std::fs;
use std::path::{Path, PathBuf};

/// Bottom first. A module may use itself and those before it.
const LAYERS: [&str; 14] = [
    "engine", "text", "rule", "config", "metrics", "live", "exchange", "store", "upstream",
    "deliver", "server", "admin", "app", "cli",
];

/// Must decide by their arguments alone.
const PURE: [&str; 4] = ["engine", "text", "rule", "config"];

const IMPURE_WORDS: [&str; 14] = [
    "tokio",
    "hyper",
    "async fn",
    "std::fs",
    "std::env",
    "std::io",
    "std::net::Tcp",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    "tracing",
    "println!",
    "notify",
];

/// A word that one place only may name, and that place.
const ONLY_THERE: [(&str, &[&str]); 7] = [
    ("prometheus::", &["src/metrics"]),
    ("serde_yaml", &["src/text/node.rs"]),
    ("std::env", &["src/live", "src/app", "src/cli"]),
    ("std::fs", &["src/live", "src/cli", "src/store"]),
    ("rusqlite", &["src/store"]),
    ("SystemTime", &["src/app"]),
    ("arc_swap", &["src/live", "src/server"]),
];

/// What a layer must not name although it stands above it.
const NOT_THERE: [(&str, &str); 9] = [
    ("live", "hyper"),
    ("exchange", "crate::rule"),
    ("upstream", "crate::rule"),
    ("deliver", "crate::rule"),
    ("server", "crate::admin"),
    ("admin", "Secret"),
    ("server", "crate::rule"),
    ("store", "crate::rule"),
    ("store", "hyper"),
];

/// Lines of a file, its tests not counted.
const LINES_MAX: usize = 400;

struct Source {
    path: PathBuf,
    name: String,
    layer: String,
    /// Without tests.
    code: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let mut paths = Vec::new();
    walk(&root().join("src"), &mut paths);
    assert!(paths.len() > 50, "the sources are not where they are looked for");
    let source = |path: PathBuf| {
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        let layer = name.trim_start_matches("src/").split(['/', '.']).next().unwrap().to_owned();
        let is_test = name.ends_with("tests.rs") || name.contains("/tests/");
        let code = text.split("\n#[cfg(test)]").next().unwrap().to_owned();
        Source { path, name, layer, code: if is_test { String::new() } else { code } }
    };
    paths.into_iter().map(source).collect()
}

/// Lines of code; a comment may name what it likes.
fn lines(code: &str) -> impl Iterator<Item = &str> {
    code.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn a_module_uses_only_those_below_it() {
    let rank = |layer: &str| LAYERS.iter().position(|known| *known == layer);
    for source in sources() {
        let Some(own) = rank(&source.layer) else {
            assert!(["lib", "main"].contains(&source.layer.as_str()), "{}: no layer", source.name);
            continue;
        };
        for line in lines(&source.code) {
            for (_, rest) in line.match_indices("crate::").map(|(at, _)| line.split_at(at + 7)) {
                let used = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap();
                if let Some(used) = rank(used) {
                    assert!(used <= own, "{} reaches up: {}", source.name, line.trim());
                }
            }
        }
    }
}

#[test]
fn engine_text_rule_and_config_decide_by_their_arguments_alone() {
    for source in sources() {
        if PURE.contains(&source.layer.as_str()) {
            for line in lines(&source.code) {
                for word in IMPURE_WORDS {
                    assert!(!line.contains(word), "{}: {word} in: {}", source.name, line.trim());
                }
            }
        }
    }
}

#[test]
fn what_belongs_to_one_place_is_named_in_no_other() {
    for source in sources() {
        for (word, places) in ONLY_THERE {
            let allowed = places.iter().any(|place| source.name.starts_with(place));
            let found = lines(&source.code).find(|line| line.contains(word));
            assert!(allowed || found.is_none(), "{}: {word} in: {found:?}", source.name);
        }
        for (layer, word) in NOT_THERE {
            let found =
                lines(&source.code).find(|line| source.layer == layer && line.contains(word));
            assert!(found.is_none(), "{}: {word} in: {found:?}", source.name);
        }
    }
}

#[test]
fn only_proof_checking_makes_a_verified() {
    for source in sources() {
        if source.name != "src/engine/proof.rs" {
            assert!(!source.code.contains("Verified {"), "{}", source.name);
        }
    }
}

#[test]
fn no_float_and_no_lossy_text_comes_near_money_or_signatures() {
    for source in sources() {
        for line in lines(&source.code) {
            assert!(!line.contains("from_utf8_lossy"), "{}: {}", source.name, line.trim());
            if PURE.contains(&source.layer.as_str()) {
                let words: Vec<&str> =
                    line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').collect();
                let floats = words.iter().any(|word| matches!(*word, "f32" | "f64"));
                // The YAML reader must say what it does with one: refuse to touch it.
                let excused = source.name == "src/text/node.rs";
                assert!(!floats || excused, "{}: {}", source.name, line.trim());
            }
        }
    }
}

#[test]
fn a_file_says_what_it_is_and_fits_the_head() {
    for source in sources() {
        let text = fs::read_to_string(&source.path).unwrap();
        assert!(text.starts_with("//! "), "{}: begins without `//!`", source.name);
        let count = source.code.lines().count();
        assert!(count <= LINES_MAX, "{}: {count} lines", source.name);
    }
}

#[test]
fn the_readme_lists_the_shipped_rules_and_no_others() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let listed: Vec<&str> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` |"))
        .map(|(gateway, _)| gateway)
        .filter(|gateway| root().join(format!("rules/{gateway}.yaml")).exists())
        .collect();
    let shipped: Vec<&str> =
        countersign::rule::shipped().iter().map(|(gateway, _)| *gateway).collect();
    assert_eq!(listed, shipped, "the table of gateways in README.md");
    let mut on_disk: Vec<String> = fs::read_dir(root().join("rules"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    on_disk.sort();
    assert_eq!(on_disk, shipped, "rules/ and the shipped rules");
}

#[test]
fn the_map_in_lib_rs_names_every_layer_in_order() {
    let map = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let named: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split_once('`'))
        .map(|(layer, _)| layer)
        .collect();
    assert_eq!(named, LAYERS);
}
