//! `countersign new` through the real binary.

use std::path::Path;
use std::process::{Command, Output};

use crate::support::shop::Folder;

const CAPTURE: &str = "POST /acme HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\n\
    shop=mine&order=17&sum=12.50&state=paid&pan=4111111111111111&sign=75fa757507db951644df85e80d41e96b0387b1d7401414b6921ccf614efcd956";

fn countersign(folder: &Folder, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(args)
        .current_dir(folder.path())
        .output()
        .unwrap()
}

/// Exit code, standard output, standard error.
fn said(output: &Output) -> (i32, &str, &str) {
    let text = |bytes| std::str::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn a_rule_is_started_from_a_capture_and_check_says_what_is_left() {
    let folder = Folder::new();
    folder.write("capture.http", CAPTURE);
    let output =
        countersign(&folder, &["new", "acme", "--from", "capture.http", "--to", "acme.yaml"]);
    let (code, out, err) = said(&output);
    assert_eq!((code, err), (0, ""));
    assert!(out.ends_with("  countersign check acme.yaml\n"), "{out}");
    let written = folder.read("acme.yaml");
    assert!(!written.contains("4111111111111111"), "a card number in:\n{written}");

    let output = countersign(&folder, &["new", "acme", "--from", "capture.http"]);
    let (code, out, _) = said(&output);
    assert_eq!((code, out), (0, written.as_str()), "what is printed is what is written");

    let output = countersign(&folder, &["check", "acme.yaml"]);
    let (code, out, err) = said(&output);
    assert_eq!((code, out), (2, ""));
    for wanted in [
        "the boundary between `field.shop` and `field.order` can move",
        "acme.yaml:5: still to be decided: the gateway's name for people\n",
        "still to be decided: what is signed, in which order, and what stands between?\n",
        "still to be decided: every fact that it must say\n",
    ] {
        assert!(err.contains(wanted), "expected {wanted:?} in:\n{err}");
    }
}

#[test]
fn a_rule_that_proves_itself_and_still_has_a_todo_is_not_done() {
    let folder = Folder::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("rules/smartexpay.yaml");
    let text = std::fs::read_to_string(shipped).unwrap();
    folder.write("smartexpay.yaml", text.replacen("\n\n", "\n# TODO: ask them\n\n", 1));
    let output = countersign(&folder, &["check", "smartexpay.yaml"]);
    let (code, out, err) = said(&output);
    assert_eq!(code, 2);
    assert!(out.contains("forgeries refused"), "{out}");
    assert!(err.ends_with("still to be decided: ask them\n"), "{err}");
}

#[test]
fn a_file_that_exists_stays_as_it_is() {
    let folder = Folder::new();
    folder.write("capture.http", CAPTURE);
    folder.write("acme.yaml", "mine");
    let to = ["new", "acme", "--from", "capture.http", "--to", "acme.yaml"];
    let output = countersign(&folder, &to);
    let (code, out, err) = said(&output);
    assert_eq!((code, out), (2, ""));
    assert_eq!(err, "error: acme.yaml exists and stays as it is: give another name\n");
    assert_eq!(folder.read("acme.yaml"), "mine");
}

#[test]
fn what_is_no_name_or_no_request_is_refused() {
    let folder = Folder::new();
    folder.write("capture.http", CAPTURE);
    folder.write("broken.http", "hello");
    folder.write("patch.http", "PATCH / HTTP/1.1\n\n");
    for (args, wanted) in [
        (["new", "Acme", "--from", "capture.http"], "`Acme`: a rule's name is lower-case letters"),
        (["new", "../x", "--from", "capture.http"], "`../x`: a rule's name is lower-case letters"),
        (["new", "acme", "--from", "nowhere.http"], "cannot read nowhere.http"),
        (["new", "acme", "--from", "broken.http"], "cannot read the request"),
        (["new", "acme", "--from", "patch.http"], "a rule reads GET, POST and PUT, not `PATCH`"),
    ] {
        let output = countersign(&folder, &args);
        let (code, out, err) = said(&output);
        assert_eq!((code, out), (2, ""), "{args:?}");
        assert!(err.contains(wanted), "expected {wanted:?} in:\n{err}");
    }
}
