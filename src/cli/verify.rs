//! `countersign verify`: judge one request from a file.

use std::io::Write;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::app::wall_clock;
use crate::cli::message::{self, Message};
use crate::cli::{Exit, complain, given};
use crate::engine::Bound;
use crate::engine::inbound::{Inbound, UnixSeconds};
use crate::engine::pem;
use crate::engine::reason::{Reason, Reject};
use crate::engine::verdict::{Accepted, Reply, Verdict};
use crate::server::refusal;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign verify stripe --request capture.http --param signing_secrets=file:secret --at 1760000000
  countersign verify rules/acme.yaml --request - --param secret=env:ACME < capture.http
  countersign verify paysera --request cb.http --param project_id=123 --param mode=rsa \\
      --param public_keys=@public.key
  countersign send stripe --print --to http://localhost/ | countersign verify stripe --request - \\
      --param signing_secrets=whsec_…

The request is raw HTTP/1.1: request line, headers, an empty line, the body.
Exit status: 0 accepted, 1 rejected, 2 a problem with the rule, the parameters or the file.")]
pub(super) struct Args {
    /// A shipped gateway, or the file of a rule.
    #[arg(value_name = "GATEWAY|RULE.yaml")]
    rule: String,
    /// The request; `-`: from standard input.
    #[arg(long, value_name = "FILE")]
    request: PathBuf,
    /// A parameter of the rule. Again for a list; `k=@FILE` reads a file, `k=env:NAME` the
    /// environment.
    #[arg(long = "param", value_name = "K=V")]
    params: Vec<String>,
    /// The time to assume, Unix seconds. Default: now.
    #[arg(long, value_name = "UNIX")]
    at: Option<UnixSeconds>,
    /// The peer to assume.
    #[arg(long, value_name = "IP")]
    remote_addr: Option<IpAddr>,
    /// The certificate that the sender is assumed to have shown when it connected, in PEM, perhaps
    /// with those between it and its root.
    #[arg(long, value_name = "FILE")]
    client_certificate: Option<PathBuf>,
    /// One JSON object.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(rule) = given::rule(&args.rule)? else { return Ok(Exit::Problem) };
    let bound = match rule.bind(&given::params(&args.params)?) {
        Ok(bound) => bound,
        Err(errors) => {
            for error in errors {
                complain(&format!("error: {error}"));
            }
            complain(&if given::is_path(&args.rule) {
                format!("see `params` in {}", args.rule)
            } else {
                format!("see `countersign rules {}` for its parameters", rule.gateway())
            });
            return Ok(Exit::Problem);
        }
    };
    let message =
        message::parse(&message::read(&args.request)?).context("cannot read the request")?;
    let now = args.at.unwrap_or_else(wall_clock);
    let certificates = args.client_certificate.as_deref().map_or(Ok(Vec::new()), certificates)?;
    let remote_addr = args.remote_addr;
    let judge = Judge { bound: &bound, message: &message, now, remote_addr, certificates };
    let verdict = judge.with(&message.body);
    if args.json {
        writeln!(out, "{}", as_json(&verdict, &judge)?)?;
    } else {
        print(&verdict, &judge, out)?;
    }
    Ok(match verdict {
        Verdict::Accepted(_) => Exit::Fine,
        Verdict::Ask(_) | Verdict::Rejected(_) => Exit::No,
    })
}

fn certificates(path: &Path) -> Result<Vec<Vec<u8>>> {
    let text = given::read_text(path)?;
    let blocks = pem::blocks(text.as_bytes());
    let blocks =
        blocks.with_context(|| format!("{} holds no certificate in PEM", path.display()))?;
    Ok(blocks.into_iter().map(|block| block.der).collect())
}

struct Judge<'j> {
    bound: &'j Bound,
    message: &'j Message,
    now: UnixSeconds,
    remote_addr: Option<IpAddr>,
    certificates: Vec<Vec<u8>>,
}

impl Judge<'_> {
    fn with(&self, body: &[u8]) -> Verdict {
        let headers: Vec<(&str, &[u8])> =
            self.message.headers.iter().map(|(name, value)| (name.as_str(), &value[..])).collect();
        let certificates: Vec<&[u8]> = self.certificates.iter().map(Vec::as_slice).collect();
        let inbound = Inbound {
            method: &self.message.method,
            target: &self.message.target,
            headers: &headers,
            body,
            remote_addr: self.remote_addr,
            client_certificates: &certificates,
        };
        self.bound.judge(&inbound, self.now, &[])
    }

    /// What captures often suffer on their way, and whether the request is genuine without it.
    fn diagnosis(&self) -> Option<&'static str> {
        let body = &self.message.body;
        let without = |end: &[u8]| body.strip_suffix(end).map(<[u8]>::to_vec);
        let text = String::from_utf8(body.clone()).ok();
        let tries = [
            (without(b"\r\n"), "the file has a line break (CR LF) after the body"),
            (without(b"\n"), "the file has a line break (LF) after the body"),
            (
                text.as_ref().map(|text| text.replace("\r\n", "\n").into_bytes()),
                "line breaks in the body were turned from LF into CR LF",
            ),
            (
                text.as_ref().map(|text| text.replace('\n', "\r\n").into_bytes()),
                "line breaks in the body were turned from CR LF into LF",
            ),
        ];
        tries.into_iter().find_map(|(body, what)| {
            matches!(self.with(&body?), Verdict::Accepted(_)).then_some(what)
        })
    }
}

fn print(verdict: &Verdict, judge: &Judge<'_>, out: &mut dyn Write) -> Result<()> {
    match verdict {
        Verdict::Ask(exchange) => {
            let (name, method, host) = (&exchange.name, exchange.method, exchange.host());
            writeln!(out, "undecided: the gateway must be asked ({name}: {method} {host})")?;
            writeln!(out, "nothing that can be checked here speaks against the request")?;
        }
        Verdict::Rejected(Reject { reason, at }) => {
            writeln!(out, "rejected: {} (at {at})", reason.as_str())?;
            if let (Reason::SignatureMismatch, Some(what)) = (*reason, judge.diagnosis()) {
                writeln!(out, "hint: {what}; without that the signature is right")?;
            }
            print_reply(&refusal(*reason, judge.bound.replies()), out)?;
        }
        Verdict::Accepted(Accepted { events, reply, relayed: _ }) => {
            writeln!(out, "accepted")?;
            for event in events {
                let json: Value = serde_json::from_slice(&event.to_canonical_json(judge.now))?;
                writeln!(out, "{json:#}")?;
            }
            print_reply(reply, out)?;
        }
    }
    Ok(())
}

fn print_reply(reply: &Reply, out: &mut dyn Write) -> Result<()> {
    let Reply { status, content_type, body } = reply;
    let content_type = content_type.as_deref().unwrap_or("no content type");
    writeln!(out, "reply: {status} ({content_type}) `{}`", body.escape_ascii())?;
    Ok(())
}

fn as_json(verdict: &Verdict, judge: &Judge<'_>) -> Result<Value> {
    Ok(match verdict {
        Verdict::Ask(exchange) => json!({
            "verdict": "undecided",
            "exchange": &*exchange.name,
            "method": exchange.method,
            "host": exchange.host(),
        }),
        Verdict::Rejected(Reject { reason, at }) => {
            let reply = reply_json(&refusal(*reason, judge.bound.replies()))?;
            json!({ "verdict": "rejected", "reason": reason.as_str(), "at": at, "reply": reply })
        }
        Verdict::Accepted(Accepted { events, reply, relayed: _ }) => {
            let events = events
                .iter()
                .map(|event| serde_json::from_slice::<Value>(&event.to_canonical_json(judge.now)))
                .collect::<Result<Vec<_>, _>>()?;
            json!({
                "verdict": "accepted",
                "event": events.first(),
                "events": events,
                "reply": reply_json(reply)?,
            })
        }
    })
}

fn reply_json(Reply { status, content_type, body }: &Reply) -> Result<Value> {
    let body = std::str::from_utf8(body)?;
    Ok(json!({ "status": status, "content_type": content_type, "body": body }))
}
