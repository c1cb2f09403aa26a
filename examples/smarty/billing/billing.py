"""Stands in for the billing: takes canonical events from countersign and books each payment once.

    POST /billing/payment/canonical/    one event, counter-signed; 204 where it is in the ledger
    GET  /billing/payment/canonical/    the ledger, one JSON object a line; ?order=ID: of one order

Everything else is answered as the rest of Smarty would answer it: with a page.

What your own billing needs is `genuine` and `book`. It must also compare amount and currency with
those of the order, as text or `decimal.Decimal`, never as float: the stand-in knows no orders.
"""

import base64
import hashlib
import hmac
import json
import re
import sqlite3
import time
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from urllib.parse import parse_qs

HERE = Path(__file__).resolve().parent
LEDGER = HERE / "ledger.sqlite3"

# countersign signs with the first. The second need not be there: it is the secret of before, while
# it is being changed.
SECRETS = [HERE.parent / "secrets/upstream", HERE.parent / "secrets/upstream.old"]

# Seconds that `webhook-timestamp` may be away from our clock, both ways.
TOLERANCE_SECS = 300
# An event holds the gateway's own fields, and countersign takes 1 MiB of them.
BODY_BYTES_MAX = 4 * 1024 * 1024
SIGNATURES_MAX = 16

CANONICAL = "/billing/payment/canonical/"

# Two rules may tell of one payment: PayPal's IPN beside its webhooks, the bank's callback beside the
# buyer's return from ArCa. Both name it by the same `transaction_id`.
PROVIDERS = {"paypal_ipn": "paypal", "rbs": "arca"}

SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id TEXT PRIMARY KEY,
    booked INTEGER NOT NULL,
    note TEXT NOT NULL,
    gateway TEXT NOT NULL,
    provider TEXT NOT NULL,
    transaction_id TEXT,
    order_id TEXT,
    status TEXT NOT NULL,
    amount TEXT,
    currency TEXT,
    body BLOB NOT NULL
);
-- Whatever the code above it does: no payment is booked twice.
CREATE UNIQUE INDEX IF NOT EXISTS one_booking_a_payment
    ON events (provider, transaction_id) WHERE booked;
"""


def now():
    return int(time.time())


def application(environ, start_response):
    method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
    if path != CANONICAL:
        status, body = "200 OK", f"Smarty: {method} {path} from {environ['REMOTE_ADDR']}\n"
    elif method == "POST":
        status, body = take(environ)
    elif method == "GET":
        status, body = "200 OK", ledger(environ)
    else:
        status, body = "405 Method Not Allowed", ""
    body = body.encode()
    headers = [] if status.startswith("204") else [
        ("Content-Type", "text/plain; charset=utf-8"),
        ("Content-Length", str(len(body))),
    ]
    start_response(status, headers)
    return [body]


def take(environ):
    """One delivery. Only an event that is in the ledger is answered with 2xx."""
    length = int(environ.get("CONTENT_LENGTH") or 0)
    if length > BODY_BYTES_MAX:
        return "413 Content Too Large", ""
    body = environ["wsgi.input"].read(length)
    event_id = environ.get("HTTP_WEBHOOK_ID", "")
    timestamp = environ.get("HTTP_WEBHOOK_TIMESTAMP", "")
    signatures = environ.get("HTTP_WEBHOOK_SIGNATURE", "")
    if not genuine(event_id, timestamp, signatures, body):
        say(environ, "refused: not counter-signed, or too old")
        return "401 Unauthorized", ""
    # The amounts are text. Should a number ever come, it does not become a float.
    event = json.loads(body, parse_float=Decimal, parse_int=Decimal)
    if event["id"] != event_id or event["schema"] != "1":
        say(environ, f"refused: {event_id} is no event of schema 1")
        return "400 Bad Request", ""
    say(environ, f"{event_id} of order {event.get('order_id')}: {book(event, body)}")
    return "204 No Content", ""


def genuine(event_id, timestamp, signatures, body):
    """Standard Webhooks: HMAC-SHA256 over id.timestamp.body, under any of our secrets."""
    if not re.fullmatch("[0-9]{1,12}", timestamp) or abs(now() - int(timestamp)) > TOLERANCE_SECS:
        return False
    signed = b".".join([event_id.encode("latin-1"), timestamp.encode(), body])
    expected = [
        b"v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)) for key in keys()
    ]
    given = signatures.encode("latin-1").split(b" ")[:SIGNATURES_MAX]
    # A list, so that every comparison is made, each in constant time.
    return any([hmac.compare_digest(one, other) for one in expected for other in given])


def keys():
    """The keys of all secrets that are there; at least one is."""
    texts = [path.read_text().strip() for path in SECRETS if path.exists()]
    found = [base64.b64decode(text.removeprefix("whsec_"), validate=True) for text in texts]
    if not found or any(len(key) < 24 for key in found):
        raise RuntimeError(f"{SECRETS[0]}: expected `whsec_` and 24 bytes or more in Base64")
    return found


def book(event, body):
    """Puts the event into the ledger, once, and says what became of it.

    The same notification has the same id, however often it comes. One payment may be told of by
    several notifications that may each be booked: PayPal sends both an IPN and a webhook.
    """
    amount = event.get("amount", {})
    provider = PROVIDERS.get(event["gateway"], event["gateway"])
    row = {
        "id": event["id"],
        "gateway": event["gateway"],
        "provider": provider,
        "transaction_id": event.get("transaction_id"),
        "order_id": event.get("order_id"),
        "status": event["status"],
        "amount": amount.get("value"),
        "currency": amount.get("currency"),
        "body": body,
    }
    with closing(open_ledger()) as db, db:
        # From here on the ledger is ours; a crash leaves all of it undone.
        db.execute("BEGIN IMMEDIATE")
        if db.execute("SELECT 1 FROM events WHERE id = ?", [event["id"]]).fetchone():
            return "known already"
        before = db.execute(
            "SELECT id FROM events WHERE booked AND provider = ? AND transaction_id = ?",
            [provider, row["transaction_id"]],
        ).fetchone()
        if event["credit"] is not True:
            row["note"] = "not money"
        elif before:
            row["note"] = f"HELD: this payment is booked as {before[0]}"
        elif None in (row["order_id"], row["amount"], row["currency"]):
            row["note"] = "HELD: no order or no amount"
        else:
            row["note"] = ""
        row["booked"] = not row["note"]
        names = ", ".join(row)
        values = ", ".join(f":{name}" for name in row)
        db.execute(f"INSERT INTO events ({names}) VALUES ({values})", row)
    # Committed, and synced to disk: SQLite's default.
    return row["note"] or f"booked {row['amount']} {row['currency']}"


def ledger(environ):
    """What is in it, in the order in which it came."""
    order = parse_qs(environ.get("QUERY_STRING", "")).get("order", [None])[0]
    names = ["booked", "order_id", "amount", "currency", "gateway", "status", "note", "id"]
    with closing(open_ledger()) as db:
        rows = db.execute(
            f"SELECT {', '.join(names)} FROM events WHERE :order IS NULL OR order_id = :order"
            " ORDER BY rowid",
            {"order": order},
        ).fetchall()
    lines = (dict(zip(names, [bool(booked), *rest])) for booked, *rest in rows)
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def open_ledger():
    # Transactions begin where `book` says so.
    db = sqlite3.connect(LEDGER, timeout=5, isolation_level=None)
    db.executescript(SCHEMA)
    return db


def say(environ, text):
    print(f"billing: {text}", file=environ["wsgi.errors"], flush=True)
