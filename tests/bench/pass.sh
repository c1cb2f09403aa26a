#!/usr/bin/env bash
# The same daemon as a plain reverse proxy: what passes through, unjudged.
# BENCH_PEERS=$PWD/tests/bench/pass.sh:$PWD/tests/bench/peer.sh ../shared/bench/run.sh --quick countersign-pass nginx-plain
NAME=countersign-pass PORT=28921 KINDS="none" WHAT="pass-through, streaming" WARM=1
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BIN=${COUNTERSIGN:-$HERE/../../target/release/countersign} VERSION="$BIN --version"
serve() {
  cat >"$RUN/countersign.yaml" <<C
listen: [ { address: 127.0.0.1:$PORT } ]
log: { level: warn }
limits: { requests_per_connection: 1000000 }
upstreams:
  sink: { url: "http://$BENCH_UPSTREAM", in_flight: 256 }
  out: { print: events }
routes:
  - path: /webhook/github
    gateway: stripe
    params: { signing_secrets: [env:BENCH_STRIPE_SECRET], environment: test }
    upstream: out
    forward: { as: canonical, to: / }
proxy: [ { name: site, upstream: sink } ]
C
  TOKIO_WORKER_THREADS=1 launch "$BIN" run --config "$RUN/countersign.yaml"
}
. "$BENCH_DIR/peers/_lib.sh"
