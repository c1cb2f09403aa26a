//! `countersign send`: sign an example of a rule and post it.

use std::io::{self, Read as _, Write};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow, bail};
use hyper::Uri;

use crate::app::wall_clock;
use crate::cli::{Exit, complain, given, message};
use crate::engine::params::Params;
use crate::engine::reason::Reject;
use crate::engine::verdict::Verdict;
use crate::rule::Rule;
use crate::rule::example::Example;
use crate::rule::request::{Request, Wire};
use crate::rule::sign::{self, SignError};

/// Until a connection stands, and for each read of the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Bytes of the answer that are shown.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  countersign send stripe --to http://127.0.0.1:8080/stripe
  countersign send liqpay --to http://127.0.0.1:8080/liqpay --param private_key=env:LIQPAY_KEY \\
      --param public_key=i00000000001
  countersign send paysera --example 'an encrypted project' --to http://127.0.0.1:8080/paysera \\
      --param mode=encrypted --print

The first example of the rule that can be signed is dated now and signed under the example's own
parameters, or those given. Exit status: 0 for a 2xx answer, 1 for another or none, 2 where nothing
could be sent.")]
pub(super) struct Args {
    /// A shipped gateway, or the file of a rule.
    #[arg(value_name = "GATEWAY|RULE.yaml")]
    rule: String,
    /// Where to: `http://host:port/path`.
    #[arg(long, value_name = "URL")]
    to: Uri,
    /// A parameter of the rule instead of the example's own.
    #[arg(long = "param", value_name = "K=V")]
    params: Vec<String>,
    /// The example of this name.
    #[arg(long, value_name = "NAME")]
    example: Option<String>,
    /// Print the request instead of posting it.
    #[arg(long)]
    print: bool,
}

pub(super) fn run(args: &Args, out: &mut dyn Write) -> Result<Exit> {
    let Some(rule) = given::rule(&args.rule)? else { return Ok(Exit::Problem) };
    let target = Target::of(&args.to)?;
    let wire = signed(&rule, args, &target)?;
    let request = message::write(&wire, &target.host);
    if args.print {
        out.write_all(&request)?;
        return Ok(Exit::Fine);
    }
    let answer = match post(&target, &request) {
        Ok(answer) => answer,
        Err(error) => {
            complain(&format!("error: {error:#}"));
            return Ok(Exit::No);
        }
    };
    let head = answer.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let body = answer
        .windows(4)
        .position(|end| end == b"\r\n\r\n")
        .map_or(&[][..], |at| answer.get(at + 4..).unwrap_or_default());
    writeln!(out, "{}\n{}", head.trim_ascii_end().escape_ascii(), body.escape_ascii())?;
    let status = head.split(|&byte| byte == b' ').nth(1).unwrap_or_default();
    Ok(if status.starts_with(b"2") && status.len() == 3 { Exit::Fine } else { Exit::No })
}

/// The first example that can be signed, or why none can.
fn signed(rule: &Rule, args: &Args, target: &Target) -> Result<Wire> {
    let given = given::params(&args.params)?;
    let wanted =
        |example: &&Example| args.example.as_ref().is_none_or(|name| *name == example.name);
    let mut why = None;
    for example in rule.accepted_examples().filter(wanted) {
        match sign_one(rule, example, &given, target) {
            Ok(wire) => {
                if let Some(before) = why {
                    complain(&format!("not sent: {before:#}"));
                }
                complain(&format!("example `{}`", example.name));
                return Ok(wire);
            }
            Err(error) => {
                let error = error.context(format!("example `{}`", example.name));
                // The reason that is returned is told by the caller.
                if let Some(before) = why.replace(error) {
                    complain(&format!("not sent: {before:#}"));
                }
            }
        }
    }
    Err(why.unwrap_or_else(|| {
        let names: Vec<&str> =
            rule.accepted_examples().map(|example| example.name.as_str()).collect();
        anyhow!("no such accepted example; there are: {}", names.join("; "))
    }))
}

fn sign_one(rule: &Rule, example: &Example, given: &Params, target: &Target) -> Result<Wire> {
    let mut params = example.params.clone();
    for name in given.names() {
        params.set(name, given.values(name).to_vec());
    }
    let bind = |params: &Params| {
        rule.bind(params).map_err(|errors| {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            anyhow!("{}", errors.join("; "))
        })
    };
    let (old, new) = (bind(&example.params)?, bind(&params)?);
    let mut request = example.request.clone();
    sign::readdress(rule.compiled(), &mut request, (&old, &example.params), (&new, &params));
    let now = wall_clock();
    // Some sign where it goes.
    let place = |request: &mut Request| {
        request.path.clone_from(&target.path);
        let own = target.query.iter().map(|(name, value)| (name.clone(), value.clone()));
        request.query = own.chain(std::mem::take(&mut request.query)).collect();
    };
    place(&mut request);
    match sign::sign(&new, &mut request, Some(now)) {
        Ok(()) => {}
        // Under its own parameters an example is genuine as it stands, if it is not dated.
        Err(SignError::OnlyTheGateway) if given.names().next().is_none() => {
            request.clone_from(&example.request);
            place(&mut request);
        }
        Err(error) => return Err(error.into()),
    }
    let wire = request.encode();
    // Signed is not yet fit: under other parameters the signature may belong somewhere else.
    match wire.with(|inbound| new.judge(inbound, now, &[])) {
        // Whoever receives it will ask the gateway.
        Verdict::Accepted(_) | Verdict::Ask(_) => Ok(wire),
        Verdict::Rejected(Reject { reason, at }) => {
            bail!("not genuine under these parameters: {} (at {at})", reason.as_str())
        }
    }
}

/// Where a request goes.
struct Target {
    /// As in the header `Host`.
    host: String,
    /// Of the address; no brackets around IPv6.
    name: String,
    port: u16,
    path: String,
    query: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Target {
    fn of(url: &Uri) -> Result<Self> {
        if url.scheme_str() != Some("http") {
            bail!("only http:// is spoken here; for https use `--print` and another client");
        }
        let authority = url.authority().context("the URL has no host")?;
        let name = authority.host().trim_matches(['[', ']']).to_owned();
        let (host, port) = (authority.to_string(), authority.port_u16().unwrap_or(80));
        let query = crate::engine::form::pairs(url.query().unwrap_or_default().as_bytes())
            .map(|pair| pair.map(|(name, value)| (name.into_owned(), value.into_owned())))
            .collect::<Result<_, _>>()
            .map_err(|_| anyhow!("the URL has a malformed query"))?;
        Ok(Self { host, name, port, path: url.path().to_owned(), query })
    }
}

fn post(target: &Target, request: &[u8]) -> Result<Vec<u8>> {
    let host = &target.host;
    let mut stream = connect(target).with_context(|| format!("cannot connect to {host}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(request)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).context("no answer")?;
    Ok(answer)
}

/// To the first address that answers: `localhost` may be two, and a daemon listens on one.
fn connect(target: &Target) -> io::Result<TcpStream> {
    let mut why = io::Error::other("it has no address");
    for address in (target.name.as_str(), target.port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => return Ok(stream),
            Err(error) => why = error,
        }
    }
    Err(why)
}
