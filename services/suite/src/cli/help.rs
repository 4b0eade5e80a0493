//! Examples under each `--help`; a test parses every line of them.

pub(super) const ROOT: &str = "\
Examples:
  rapport demo
  rapport all
  rapport programs create shop --currency USD --points-per-unit 1 --expiry-days 90
  rapport audit

Exit codes: 0 done; 1 failed, or an audit found a violation; 2 wrong arguments or settings.
Settings: defaults, then --config FILE, then environment (RAPPORT__LOYALTY__DATABASE__URL), then flags.";

pub(super) const ALL: &str = "\
Examples:
  rapport all
  rapport all --listen 127.0.0.1:7500 --ops-listen 127.0.0.1:7501 --data-dir ./shop-data
  rapport all --otlp-endpoint http://127.0.0.1:4317

Without a database URL the data lies in --data-dir, on SQLite, locked against a second process. It migrates
by itself. Once ready it writes one line to standard output, as JSON unless that is a terminal.
Exit codes: 0 stopped by a signal; 1 could not start or stop in order; 2 wrong arguments or settings.";

pub(super) const LOYALTY: &str = "\
Examples:
  rapport loyalty --config rapport.toml
  rapport loyalty --database-url postgres://rapport@db.internal/loyalty --redis-url redis://cache.internal
  rapport loyalty --listen 0.0.0.0:7400 --insecure --database-url postgres://rapport@127.0.0.1/loyalty

Give a password in RAPPORT__LOYALTY__DATABASE__URL, not on the command line. It refuses to start while a
migration is pending: run `rapport migrate` first.
Exit codes: 0 stopped by a signal; 1 could not start or stop in order; 2 wrong arguments or settings.";

pub(super) const FEEDBACK: &str = "\
Examples:
  rapport feedback --config rapport.toml
  rapport feedback --listen 127.0.0.1:7430 --ops-listen 127.0.0.1:7431 \
--database-url postgres://rapport@db.internal/feedback

It brings its events to the services that RAPPORT__FEEDBACK__SUBSCRIBERS__SCORING and
RAPPORT__FEEDBACK__SUBSCRIBERS__NOTIFICATION name (their --events-listen, as http://127.0.0.1:7412).
Exit codes: 0 stopped by a signal; 1 could not start or stop in order; 2 wrong arguments or settings.";

pub(super) const SCORING: &str = "\
Examples:
  rapport scoring --config rapport.toml
  rapport scoring --listen 127.0.0.1:7420 --ops-listen 127.0.0.1:7421 --events-listen 127.0.0.1:7422 \
--database-url postgres://rapport@db.internal/scoring

It takes the events of other services on --events-listen, which is for them alone: set
RAPPORT__LOYALTY__SUBSCRIBERS__SCORING=http://127.0.0.1:7422 where the loyalty service runs,
RAPPORT__FEEDBACK__SUBSCRIBERS__SCORING where the feedback service runs, and the same RAPPORT__EVENTS__TOKEN
for all if that is not loopback.
Exit codes: 0 stopped by a signal; 1 could not start or stop in order; 2 wrong arguments or settings.";

pub(super) const NOTIFICATION: &str = "\
Examples:
  rapport notification --config rapport.toml
  rapport notification --listen 127.0.0.1:7410 --ops-listen 127.0.0.1:7411 --events-listen 127.0.0.1:7412 \
--database-url postgres://rapport@db.internal/notification

It takes the events of other services on --events-listen, which is for them alone: set
RAPPORT__LOYALTY__SUBSCRIBERS__NOTIFICATION=http://127.0.0.1:7412 where the loyalty service runs, and the same
RAPPORT__EVENTS__TOKEN for both if that is not loopback.
Exit codes: 0 stopped by a signal; 1 could not start or stop in order; 2 wrong arguments or settings.";

pub(super) const EVENTS: &str = "\
Examples:
  rapport events lag
  rapport events list --subscriber notification

Ask the process of the log about its lag, and the process of the subscriber about what is parked there.
Exit codes: 0 done; 1 refused or failed; 2 wrong arguments.";

pub(super) const EVENTS_LAG: &str = "\
Examples:
  rapport events lag
  rapport events lag --target http://127.0.0.1:7400 --output json

Exit codes: 0 nothing stands still; 1 a bucket stands still, or the question failed; 2 wrong arguments.";

pub(super) const EVENTS_LIST: &str = "\
Examples:
  rapport events list --subscriber notification
  rapport events list --subscriber notification --target http://127.0.0.1:7410 --output json

Exit codes: 0 done; 1 refused or failed; 2 wrong arguments.";

pub(super) const EVENTS_RETRY: &str = "\
Examples:
  rapport events retry --subscriber notification --source loyalty 6f0f3a6e-6d3c-4f5e-9d2b-0c1a2b3c4d5e

Exit codes: 0 all were applied; 1 one failed again, or the call was refused; 2 wrong arguments.";

pub(super) const EVENTS_DISCARD: &str = "\
Examples:
  rapport events discard --subscriber notification 6f0f3a6e-6d3c-4f5e-9d2b-0c1a2b3c4d5e

The later events of its aggregate stay parked: retry them next.
Exit codes: 0 done; 1 refused or failed; 2 wrong arguments.";

pub(super) const EVENTS_REPLAY: &str = "\
Examples:
  rapport events replay --subscriber notification --source loyalty --from start
  rapport events replay --subscriber notification --source loyalty --from end

The way out of LOG_DIVERGED and LOG_TRUNCATED; what the log has lost, `rapport events export-state` brings.
Effects whose ids are made from their events stay single.
Exit codes: 0 done; 1 refused or failed; 2 wrong arguments.";

pub(super) const EVENTS_EXPORT_STATE: &str = "\
Examples:
  rapport events export-state --subscriber scoring --source loyalty
  rapport events export-state --subscriber scoring --source feedback --target http://127.0.0.1:7402

For a subscriber that is LOG_TRUNCATED or has lost its database: afterwards it knows what the source knows,
and reads the log from where it stood. What it had already is not counted twice. Cut short, call it again.
Subscribers that act on what is new, such as notification, take no state.
Exit codes: 0 done; 1 refused or failed; 2 wrong arguments.";

pub(super) const MIGRATE: &str = "\
Examples:
  rapport migrate
  rapport migrate loyalty --database-url postgres://rapport@127.0.0.1/loyalty
  rapport migrate notification --database-url postgres://rapport@127.0.0.1/notification
  rapport migrate --data-dir ./rapport-data

Two at once are safe: one waits for the other.
Exit codes: 0 the schema is up to date; 1 failed; 2 wrong arguments or settings.";

pub(super) const REBUILD: &str = "\
Examples:
  rapport rebuild --data-dir ./rapport-data
  rapport rebuild --database-url postgres://rapport@db.internal/scoring --output json

Everything that the scoring service derives is made again from its observations, to the same bytes; no event
is sent. On PostgreSQL it may run beside the service, which refuses its reads and lets events wait meanwhile;
a data directory must not be in use. Cut short, it leaves the service so: run it again.
Exit codes: 0 done; 1 failed; 2 wrong arguments or settings.";

pub(super) const DEMO: &str = "\
Examples:
  rapport demo
  rapport demo --output json
  rapport demo --keep --listen 127.0.0.1:7400

80,800 grocery baskets of 1,290 households go through the gRPC API of a suite that runs in this process, on
a clock that follows the baskets through 2017.
Exit codes: 0 the ledger is sound; 1 it is not, or something failed; 2 wrong arguments.";

pub(super) const PROGRAMS: &str = "\
Examples:
  rapport programs create shop --currency USD --points-per-unit 1
  rapport programs get shop
  rapport programs list --output json
  rapport programs apply examples/coffee-shop.toml

Exit codes: 0 done; 1 refused or failed; 2 wrong arguments.";

pub(super) const PROGRAMS_DIFF: &str = "\
Examples:
  rapport programs diff examples/hotel.toml
  rapport programs diff examples/hotel.toml --output json

What `programs apply` would do, field by field: + is added, - goes, ~ changes.
Exit codes: 0 compared; 1 failed; 2 the file or the arguments are wrong.";

pub(super) const PROGRAMS_APPLY: &str = "\
Examples:
  rapport programs apply examples/coffee-shop.toml
  rapport programs apply examples/grocery.toml --target http://127.0.0.1:7500 --output json

The file has the names of the API: [program], [rule_set] with [[rule_set.rules]], [[rewards]]; amounts are
texts such as \"12.50\", enumerations are words such as \"purchase\". The program is created or changed, rules
that differ hold from now on, rewards that are missing are created. What the file does not have, a [rule_set]
or a reward, is left alone. The same file again changes nothing.
Exit codes: 0 it is as the file says; 1 refused or failed; 2 the file or the arguments are wrong.";

pub(super) const PROGRAMS_CREATE: &str = "\
Examples:
  rapport programs create shop --currency USD --points-per-unit 1 --expiry-days 90 --tiers 0,1000,2500,5000
  rapport programs create cafe --currency EUR --points-per-unit 0.5 --expiry-months 6 --tiers basic=0,top=500
  rapport programs create hotel --currency EUR --points-per-unit 10 --expiry-months 24 --expiry-round-to year
  rapport programs create club --currency EUR --points-per-unit 1 --expiry-date 12-31+1
  rapport programs create tokyo --currency JPY --points-per-unit 0.01 --time-zone Asia/Tokyo

Exit codes: 0 created, now or before; 1 refused or failed; 2 wrong arguments.";

pub(super) const PROGRAMS_GET: &str = "\
Examples:
  rapport programs get shop
  rapport programs get shop --target http://127.0.0.1:7500 --output json";

pub(super) const PROGRAMS_LIST: &str = "\
Examples:
  rapport programs list
  rapport programs list --output json";

pub(super) const PURCHASES: &str = "\
Examples:
  rapport import purchases baskets.csv.gz --program shop --id-column basket_id --member-column household_id \
--time-column ts --amount-column sales_cents --amount-unit minor --currency USD
  rapport import purchases orders.csv --program shop --id-column order --member-column customer \
--time-column ordered_at --amount-column total --currency EUR --time-zone Europe/Berlin --output json

Members are enrolled as they appear. A row is known by its id, never by its content: the same file again
changes nothing, and a file whose import was cut short can be imported again. Bad rows are reported on
standard error (the first 20) and do not stop the good ones.
Exit codes: 0 the file was read to its end, even if rows were refused; 1 it was not, or --strict and a row
was refused; 2 wrong arguments.";

pub(super) const FEEDBACK_IMPORT: &str = "\
Examples:
  rapport import feedback answers.csv --source shop-survey --channel survey-email --id-column id \
--customer-column customer --time-column answered --nps-column recommend --text-column comment
  rapport import feedback calls.jsonl.gz --source hotline --channel phone-hotline --id-column call_id \
--csat-column overall --csat-column agent --ces-column effort --ces-high-is hard --output json

A submission is known by its source and id, so the same file again changes nothing. A row without any answer
or words is refused. A likelihood up to 6 or a satisfaction up to 2 opens a case.
Exit codes: 0 read to the end; 1 failed, cut off, or --strict and a row was refused; 2 wrong arguments.";

pub(super) const EXPORT: &str = "\
Examples:
  rapport export postings --program shop --output postings.csv
  rapport export members --program shop --format jsonl | wc -l

Rows come from a running suite as they are recorded. An export goes on where it was when the connection to
the suite breaks; a file appears under its name once it is complete, readable by its owner only. What a
killed export leaves beside it, .NAME.rapport-part, the next one to the same file begins anew; a second one
at the same time is refused.
In CSV, a text that a spreadsheet would take for a formula, because it begins with = + - @, a tab or a
carriage return, begins with an apostrophe; --exact leaves it as it is, and JSON lines are always exact.
Exit codes: 0 complete, or whoever read it went away; 1 refused or failed; 2 wrong arguments.";

pub(super) const EXPORT_POSTINGS: &str = "\
Examples:
  rapport export postings --program shop
  rapport export postings --program shop --from 2026-01-01 --to 2026-02-01 --time-zone Europe/Berlin \
--output january.csv
  rapport export postings --program shop --member 6f0f3a6e-6d3c-4f5e-9d2b-0c1a2b3c4d5e --format jsonl

Every movement of points once, wallet by wallet, those of a wallet by seq; without notes, which may be
personal. See `rapport export --help` for files, formulas and exit codes.";

pub(super) const EXPORT_LOTS: &str = "\
Examples:
  rapport export lots --program shop --open-only --output lots.csv
  rapport export lots --program shop --format jsonl

Lots wallet by wallet, those of a wallet by lot_number, each as it is when it is read. See `rapport export
--help` for files, formulas and exit codes.";

pub(super) const EXPORT_MEMBERS: &str = "\
Examples:
  rapport export members --program shop --output members.csv
  rapport export members --program shop --from 2026-01-01 --format jsonl --target http://127.0.0.1:7500

Members by member_id, with all that is known of them: keep the file as safe as the data. Lists and maps are
JSON within a cell. See `rapport export --help` for files, formulas and exit codes.";

pub(super) const AUDIT: &str = "\
Examples:
  rapport audit
  rapport audit --target http://127.0.0.1:7500 --program shop
  rapport audit --data-dir ./rapport-data --output json

Exit codes: 0 the ledger is sound; 1 it is not, or the audit failed; 2 wrong arguments.";

pub(super) const LIABILITY: &str = "\
Examples:
  rapport report liability --program shop --output liability.html
  rapport report liability --program shop --from 2024-01 --to 2024-12 --format csv > liability.csv
  rapport report liability --program shop --currency coins --format json

Per currency and month: what was left, what came and went, what that costs; the months agree with the ledger.
Files are written as those of `rapport export`.
Exit codes: 0 done; 1 refused, failed, or the months do not agree with the ledger; 2 wrong arguments.";

pub(super) const CONFIG: &str = "\
Examples:
  rapport config
  rapport config --config rapport.toml --listen 127.0.0.1:7500
  rapport config --default > rapport.toml

Exit codes: 0 done; 2 wrong arguments or settings.";

pub(super) const HEALTHCHECK: &str = "\
Examples:
  rapport healthcheck
  rapport healthcheck --ops 127.0.0.1:7501

Exit codes: 0 ready; 1 not ready, or nobody answers; 2 wrong arguments.";

pub(super) const COMPLETIONS: &str = "\
Examples:
  rapport completions bash > rapport.bash
  rapport completions zsh > _rapport
  rapport completions fish > rapport.fish";

#[cfg(test)]
pub(super) fn all() -> String {
    [
        ROOT,
        ALL,
        FEEDBACK,
        SCORING,
        LOYALTY,
        NOTIFICATION,
        EVENTS,
        EVENTS_LAG,
        EVENTS_LIST,
        EVENTS_RETRY,
        EVENTS_DISCARD,
        EVENTS_REPLAY,
        EVENTS_EXPORT_STATE,
        MIGRATE,
        REBUILD,
        DEMO,
        PROGRAMS,
        PROGRAMS_CREATE,
        PROGRAMS_DIFF,
        PROGRAMS_APPLY,
        PROGRAMS_GET,
        PROGRAMS_LIST,
        PURCHASES,
        FEEDBACK_IMPORT,
        EXPORT,
        EXPORT_POSTINGS,
        EXPORT_LOTS,
        EXPORT_MEMBERS,
        AUDIT,
        LIABILITY,
        CONFIG,
        HEALTHCHECK,
        COMPLETIONS,
    ]
    .join("\n")
}
