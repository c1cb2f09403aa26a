//! From a configuration, rules and secrets to routes that are ready to judge, or out of service.
//! What the author of the configuration did wrong is a problem; a secret that is not there puts
//! its own route out of service.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use crate::config::{self, At, Delivery, Forward, Hot, ParamValue};
use crate::engine::Bound;
use crate::engine::params::{BindError, BindFault, ParamKind, ParamSpec, Params};
use crate::engine::plan::ReplyPlan;
use crate::engine::secret::Secret;
use crate::live::exchanges::exchanges;
use crate::live::rules::RuleSet;
use crate::live::sources::{Sources, place};
use crate::live::upstreams::{self, based, webhook_secret};
use crate::live::{Exchanges, Proxy, Route, Site, Upstream, warning};
use crate::rule::Rule;
use crate::text::problem::{Place, Problem, Problems, did_you_mean};

/// What routes are built from.
pub(super) struct Builder<'a> {
    pub(super) rules: &'a RuleSet,
    /// The routes that are active now, by path.
    pub(super) before: &'a HashMap<String, Arc<Route>>,
    /// The configuration's folder.
    pub(super) base: &'a Path,
    pub(super) sources: &'a mut Sources,
    /// Those of the configuration.
    pub(super) problems: &'a mut Problems,
    /// Whether events can be kept.
    pub(super) has_store: bool,
    /// Whether a listener asks senders for certificates.
    pub(super) asks: bool,
    /// See [`crate::live::Snapshot::warnings`].
    pub(super) warnings: Vec<String>,
}

/// Those who receive, by name.
pub(super) type Upstreams = HashMap<String, Built>;

/// What passes through. `config` has checked that the upstreams exist.
pub(super) fn site(hot: &Hot, upstreams: &Upstreams) -> Arc<Site> {
    let proxy = |config: &config::Proxy| {
        let upstream = Arc::clone(&upstreams.get(&config.upstream)?.upstream);
        Some(Arc::new(Proxy { config: config.clone(), upstream }))
    };
    Arc::new(Site {
        proxies: hot.proxies.iter().filter_map(proxy).collect(),
        trusted_proxies: hot.trusted_proxies.clone(),
    })
}

/// An upstream, and why it cannot sign.
pub(super) struct Built {
    pub(super) upstream: Arc<Upstream>,
    unsigned: Option<String>,
}

impl Builder<'_> {
    /// How gateways are asked.
    pub(super) fn exchanges(&mut self, hot: &Hot) -> Arc<Exchanges> {
        exchanges(&hot.exchanges, self.base, self.sources, self.problems)
    }

    /// Those who receive, by name.
    pub(super) fn upstreams(&mut self, hot: &Hot) -> Upstreams {
        hot.upstreams
            .iter()
            .map(|upstream| (upstream.name.clone(), self.upstream(upstream)))
            .collect()
    }

    /// Routes by path.
    pub(super) fn routes(
        &mut self,
        hot: &Hot,
        upstreams: &Upstreams,
    ) -> HashMap<String, Arc<Route>> {
        let mut routes = HashMap::with_capacity(hot.routes.len());
        for route in &hot.routes {
            for value in route.params.iter().flat_map(|param| &param.values) {
                if matches!(value.value, ParamValue::Literal(_)) {
                    self.problems.hide(value.place);
                }
            }
            // `config` has checked that it exists.
            let Some(upstream) = upstreams.get(&route.upstream) else { continue };
            routes.insert(route.path.clone(), self.route(route, upstream));
        }
        routes
    }

    fn upstream(&mut self, config: &config::Upstream) -> Built {
        let config::Upstream {
            name,
            target,
            connect_timeout,
            timeout,
            in_flight_max,
            secret,
            retry,
            reach,
            tls,
        } = config;
        let secret = secret.as_ref().map(|reference| {
            let secret = self.sources.secret(self.base, reference)?;
            webhook_secret(&secret)
                .ok_or_else(|| "it is not `whsec_` and 24 to 64 bytes in Base64".to_owned())
        });
        let (secret, unsigned) = match secret.transpose() {
            Ok(secret) => (secret, None),
            Err(why) => (None, Some(format!("secret of upstream `{name}`: {why}"))),
        };
        let upstream = Arc::new(Upstream {
            name: name.clone(),
            target: target.clone(),
            connect_timeout: *connect_timeout,
            timeout: *timeout,
            in_flight_max: *in_flight_max,
            secret,
            retry: *retry,
            reach: based(reach, self.base),
            tls: upstreams::tls(tls, self.base, self.sources, self.problems),
        });
        Built { upstream, unsigned }
    }

    fn route(&mut self, config: &config::Route, upstream: &Built) -> Arc<Route> {
        let gateway = &config.gateway.value;
        let mut bound = match self.rules.get(gateway) {
            None => self.no_rule(config),
            Some(rule) if self.rules.is_stale(gateway) => {
                // The parameters may be meant for the rule that is broken now.
                let mut found = Problems::new("");
                let bound = self.bind(config, rule, &mut found);
                if !found.is_empty() {
                    return self.route_of_before(config, upstream);
                }
                bound
            }
            Some(rule) => {
                let mut found = Problems::new("");
                let bound = self.bind(config, rule, &mut found);
                self.problems.append(found);
                bound
            }
        };
        if let (Some(why), Forward::Canonical { .. }) = (&upstream.unsigned, &config.forward) {
            bound = match bound {
                Ok(_) => Err(vec![why.clone()]),
                Err(mut reasons) => {
                    reasons.push(why.clone());
                    Err(reasons)
                }
            };
        }
        let delivery = self.delivery(config, bound.as_ref().ok());
        route(config, upstream, bound, delivery)
    }

    /// What the route says, else what its rule recommends, else `spill`; without a store `direct`.
    fn delivery(&mut self, config: &config::Route, bound: Option<&Bound>) -> Delivery {
        let relays =
            bound.is_some_and(|bound| matches!(bound.replies().accepted, ReplyPlan::Relayed(_)));
        match &config.delivery {
            Some(At { value: Delivery::Durable, place }) if relays => {
                let what = "this gateway is answered with what the upstream says, which nobody \
                            knows before it is delivered";
                self.problems.add_with_help(*place, what, "write `spill` or `direct`");
                Delivery::Durable
            }
            Some(At { value, .. }) => *value,
            None => {
                let rule = self.rules.get(&config.gateway.value);
                let recommended = rule.and_then(Rule::recommended);
                if self.has_store {
                    return recommended.map_or(Delivery::Spill, |recommended| recommended.delivery);
                }
                self.warnings.extend(warning::keeps_nothing(&config.name, recommended));
                Delivery::Direct
            }
        }
    }

    fn no_rule(&mut self, config: &config::Route) -> Result<Bound, Vec<String>> {
        let gateway = config.gateway.value.as_str();
        if self.rules.incomplete {
            return Err(vec![format!("there is no rule `{gateway}`; a rule file is broken")]);
        }
        let what = format!("there is no rule for the gateway `{gateway}`");
        let problem = Problem::new(config.gateway.place, what);
        self.problems.push(match did_you_mean(gateway, self.rules.gateways()) {
            Some(near) => problem.help(format!("did you mean `{near}`?")),
            None => {
                problem.help("`countersign rules` prints what is shipped; add others to `rules`")
            }
        });
        Err(Vec::new())
    }

    /// What served this path before, for a rule that is broken now.
    fn route_of_before(&mut self, config: &config::Route, upstream: &Built) -> Arc<Route> {
        let before = self.before.get(&config.path);
        if let Some(before) = before.filter(|route| route.gateway == config.gateway.value) {
            return Arc::clone(before);
        }
        let why = format!("the rule of `{}` is broken", config.gateway.value);
        let delivery = self.delivery(config, None);
        route(config, upstream, Err(vec![why]), delivery)
    }

    /// `Err`: out of service; what the author did wrong is in `problems`.
    fn bind(
        &mut self,
        config: &config::Route,
        rule: &Rule,
        problems: &mut Problems,
    ) -> Result<Bound, Vec<String>> {
        let mut params = Params::new();
        let mut reasons = Vec::new();
        // What has been said about a parameter is not said again.
        let mut told: Vec<&str> = Vec::new();
        for param in &config.params {
            let Some(spec) = rule.params().iter().find(|spec| spec.name == param.name) else {
                problems.push(unknown_param(param, rule.params()));
                told.push(&param.name);
                continue;
            };
            if param.list && !spec.list {
                let what = format!("the parameter `{}` takes one value, not a list", param.name);
                problems.add(param.place, what);
                told.push(&param.name);
            }
            let mut values = Vec::new();
            for value in &param.values {
                let resolved = match &value.value {
                    ParamValue::Literal(text) => {
                        literal(spec, text, value.place).map_err(|problem| problems.push(problem))
                    }
                    ParamValue::Reference(reference) => {
                        self.referred(spec, reference).map_err(|why| reasons.push(why))
                    }
                };
                match resolved {
                    Ok(value) => values.push(value),
                    Err(()) => told.push(&param.name),
                }
            }
            params.set(&param.name, values);
        }
        let bound = rule.bind(&params);
        for error in bound.as_ref().err().into_iter().flatten() {
            if !told.contains(&error.param.as_str()) {
                blame(config, error, problems, &mut reasons);
            }
        }
        if let Ok(bound) = &bound
            && bound.strength() < config.strength.value
        {
            let (found, wanted) = (bound.strength().as_str(), config.strength.value.as_str());
            problems.add_with_help(
                config.strength.place,
                format!("the proofs of `{}` are {found}, not {wanted}", rule.gateway()),
                "see `countersign check` for why; choose a stronger algorithm or mode if the \
                 gateway has one",
            );
        }
        if bound.as_ref().is_ok_and(Bound::wants_certificates) && !self.asks {
            problems.add_with_help(
                config.gateway.place,
                format!(
                    "`{}` knows its senders by certificates, and no listener asks for them",
                    rule.gateway()
                ),
                "add `tls: true, client_certificates: ask` to the listener that it calls",
            );
        }
        match bound {
            Ok(bound) if reasons.is_empty() => Ok(bound),
            Ok(_) | Err(_) => Err(reasons),
        }
    }

    fn referred(
        &mut self,
        spec: &ParamSpec,
        reference: &config::SecretRef,
    ) -> Result<Secret, String> {
        let name = &spec.name;
        let value = self
            .sources
            .secret(self.base, reference)
            .map_err(|why| format!("parameter `{name}`: {why}"))?;
        spec.check(&value).map_err(|what| BindError { param: name.clone(), what }.to_string())?;
        if spec.kind == ParamKind::Secret {
            let place = place(self.base, reference);
            let warning = warning::around(&value, &place);
            self.warnings.extend(warning.filter(|warning| !self.warnings.contains(warning)));
        }
        Ok(value)
    }
}

fn route(
    config: &config::Route,
    upstream: &Built,
    bound: Result<Bound, Vec<String>>,
    delivery: Delivery,
) -> Arc<Route> {
    let config::Route {
        name,
        path: _,
        gateway,
        params: _,
        upstream: _,
        forward,
        mode,
        delivery: _,
        capture,
        hold_regressive,
        allow,
        rate,
        strength: _,
        place: _,
    } = config;
    Arc::new(Route {
        name: name.clone(),
        gateway: gateway.value.clone(),
        bound,
        upstream: Arc::clone(&upstream.upstream),
        forward: forward.clone(),
        mode: *mode,
        delivery,
        capture: *capture,
        hold_regressive: *hold_regressive,
        allow: allow.clone(),
        rate: *rate,
    })
}

/// A value written in the configuration.
fn literal(spec: &ParamSpec, text: &str, place: Place) -> Result<Secret, Problem> {
    if matches!(spec.kind, ParamKind::Secret) {
        let what = format!("the parameter `{}` is secret and is not written here", spec.name);
        return Err(Problem::new(place, what)
            .help("write where it is kept: `env:NAME` or `file:PATH`")
            .sensitive());
    }
    let value = Secret::from(text);
    match spec.check(&value) {
        Ok(()) => Ok(value),
        Err(what) => {
            let error = BindError { param: spec.name.clone(), what };
            Err(Problem::new(place, error.to_string()))
        }
    }
}

fn unknown_param(param: &config::Param, specs: &[ParamSpec]) -> Problem {
    let names = || specs.iter().map(|spec| spec.name.as_str());
    let what = format!("the rule has no parameter `{}`", param.name);
    let problem = Problem::new(param.place, what);
    match did_you_mean(&param.name, names()) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem.help(format!("it has {}", names().collect::<Vec<_>>().join(", "))),
    }
}

/// Whether the author of the configuration or a secret is at fault.
fn blame(
    config: &config::Route,
    error: &BindError,
    problems: &mut Problems,
    reasons: &mut Vec<String>,
) {
    let param = config.params.iter().find(|param| param.name == error.param);
    let is_reference = |param: &config::Param| {
        param.values.iter().any(|v| matches!(v.value, ParamValue::Reference(_)))
    };
    match param {
        Some(param) if is_reference(param) => reasons.push(error.to_string()),
        Some(param) => problems.add(param.place, error.to_string()),
        None if error.what == BindFault::Missing => {
            let name = &error.param;
            let help = format!("add `{name}` to the route's `params`");
            problems.add_with_help(config.place, error.to_string(), help);
        }
        None => problems.add(config.place, error.to_string()),
    }
}
