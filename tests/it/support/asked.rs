//! The gateways as those who are asked: one nginx with TLS that gives the canned answers of the
//! vectors' `exchanges`, and writes down what it was asked.
//!
//! nginx knows the body of a request only where it hands it on. So the server with TLS hands every
//! question on to a second one, with the number of the answer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::free_address;
use super::nginx::Nginx;
use super::shop::Folder;

/// For whatever clock looks at a certificate: that of a vector, or that of the machine.
const DATES: [&str; 4] = ["-startdate", "20200101000000Z", "-enddate", "20400101000000Z"];

/// Who vouches for the hosts.
const AUTHORITY: &str = "\
[req]
distinguished_name = name
[name]
[ca]
default_ca = test
[test]
database = index
serial = serial
new_certs_dir = .
default_md = sha256
policy = policy
[policy]
commonName = supplied
[root]
basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign
[host]
basicConstraints = critical, CA:false
extendedKeyUsage = serverAuth
";

pub(crate) struct Asked {
    /// Of all hosts.
    pub(crate) address: SocketAddr,
    hosts: BTreeSet<String>,
    /// Certificates and answers.
    folder: Folder,
    nginx: Nginx,
}

/// A question. An exchange that names no such header was sent none.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq)]
pub(crate) struct Question {
    method: String,
    url: String,
    authorization: String,
    media_type: String,
    body: String,
}

impl Question {
    /// Of the `request` of an exchange.
    pub(crate) fn of(request: &Value) -> Self {
        let mut question = Self {
            method: text(&request["method"]),
            url: url(request),
            authorization: String::new(),
            media_type: String::new(),
            body: String::from_utf8(decoded(&request["body_base64"])).unwrap(),
        };
        for header in request["headers"].as_array().unwrap() {
            match text(&header[0]).to_ascii_lowercase().as_str() {
                "authorization" => question.authorization = text(&header[1]),
                "content-type" => question.media_type = text(&header[1]),
                other => panic!("an answer that depends on `{other}` is not foreseen here"),
            }
        }
        question
    }

    /// Whether it is the same question: a blank in a form is written in two ways.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let spelt = |question: &Self| {
            let body = question.body.replace('+', "%20");
            Self { body, ..question.clone() }
        };
        spelt(self) == spelt(other)
    }

    /// As nginx has it in the key of its map.
    fn key(&self) -> String {
        let Self { method, url, authorization, media_type, body } = self;
        let key = format!("{method} {url}|{authorization}|{media_type}|{body}");
        key.replace('\\', "\\\\").replace('"', "\\\"")
    }
}

impl Asked {
    /// Knows these exchanges, and answers everything else with 404.
    pub(crate) async fn start(exchanges: &[Value]) -> Self {
        let requests = exchanges.iter().map(|exchange| &exchange["request"]);
        let hosts = requests.clone().map(host).collect();
        let folder = certificates(&hosts);
        let (mut numbers, mut answers) = (String::new(), String::new());
        for (n, request) in requests.enumerate() {
            let question = Question::of(request);
            writeln!(numbers, "\"{}\" {n};", question.key()).unwrap();
            // A blank in a form is written in two ways.
            let other = Question { body: question.body.replace('+', "%20"), ..question.clone() };
            if other != question {
                writeln!(numbers, "\"{}\" {n};", other.key()).unwrap();
            }
            answers += &answer(&folder, n, &exchanges[n]["response"]);
        }
        let address = free_address();
        let at = |name| folder.at(name).display().to_string();
        let servers = format!(
            "log_format question escape=json '{{\"method\":\"$request_method\",\
             \"url\":\"https://$host$request_uri\",\"authorization\":\"$http_authorization\",\
             \"media_type\":\"$http_content_type\",\"body\":\"$request_body\"}}';\n\
             map_hash_bucket_size 32768;\n\
             map \"$request_method https://$host$request_uri|$http_authorization|\
             $http_content_type|$request_body\" $number {{ default none;\n{numbers}}}\n\
             upstream answers {{ server unix:app.sock; }}\n\
             server {{ listen unix:app.sock;\n{answers}location = /none {{ return 404; }}\n\
             location / {{ rewrite ^ /$http_x_number last; }} }}\n\
             server {{ listen {address} ssl; ssl_certificate {chain}; ssl_certificate_key {key};\n\
             client_body_in_single_buffer on; access_log calls.log question;\n\
             location / {{ proxy_pass http://answers; proxy_method GET; \
             proxy_pass_request_body off; proxy_set_header Content-Length \"\"; \
             proxy_set_header X-Number $number; }} }}\n",
            chain = at("host.pem"),
            key = at("host.key"),
        );
        let nginx = Nginx::start(address, &servers).await;
        Self { address, hosts, folder, nginx }
    }

    /// Who vouches for it.
    pub(crate) fn roots(&self) -> PathBuf {
        self.folder.at("root.pem")
    }

    /// `exchanges` of `countersign.yaml`.
    pub(crate) fn config(&self) -> Value {
        let address = |host: &String| (host.clone(), json!(self.address.to_string()));
        let addresses: serde_json::Map<_, _> = self.hosts.iter().map(address).collect();
        json!({ "addresses": addresses, "roots": format!("file:{}", self.roots().display()) })
    }

    /// What it was asked so far. It writes a line when it has answered.
    pub(crate) fn questions(&self) -> Vec<Question> {
        let text = self.nginx.folder.read("calls.log");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// A place in the second server that gives this answer.
fn answer(folder: &Folder, n: usize, response: &Value) -> String {
    if response["status"] != 200 {
        // No answer is one that is no HTTP: the connection ends.
        let status = response["status"].as_u64().unwrap_or(444);
        return format!("location = /{n} {{ return {status}; }}\n");
    }
    let headers = response["headers"].as_array().unwrap();
    let mut media_types = headers.iter().filter(|header| header[0] == "Content-Type");
    let media_type = media_types.next().map_or(String::new(), |header| text(&header[1]));
    folder.write(&format!("answers/{n}"), decoded(&response["body_base64"]));
    let root = folder.at("answers");
    format!("location = /{n} {{ root {}; default_type \"{media_type}\"; }}\n", root.display())
}

/// A root, and one certificate for all hosts.
fn certificates(hosts: &BTreeSet<String>) -> Folder {
    let folder = Folder::new();
    let names: Vec<_> = hosts.iter().map(|host| format!("DNS:{host}")).collect();
    let names = format!("subjectAltName = {}\n", names.join(", "));
    folder.write("authority.conf", format!("{AUTHORITY}{names}"));
    folder.write("serial", "01");
    folder.write("index", "");
    let request = |name: &str| {
        let curve = "ec_paramgen_curve:prime256v1";
        let (key, out, subject) =
            (format!("{name}.key"), format!("{name}.csr"), format!("/CN=countersign test {name}"));
        openssl(
            &folder,
            &["req", "-new", "-newkey", "ec", "-pkeyopt", curve, "-nodes", "-subj", &subject],
            &["-keyout", &key, "-out", &out],
        );
    };
    let ca = ["ca", "-batch", "-notext", "-keyfile", "root.key"];
    request("root");
    let root = ["-selfsign", "-extensions", "root", "-in", "root.csr", "-out", "root.pem"];
    openssl(&folder, &ca, &[&root[..], &DATES].concat());
    request("host");
    let host = ["-cert", "root.pem", "-extensions", "host", "-in", "host.csr", "-out", "host.pem"];
    openssl(&folder, &ca, &[&host[..], &DATES].concat());
    folder
}

fn openssl(folder: &Folder, what: &[&str], how: &[&str]) {
    let output = Command::new("openssl")
        .args(what)
        .args(["-config", "authority.conf"])
        .args(how)
        .current_dir(folder.path())
        .output()
        .unwrap_or_else(|error| panic!("openssl: {error}; apt-get install openssl"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Scheme and host in lower case, as they are compared.
fn url(request: &Value) -> String {
    let url = text(&request["url"]);
    let rest = url.get(8..).filter(|_| url[..8].eq_ignore_ascii_case("https://")).unwrap();
    let (host, path) = rest.split_at(rest.find('/').unwrap());
    format!("https://{}{path}", host.to_ascii_lowercase())
}

fn host(request: &Value) -> String {
    url(request).split('/').nth(2).unwrap().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(text(value)).unwrap()
}
