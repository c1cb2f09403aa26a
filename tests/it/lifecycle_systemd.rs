//! The unit and the socket in `examples/systemd`, as far as that can be seen without systemd.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Section and key → values, in order.
type Unit = BTreeMap<(String, String), Vec<String>>;

fn at(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/systemd").join(name)
}

fn unit(name: &str) -> Unit {
    let text = std::fs::read_to_string(at(name)).unwrap();
    let (mut unit, mut section) = (Unit::new(), String::new());
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            name.strip_suffix(']').unwrap().clone_into(&mut section);
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{name}: {line}"));
            let key = (section.clone(), key.to_owned());
            unit.entry(key).or_default().push(value.to_owned());
        }
    }
    unit
}

#[track_caller]
fn says(unit: &Unit, section: &str, key: &str, value: &str) {
    let values = unit.get(&(section.to_owned(), key.to_owned()));
    assert!(values.is_some_and(|values| values.iter().any(|it| it == value)), "{key}={value}");
}

#[test]
fn the_unit_drains_reloads_and_is_confined() {
    let service = unit("countersign.service");
    for (key, value) in [
        ("Type", "notify-reload"),
        ("NotifyAccess", "all"),
        ("KillMode", "mixed"),
        ("Restart", "on-failure"),
        ("StateDirectory", "countersign"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("CapabilityBoundingSet", ""),
    ] {
        says(&service, "Service", key, value);
    }
    says(&service, "Unit", "Requires", "countersign.socket");
    let command = &service[&("Service".into(), "ExecStart".into())][0];
    let mut words = command.split(' ');
    assert_eq!(words.next(), Some("/usr/bin/countersign"));
    let help = Command::new(env!("CARGO_BIN_EXE_countersign")).args(words).arg("--help").output();
    assert!(help.unwrap().status.success(), "{command}");
}

#[test]
fn the_socket_is_one_that_the_daemon_accepts_on() {
    let socket = unit("countersign.socket");
    says(&socket, "Socket", "Accept", "no");
    for address in &socket[&("Socket".into(), "ListenStream".into())] {
        address.parse::<std::net::SocketAddr>().unwrap();
    }
}

/// Where systemd is there to be asked; one older than the unit does not know its type.
#[test]
fn systemd_understands_the_units() {
    let Ok(version) = Command::new("systemd-analyze").arg("--version").output() else {
        eprintln!("systemd-analyze is not there");
        return;
    };
    let version = String::from_utf8(version.stdout).unwrap();
    let version: u32 = version.split(' ').nth(1).unwrap().parse().unwrap();
    let folder = crate::support::shop::Folder::new();
    let binary = env!("CARGO_BIN_EXE_countersign");
    for name in ["countersign.socket", "countersign.service"] {
        let text = std::fs::read_to_string(at(name)).unwrap();
        let text = text.replace("/usr/bin/countersign", binary);
        let old = version < 253;
        folder.write(name, if old { text.replace("notify-reload", "notify") } else { text });
    }
    let verified = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--recursive-errors=no"])
        .arg(folder.at("countersign.socket"))
        .arg(folder.at("countersign.service"))
        .output()
        .unwrap();
    let said = String::from_utf8(verified.stderr).unwrap();
    let ours: Vec<_> = said.lines().filter(|line| line.contains("countersign.")).collect();
    assert!(verified.status.success() && ours.is_empty(), "{said}");
}
