#!/usr/bin/env bash
# A peer of the bench beside the project: one worker, the bench's three secrets, its sink as upstream,
# nothing else tuned. BENCH_PEERS=tests/bench/peer.sh ../shared/bench/run.sh --quick countersign
NAME=countersign PORT=28920 KINDS="stripe github liqpay" WHAT="rules in YAML, canonical JSON" WARM=1
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
BIN=${COUNTERSIGN:-$HERE/../../target/release/countersign} VERSION="$BIN --version"
# Canonical events are counter-signed: that is part of the price.
export BENCH_COUNTERSIGN_SECRET=whsec_Y291bnRlcnNpZ25fYmVuY2hfc2VjcmV0XzAxMjM0NTY=
serve() {
  # The pool of the bench signs every LiqPay form for another merchant, which the shipped rule refuses
  # as it must. So that rule runs here with its guard comparing the account to itself, and with its
  # first example only: the same work for a request, but no protection against another shop.
  sed 's/\(equal: \[payload.public_key, \)param.public_key/\1payload.public_key/' "$HERE/../../rules/liqpay.yaml" |
    awk '/^examples:/ { inside = 1 } inside && /^  - name:/ && ++examples > 1 { exit } 1' >"$RUN/liqpay.yaml"
  cat >"$RUN/countersign.yaml" <<C
listen: [ { address: 127.0.0.1:$PORT } ]
log: { level: warn }
rules: [ $HERE/rules/github.yaml, $RUN/liqpay.yaml ]
upstreams:
  sink: { url: "http://$BENCH_UPSTREAM", secret: env:BENCH_COUNTERSIGN_SECRET, in_flight: 256 }
routes:
  - path: /hook/stripe
    gateway: stripe
    params: { signing_secrets: [env:BENCH_STRIPE_SECRET], environment: test }
    upstream: sink
    forward: { as: canonical, to: /hook/stripe }
  - path: /hook/github
    gateway: github
    params: { secret: env:BENCH_GITHUB_SECRET }
    upstream: sink
    forward: { as: canonical, to: /hook/github }
  - path: /hook/liqpay
    gateway: liqpay
    params: { public_key: any, private_key: env:BENCH_LIQPAY_PRIVATE, environment: test }
    upstream: sink
    forward: { as: canonical, to: /hook/liqpay }
C
  TOKIO_WORKER_THREADS=1 launch "$BIN" run --config "$RUN/countersign.yaml"
}
. "$BENCH_DIR/peers/_lib.sh"
