//! An operator: with a token over HTTP, or with the command line; each answer is held against the
//! description of the API.

use std::net::SocketAddr;
use std::process::{Command, Stdio};
use std::sync::Arc;

use countersign::admin::{OPENAPI, api};
use countersign::app::Running;
use countersign::store::Store;
use serde_json::{Value, json};

use super::free_address;
use super::shop::{self, Folder, Wired, config_with};
use super::wire::Callback;
use super::*;

/// What opens the API.
pub(crate) const TOKEN: &str = "canary-operators-token-51f0aa93";

/// A shop whose daemon keeps things, and who asks it.
pub(crate) struct Office {
    pub(crate) folder: Folder,
    pub(crate) stub: Stub,
    /// `None`: it does not run.
    pub(crate) running: Option<Running>,
    pub(crate) admin: SocketAddr,
}

/// `countersign.yaml` with a store and a token.
pub(crate) fn config(upstream: SocketAddr, admin: SocketAddr, routes: &[Wired]) -> String {
    let top = "store: { path: state, keys: \"file:secrets/seal\" }\n";
    config_with(&format!("http://{upstream}"), top, routes).replace(
        "admin: { address: \"127.0.0.1:0\" }",
        &format!("admin: {{ address: \"{admin}\", token: \"file:secrets/token\" }}"),
    )
}

impl Office {
    /// The files; nothing runs.
    pub(crate) async fn closed(routes: &[Wired]) -> Self {
        let (stub, admin) = (Stub::start(&[OK]).await, free_address());
        let folder = shop::folder(&config(stub.address, admin, routes));
        folder.write("secrets/token", format!("{TOKEN}\n"));
        folder.write("secrets/seal", "Y2FuYXJ5LXNlYWwta2V5LTAxMjM0NTY3ODkwMTIzNDU=");
        Self { folder, stub, running: None, admin }
    }

    /// The same, and the daemon runs.
    pub(crate) async fn open(routes: &[Wired]) -> Self {
        let mut office = Self::closed(routes).await;
        office.start().await;
        office
    }

    pub(crate) async fn start(&mut self) {
        self.running = Some(shop::open(&self.folder).await);
    }

    /// Nobody has the files any more.
    pub(crate) async fn stop(&mut self) {
        let running = self.running.take().unwrap();
        let (outbox, captures) = (running.outbox.clone(), running.captures.clone());
        assert!(running.drain().await);
        let (outbox, captures) = (outbox.unwrap(), captures.unwrap());
        eventually("the files are closed", async || {
            Arc::strong_count(&outbox) == 1 && Arc::strong_count(&captures) == 1
        })
        .await;
    }

    pub(crate) fn running(&self) -> &Running {
        self.running.as_ref().unwrap()
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &**self.running().outbox.as_ref().unwrap().store()
    }

    /// A gateway calls.
    pub(crate) async fn call(&self, route: &str, callback: &Callback) -> u16 {
        let bytes = callback.once(&format!("/{route}/"));
        tell(self.running().addresses[0], bytes).await.unwrap().status
    }

    /// So many captures have been written.
    pub(crate) async fn captured(&self, count: u64) {
        let captures = self.running().captures.as_ref().unwrap();
        eventually("they are kept", async || captures.totals().count == count).await;
    }

    pub(crate) async fn get(&self, target: &str) -> (u16, Value) {
        self.ask("GET", target, &Value::Null).await
    }

    pub(crate) async fn post(&self, target: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", target, body).await
    }

    /// What is well answered.
    pub(crate) async fn well(&self, method: &str, target: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, target, body).await;
        assert_eq!(status, 200, "{method} {target}: {answer}");
        answer
    }

    async fn ask(&self, method: &str, target: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let told = tell(self.admin, asking(method, target, &body)).await.unwrap();
        assert!(told.has("cache-control: no-store"), "{told:?}");
        assert!(told.has("content-type: application/json"), "{told:?}");
        let answer = serde_json::from_str(&told.body).unwrap();
        hold(method, target, told.status, &answer);
        (told.status, answer)
    }

    /// `countersign` with these arguments: exit code, standard output, standard error.
    pub(crate) async fn cli(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command.args(args).current_dir(self.folder.path()).stdin(Stdio::null());
        let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    /// The same where it must go well: standard output, line by line as JSON.
    pub(crate) async fn cli_json(&self, args: &[&str]) -> Vec<Value> {
        let (code, out, err) = self.cli(&[args, &["--json"]].concat()).await;
        assert_eq!(code, 0, "{args:?}: {err}");
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// With the token, at a plain address.
pub(crate) fn asking(method: &str, target: &str, body: &str) -> String {
    let headers = format!("Host: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n");
    asking_with(method, target, &headers, body)
}

pub(crate) fn asking_with(method: &str, target: &str, headers: &str, body: &str) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\n{headers}Connection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// Method and path of each operation under `/v1/` that the file has; a `#` stands for a number.
pub(crate) fn described() -> Vec<(String, String)> {
    let file: Value = serde_json::from_str(OPENAPI).unwrap();
    let paths = file["paths"].as_object().unwrap();
    let mut all: Vec<_> = paths
        .iter()
        .filter(|(path, _)| path.starts_with("/v1/"))
        .flat_map(|(path, item)| {
            let path = path.split('{').next().unwrap();
            let path = if item.to_string().contains("\"in\":\"path\"") {
                format!("{path}#")
            } else {
                path.to_owned()
            };
            item.as_object().unwrap().keys().map(move |key| (key.to_uppercase(), path.clone()))
        })
        .collect();
    all.sort();
    all
}

/// Fails unless the file says that this may be answered to that.
#[track_caller]
pub(crate) fn hold(method: &str, target: &str, status: u16, answer: &Value) {
    let file: Value = serde_json::from_str(OPENAPI).unwrap();
    let path = target.split('?').next().unwrap();
    let fits = |template: &str| match template.split_once('{') {
        None => template == path,
        Some((before, _)) => path
            .strip_prefix(before)
            .is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())),
    };
    let paths = file["paths"].as_object().unwrap();
    let item = paths.iter().find(|(template, _)| fits(template)).map(|(_, item)| item);
    let mut response = match item.and_then(|item| item.get(method.to_lowercase())) {
        Some(operation) => operation["responses"][status.to_string()].clone(),
        // What is not there is refused, also in words.
        None => json!({ "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Error" } } } }),
    };
    if let Some(name) = response["$ref"].as_str() {
        response = file.pointer(name.trim_start_matches('#')).unwrap().clone();
    }
    let mut schema = response["content"]["application/json"]["schema"].clone();
    assert!(schema.is_object(), "{method} {target}: {status} is not described: {answer}");
    schema["components"] = file["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let errors: Vec<_> = validator.iter_errors(answer).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{method} {target}: {status} {answer}: {errors:?}");
}

/// Method and path of each verb that the daemon has.
pub(crate) fn served() -> Vec<(String, String)> {
    let mut all: Vec<_> =
        api::verbs().map(|(method, path)| (method.to_owned(), path.to_owned())).collect();
    all.sort();
    all
}
