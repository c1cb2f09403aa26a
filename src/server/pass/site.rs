//! What of the site passes through: which part a request belongs to, and what belongs to none.

use std::collections::HashMap;
use std::sync::Arc;

use hyper::Request;
use hyper::header::HOST;
use hyper::http::uri::Authority;

use super::path::{Protected, normal};
use crate::config::{Hosts, Target};
use crate::live::{Proxy, Snapshot};
use crate::metrics::{Metrics, ProxyMetrics};
use crate::server::limit::rate::Meter;
use crate::server::refusal::Refusal;
use crate::upstream::Pool;

/// One part, made ready to serve.
pub(in crate::server) struct Passage {
    pub(in crate::server) proxy: Arc<Proxy>,
    /// In normal form.
    prefix: String,
    deny: Vec<String>,
    pub(super) pool: Arc<Pool>,
    pub(super) meter: Option<Arc<Meter>>,
    pub(super) metrics: ProxyMetrics,
}

/// All parts.
#[derive(Default)]
pub(in crate::server) struct Passages {
    /// In the order in which they are tried.
    list: Vec<Passage>,
    protected: Protected,
    /// By the names of upstreams. Of their own: a crowd of visitors takes no place from a callback.
    pools: HashMap<String, Arc<Pool>>,
}

impl Passages {
    /// Takes over from `before` whatever stays as it was.
    pub(in crate::server) fn new(snapshot: &Snapshot, before: &Self, metrics: &Metrics) -> Self {
        let proxies = &snapshot.site.proxies;
        metrics.site_published(
            proxies.iter().map(|proxy| (proxy.config.name.as_str(), proxy.upstream.name.as_str())),
        );
        let mut pools = HashMap::new();
        let mut list = Vec::with_capacity(proxies.len());
        for proxy in proxies {
            let (upstream, name) = (&proxy.upstream, &proxy.config.name);
            // `config` has seen to it that requests can be sent there.
            let Target::Http(url) = &upstream.target else { continue };
            let pool = pools.entry(upstream.name.clone()).or_insert_with(|| {
                let before = before.pools.get(&upstream.name);
                let kept = before.filter(|pool| pool.serves(url, upstream));
                kept.cloned().unwrap_or_else(|| {
                    Arc::new(Pool::new(url, upstream, metrics.upstream_of_site(&upstream.name)))
                })
            });
            let before = before.list.iter().find(|before| before.proxy.config.name == *name);
            list.push(Passage {
                prefix: normalized(&proxy.config.prefix),
                deny: proxy.config.deny.iter().map(|path| normalized(path)).collect(),
                pool: Arc::clone(pool),
                meter: Meter::of(
                    proxy.config.rate,
                    before.and_then(|before| before.meter.as_ref()),
                ),
                metrics: metrics.proxy(name),
                proxy: Arc::clone(proxy),
            });
        }
        list.sort_by_key(|passage| {
            let is_for_all = matches!(passage.proxy.config.hosts, Hosts::All);
            (is_for_all, std::cmp::Reverse(passage.prefix.len()))
        });
        Self { list, protected: protected(snapshot), pools }
    }

    /// The part that a request belongs to, which no route has.
    pub(in crate::server) fn find<B>(&self, request: &Request<B>) -> Result<&Passage, Refusal> {
        if self.list.is_empty() {
            return Err(Refusal::NoRoute);
        }
        let path = normal(request.uri().path()).ok_or(Refusal::Protected)?;
        if self.protected.has(&path) {
            return Err(Refusal::Protected);
        }
        let host = host(request);
        let passage = self.list.iter().find(|passage| passage.has(&host, &path));
        let passage = passage.ok_or(Refusal::NoRoute)?;
        if passage.deny.iter().any(|denied| is_below(denied, &path)) {
            return Err(Refusal::Protected);
        }
        Ok(passage)
    }

    /// Closes connections that nobody has used for a while.
    pub(in crate::server) fn sweep(&self) {
        for pool in self.pools.values() {
            pool.sweep();
        }
    }
}

impl Passage {
    fn has(&self, host: &str, path: &str) -> bool {
        let is_for_host = match &self.proxy.config.hosts {
            Hosts::All => true,
            Hosts::These { exact, below } => {
                exact.iter().any(|known| known == host)
                    || below.iter().any(|known| {
                        let rest = host.strip_suffix(known.as_str());
                        rest.is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                    })
            }
        };
        is_for_host && is_below(&self.prefix, path)
    }
}

/// What belongs to a webhook here, and what takes verified events at an upstream.
fn protected(snapshot: &Snapshot) -> Protected {
    let paths = snapshot.routes.iter().flat_map(|(path, route)| {
        let to = route.forward.to().and_then(|to| to.split('?').next());
        [Some(path.as_str()), to].into_iter().flatten()
    });
    Protected::new(paths)
}

/// `config` takes no path that has no normal form.
fn normalized(path: &str) -> String {
    normal(path).map_or_else(|| path.to_owned(), std::borrow::Cow::into_owned)
}

/// Whether a path begins with another one, segment by segment; both in normal form.
fn is_below(prefix: &str, path: &str) -> bool {
    prefix == "/"
        || path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The host that a request is for, in lower case, without a port and without a dot at its end. The
/// head has been vetted: it is one host, and the target names no other.
fn host<B>(request: &Request<B>) -> String {
    let named = request.headers().get(HOST).and_then(|host| host.to_str().ok());
    let authority = named.or_else(|| request.uri().authority().map(Authority::as_str));
    let authority = authority.unwrap_or_default().to_ascii_lowercase();
    let end = match authority.find(']') {
        Some(bracket) => bracket + 1,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, _) = authority.split_at(end);
    host.strip_suffix('.').unwrap_or(host).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_whole_segments() {
        for (prefix, path, is) in [
            ("/", "/anything", true),
            ("/a", "/a", true),
            ("/a", "/a/b", true),
            ("/a", "/ab", false),
            ("/a/b", "/a", false),
        ] {
            assert_eq!(is_below(prefix, path), is, "{prefix} {path}");
        }
    }

    #[test]
    fn a_host_is_compared_without_case_port_and_dot() {
        for (written, host_) in [
            ("Shop.Example:8080", "shop.example"),
            ("shop.example.", "shop.example"),
            ("[2001:DB8::1]:80", "[2001:db8::1]"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            let request = Request::builder().header(HOST, written).body(()).ok();
            assert_eq!(request.map(|request| host(&request)).as_deref(), Some(host_), "{written}");
        }
    }
}
