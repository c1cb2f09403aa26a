//! Files change under the running daemon, as editors, git, Kubernetes and hurried people change
//! them. The real loader, the real watch.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use countersign::app::Running;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::counts::Counts;
use crate::support::gateways::{GATEWAYS, SMARTEXPAY_SECRET, genuine, genuine_by};
use crate::support::shop::*;
use crate::support::*;

const GENERATION: &str = "countersign_config_generation";
const SUCCESSFUL: &str = "countersign_config_last_reload_successful";

/// A configuration that sends events to this path.
fn to(stub: &Stub, path: &str) -> String {
    let routes = usual_routes()
        .into_iter()
        .map(|route| Wired { forward: format!("{{ as: canonical, to: {path} }}"), ..route });
    config(&format!("http://{}", stub.address), &routes.collect::<Vec<_>>())
}

async fn opened() -> (Stub, Folder, Running) {
    let stub = Stub::start(&[OK]).await;
    let folder = folder(&to(&stub, "/a"));
    let running = open(&folder).await;
    (stub, folder, running)
}

async fn status(running: &Running, gateway: &str) -> u16 {
    let bytes = genuine(gateway, 1).once(&format!("/{gateway}/"));
    tell(running.addresses[0], bytes).await.unwrap().status
}

/// Where an event ends up now. Every gateway's callback is accepted, whatever is going on.
async fn lands(stub: &Stub, running: &Running) -> String {
    stub.take();
    for gateway in GATEWAYS {
        assert_eq!(status(running, gateway).await, 200, "{gateway}");
    }
    let got = stub.take();
    assert_eq!(got.len(), 4);
    got[3].line.split(' ').nth(1).unwrap().to_owned()
}

async fn eventually_lands(stub: &Stub, running: &Running, path: &str) {
    eventually(&format!("events go to {path}"), async || lands(stub, running).await == path).await;
}

fn value(running: &Running, series: &str) -> i64 {
    Counts::of(running).whole(series)
}

async fn eventually_value(running: &Running, series: &str, wanted: i64) {
    eventually(&format!("{series} {wanted}"), async || value(running, series) == wanted).await;
}

#[tokio::test]
async fn what_an_editor_saves_takes_effect() {
    let (stub, folder, running) = opened().await;
    assert_eq!(lands(&stub, &running).await, "/a");
    folder.replace("countersign.yaml", to(&stub, "/b"));
    eventually_lands(&stub, &running, "/b").await;
    // The second one finds another file under the name than the watch began with.
    folder.replace("countersign.yaml", to(&stub, "/c"));
    eventually_lands(&stub, &running, "/c").await;
    // Written in place, as `echo >` does.
    folder.write("countersign.yaml", to(&stub, "/d"));
    eventually_lands(&stub, &running, "/d").await;
    assert_eq!(value(&running, SUCCESSFUL), 1);
}

#[tokio::test]
async fn what_git_checks_out_takes_effect() {
    let (stub, folder, running) = opened().await;
    for path in ["/b", "/a", "/b"] {
        // git removes a file before it writes the other version of it.
        fs::remove_file(folder.at("countersign.yaml")).unwrap();
        assert_eq!(lands(&stub, &running).await.len(), 2, "served all the while");
        folder.write("countersign.yaml", to(&stub, path));
        eventually_lands(&stub, &running, path).await;
    }
    assert_eq!(value(&running, SUCCESSFUL), 1);
}

/// As the kubelet mounts a volume: files are links into `..data`, and that is a link too.
fn mount(volume: &Path, version: &str, files: &[(&str, String)]) {
    let folder = volume.join(format!("..{version}"));
    fs::create_dir_all(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
        symlink(format!("..data/{name}"), volume.join(name)).ok();
    }
    let before = fs::read_link(volume.join("..data"));
    symlink(format!("..{version}"), volume.join("..data_tmp")).unwrap();
    fs::rename(volume.join("..data_tmp"), volume.join("..data")).unwrap();
    if let Ok(before) = before {
        fs::remove_dir_all(volume.join(before)).unwrap();
    }
}

#[tokio::test]
async fn what_kubernetes_mounts_takes_effect_again_and_again() {
    let stub = Stub::start(&[OK]).await;
    let folder = folder("");
    fs::remove_file(folder.at("countersign.yaml")).unwrap();
    let secrets = folder.at("secrets");
    let config = |path| [("countersign.yaml", to(&stub, path))];
    mount(folder.path(), "2026_1", &config("/a"));
    fs::remove_file(secrets.join("stripe")).unwrap();
    mount(&secrets, "2026_1", &[("stripe", "whsec_of the first mount".to_owned())]);
    let running = open(&folder).await;
    let by = async |secret: &str| {
        let bytes = genuine_by("stripe", secret, 1).once("/stripe/");
        tell(running.addresses[0], bytes).await.unwrap().status
    };
    assert_eq!(by("whsec_of the first mount").await, 200);
    for (version, path) in [("2026_2", "/b"), ("2026_3", "/c")] {
        mount(folder.path(), version, &config(path));
        eventually("the new mount is active", async || {
            stub.take();
            assert_eq!(status(&running, "liqpay").await, 200);
            stub.take()[0].line.contains(path)
        })
        .await;
        let secret = format!("whsec_of {version}");
        mount(&secrets, version, &[("stripe", secret.clone())]);
        eventually("the new secret is active", async || by(&secret).await == 200).await;
        assert_eq!(by("whsec_of the first mount").await, 401);
    }
    assert_eq!(value(&running, SUCCESSFUL), 1);
}

#[tokio::test]
async fn a_file_that_is_being_written_is_not_taken_for_the_whole() {
    let (stub, folder, running) = opened().await;
    let text = to(&stub, "/b");
    let mut file = fs::File::create(folder.at("countersign.yaml")).unwrap();
    // Any cut at the end of a line may be a good configuration, with fewer routes.
    for line in text.split_inclusive('\n') {
        file.write_all(line.as_bytes()).unwrap();
        file.sync_all().unwrap();
        let path = lands(&stub, &running).await;
        assert!(["/a", "/b"].contains(&path.as_str()), "{path}");
    }
    drop(file);
    eventually_lands(&stub, &running, "/b").await;
    assert_eq!(value(&running, SUCCESSFUL), 1);
}

#[tokio::test]
async fn a_file_that_stays_half_written_changes_nothing_until_it_is_whole() {
    let (stub, folder, running) = opened().await;
    let text = to(&stub, "/b");
    folder.write("countersign.yaml", &text[..text.len() - 30]);
    eventually_value(&running, SUCCESSFUL, 0).await;
    assert_eq!(lands(&stub, &running).await, "/a");
    assert_eq!(value(&running, GENERATION), 1);
    folder.write("countersign.yaml", &text);
    eventually_lands(&stub, &running, "/b").await;
    eventually_value(&running, SUCCESSFUL, 1).await;
    assert_eq!(value(&running, GENERATION), 2);
}

#[tokio::test]
async fn a_broken_configuration_keeps_everything_as_it_was() {
    let (stub, folder, running) = opened().await;
    let time = "countersign_config_last_reload_success_timestamp_seconds";
    set_clock(NOW + 10);
    for broken in ["routes: []\n", "%", "", "routes: [{ path: /liqpay/ }]\n"] {
        folder.replace("countersign.yaml", broken);
        running.reload();
        eventually_value(&running, SUCCESSFUL, 0).await;
        assert_eq!(lands(&stub, &running).await, "/a", "{broken:?}");
        assert_eq!((value(&running, GENERATION), value(&running, time)), (1, NOW), "{broken:?}");
    }
    folder.replace("countersign.yaml", to(&stub, "/b"));
    eventually_lands(&stub, &running, "/b").await;
    eventually_value(&running, SUCCESSFUL, 1).await;
    assert_eq!((value(&running, GENERATION), value(&running, time)), (2, NOW + 10));
}

fn shipped(gateway: &str) -> &'static str {
    countersign::rule::shipped().iter().find(|(name, _)| *name == gateway).unwrap().1
}

#[tokio::test]
async fn a_broken_rule_keeps_its_gateway_as_it_was_and_no_other() {
    let stub = Stub::start(&[OK]).await;
    let upstream = format!("http://{}", stub.address);
    let folder = folder(&config_with(&upstream, "rules: [rules]\n", &usual_routes()));
    folder.write("rules/liqpay.yaml", shipped("liqpay"));
    folder.write("rules/stripe.yaml", shipped("stripe"));
    let running = open(&folder).await;
    let reply = async |gateway: &str| {
        let bytes = genuine(gateway, 1).once(&format!("/{gateway}/"));
        let told = tell(running.addresses[0], bytes).await.unwrap();
        assert_eq!(told.status, 200, "{gateway}");
        told.body
    };
    let worded = |gateway, words: &str| {
        let plain = "accepted: { status: 200 }";
        assert_eq!(shipped(gateway).matches(plain).count(), 1);
        let own = format!("accepted: {{ status: 200, content_type: text/plain, body: {words} }}");
        shipped(gateway).replace(plain, &own)
    };
    // Compiles, and does not prove itself: the examples of the shipped rule are signed otherwise.
    let broken = worded("stripe", "broken").replacen("algorithm: sha256", "algorithm: sha512", 1);
    folder.replace("rules/stripe.yaml", broken);
    folder.replace("rules/liqpay.yaml", worded("liqpay", "changed"));
    eventually("LiqPay's new rule is active", async || reply("liqpay").await == "changed").await;
    assert_eq!(reply("stripe").await, "", "the rule of before");
    eventually_value(&running, SUCCESSFUL, 0).await;
    folder.replace("rules/stripe.yaml", worded("stripe", "mended"));
    eventually("Stripe's rule is mended", async || reply("stripe").await == "mended").await;
    eventually_value(&running, SUCCESSFUL, 1).await;
    assert_eq!(reply("liqpay").await, "changed");
}

#[tokio::test]
async fn a_rotated_secret_replaces_the_old_one() {
    let (_stub, folder, running) = opened().await;
    let by = async |secret: &str| {
        let bytes = genuine_by("smartexpay", secret, 1).once("/smartexpay/");
        tell(running.addresses[0], bytes).await.unwrap().status
    };
    let old = SMARTEXPAY_SECRET;
    assert_eq!((by(old).await, by("the next one").await), (200, 401));
    folder.replace("secrets/smartexpay", "the next one\n");
    eventually("the new secret counts", async || by("the next one").await == 200).await;
    assert_eq!(by(old).await, 401, "the old one does not");
    assert_eq!(value(&running, SUCCESSFUL), 1);
}

#[tokio::test]
async fn a_missing_secret_takes_its_own_route_out_and_no_other_until_it_is_back() {
    let (_stub, folder, running) = opened().await;
    let ready =
        |gateway| value(&running, &format!("countersign_route_ready{{route=\"{gateway}\"}}"));
    let text = folder.read("secrets/stripe");
    for gone in [None, Some(""), Some(" \n")] {
        match gone {
            None => fs::remove_file(folder.at("secrets/stripe")).unwrap(),
            Some(empty) => folder.replace("secrets/stripe", empty),
        }
        eventually("the route is out", async || status(&running, "stripe").await == 503).await;
        let nobodys = genuine_by("stripe", "", 1).once("/stripe/");
        assert_eq!(tell(running.addresses[0], nobodys).await.unwrap().status, 503, "never open");
        assert_eq!(ready("stripe"), 0);
        for gateway in ["liqpay", "paysera", "smartexpay"] {
            assert_eq!((status(&running, gateway).await, ready(gateway)), (200, 1), "{gateway}");
        }
        folder.replace("secrets/stripe", &text);
        eventually("the route is back", async || status(&running, "stripe").await == 200).await;
        assert_eq!(ready("stripe"), 1);
    }
}

#[tokio::test]
async fn a_request_finishes_on_what_it_started_with() {
    let (stub, folder, running) = opened().await;
    let callback = genuine("smartexpay", 1);
    let bytes = callback.once("/smartexpay/");
    let (begin, rest) = bytes.split_at(bytes.len() - 20);
    let mut slow = TcpStream::connect(running.addresses[0]).await.unwrap();
    slow.write_all(begin).await.unwrap();
    eventually_value(&running, "countersign_callbacks_in_flight", 1).await;
    // Another secret, another place for events: of the next request.
    folder.replace("secrets/smartexpay", "the next one");
    folder.replace("countersign.yaml", to(&stub, "/b"));
    eventually("the new configuration is active", async || {
        stub.take();
        assert_eq!(status(&running, "stripe").await, 200);
        stub.take()[0].line.contains("/b")
    })
    .await;
    eventually("the new secret is active", async || status(&running, "smartexpay").await == 401)
        .await;
    slow.write_all(rest).await.unwrap();
    assert_eq!(told(&mut slow).await.unwrap().status, 200);
    let got = stub.take();
    assert_eq!(got.len(), 1);
    assert_eq!(got[0].line, "POST /a HTTP/1.1");
}
