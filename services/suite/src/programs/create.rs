//! `rapport programs create`. The same arguments make the same request with the same id, so creating twice is
//! once.

use chrono_tz::Tz;
use prost::Message as _;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use proto::rapport::loyalty::v1::expiry_policy::Policy;
use proto::rapport::loyalty::v1::program_service_client::ProgramServiceClient;
use uuid::Uuid;

use super::show::Shown;
use crate::cli::{CreateArgs, ExpiryPeriod, ReturnPolicy};
use crate::money::{Currency, Decimal};
use crate::output::{self, Format};
use crate::{Failure, target};

/// Namespace of request ids made from whole requests.
const REQUESTS: Uuid = Uuid::from_u128(0x6d0f_2f5e_6f0b_5c3a_9b1e_7a51_54c0_7d11);

pub(super) async fn run(args: &CreateArgs) -> Result<(), Failure> {
    let request = request_of(args)?;
    let mut client = ProgramServiceClient::new(target::connect(&args.target.target).await?);
    let answer = client.create_program(request).await?.into_inner();
    let program = answer.program.ok_or_else(|| Failure::failed("the server answered without the program"))?;
    let shown = Shown::of(&program);
    match args.output.output {
        Format::Json => output::json(&serde_json::json!({ "program": shown, "replayed": answer.replayed })),
        Format::Text => {
            output::print(&shown.text());
            if answer.replayed {
                output::note("It was there already, just like this; nothing changed.");
            }
            Ok(())
        }
    }
}

fn request_of(args: &CreateArgs) -> Result<pb::CreateProgramRequest, Failure> {
    let currency = currency_of(&args.currency)?;
    zone_of(&args.time_zone)?;
    let tiers = args.tiers.iter().enumerate().map(|(index, text)| tier_of(index, text, currency));
    let program = pb::Program {
        program_id: args.program_id.clone(),
        display_name: args.display_name.clone(),
        time_zone: args.time_zone.clone(),
        money_currency_code: currency.code().to_owned(),
        earning_rule: Some(rule_of(&args.points_per_unit, currency)?),
        expiry_policy: expiry_of(args)?,
        release_policy: release_of(args),
        return_policy: match args.return_policy {
            ReturnPolicy::OnlyPending => pb::ReturnPolicy::OnlyPending,
            ReturnPolicy::WithinBalance => pb::ReturnPolicy::WithinBalance,
            ReturnPolicy::Unlimited => pb::ReturnPolicy::Unlimited,
        }
        .into(),
        tiers: tiers.collect::<Result<_, _>>()?,
        ..pb::Program::default()
    };
    let request = pb::CreateProgramRequest { request_id: String::new(), program: Some(program) };
    let request_id = args.request_id.unwrap_or_else(|| Uuid::new_v5(&REQUESTS, &request.encode_to_vec()));
    Ok(pb::CreateProgramRequest { request_id: request_id.to_string(), ..request })
}

fn release_of(args: &CreateArgs) -> Option<pb::ReleasePolicy> {
    use pb::release_policy::Policy;
    let confirmed = args.release_on_confirmation.then_some(Policy::OnConfirmation(true));
    let policy = args.release_days.map(Policy::AfterDays).or(confirmed)?;
    Some(pb::ReleasePolicy { policy: Some(policy) })
}

fn expiry_of(args: &CreateArgs) -> Result<Option<pb::ExpiryPolicy>, Failure> {
    let policy = match (args.expiry_days, args.expiry_months, &args.expiry_date) {
        (Some(days), ..) => Policy::RollingDays(days),
        (None, Some(months), _) => Policy::RollingMonths(months),
        (None, None, Some(date)) => Policy::Annual(annual_of(date)?),
        (None, None, None) if args.expiry_round_to.is_some() => {
            return Err(Failure::usage(
                "--expiry-round-to needs --expiry-days, --expiry-months or --expiry-date".to_owned(),
            ));
        }
        (None, None, None) if args.expiry_sliding => {
            return Err(Failure::usage("--expiry-sliding needs --expiry-days or --expiry-months".to_owned()));
        }
        (None, None, None) => return Ok(None),
    };
    let round_to = match args.expiry_round_to {
        None => pb::ExpiryPeriod::Unspecified,
        Some(ExpiryPeriod::Month) => pb::ExpiryPeriod::Month,
        Some(ExpiryPeriod::Quarter) => pb::ExpiryPeriod::Quarter,
        Some(ExpiryPeriod::Year) => pb::ExpiryPeriod::Year,
    };
    let sliding = args.expiry_sliding;
    Ok(Some(pb::ExpiryPolicy { policy: Some(policy), round_to: round_to.into(), sliding }))
}

/// `12-31` is the next 31 December, `12-31+1` the one after it.
fn annual_of(text: &str) -> Result<pb::AnnualExpiry, Failure> {
    let (date, years) = text.split_once('+').unwrap_or((text, "0"));
    let parsed = || {
        let (month, day) = date.split_once('-')?;
        let (month, day) = (month.parse().ok()?, day.parse().ok()?);
        Some(pb::AnnualExpiry { month, day, years_later: years.parse().ok()? })
    };
    parsed().ok_or_else(|| {
        Failure::usage(format!("--expiry-date `{text}` is not MM-DD or MM-DD+YEARS, such as 12-31+1"))
    })
}

/// A currency from `--currency`.
pub(crate) fn currency_of(code: &str) -> Result<Currency, Failure> {
    Currency::parse(code).ok_or_else(|| {
        Failure::usage(format!(
            "--currency `{code}` is not an ISO 4217 code of three capital letters, such as USD"
        ))
    })
}

/// A zone from `--time-zone`.
pub(crate) fn zone_of(name: &str) -> Result<Tz, Failure> {
    name.parse().map_err(|_| {
        Failure::usage(format!("--time-zone `{name}` is not an IANA name, such as UTC or Europe/Berlin"))
    })
}

/// 0.5 points a unit are 5 points for each 10 units.
fn rule_of(text: &str, currency: Currency) -> Result<pb::EarningRule, Failure> {
    let wrong =
        |why: &str| Failure::usage(format!("--points-per-unit {why}; expected a number such as 1 or 0.5"));
    let number = Decimal::parse(text).map_err(|error| wrong(&error.to_string()))?;
    let points = i64::try_from(number.mantissa).map_err(|_| wrong("is too large"))?;
    let units = 10_i64.checked_pow(number.scale).ok_or_else(|| wrong("has too many decimals"))?;
    if points == 0 {
        return Err(wrong("must be more than zero"));
    }
    let per = Money { currency_code: currency.code().to_owned(), units, nanos: 0 };
    Ok(pb::EarningRule { points, per: Some(per), version: 0 })
}

/// `1000` is the threshold of `tier-2` if it is the second; `gold=1000` has a name of its own.
fn tier_of(index: usize, text: &str, currency: Currency) -> Result<pb::Tier, Failure> {
    let (tier_id, amount) = match text.split_once('=') {
        Some((name, amount)) => (name.trim().to_owned(), amount),
        None => (format!("tier-{}", index + 1), text),
    };
    let threshold = currency.major(amount).map_err(|error| Failure::usage(format!("--tiers: {error}")))?;
    Ok(pb::Tier { tier_id, threshold: Some(threshold), ..pb::Tier::default() })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command, ProgramsCommand};

    fn request(arguments: &str) -> Result<pb::CreateProgramRequest, String> {
        let words = "rapport programs create shop".split(' ').chain(arguments.split_whitespace());
        let Command::Programs(programs) = Cli::try_parse_from(words).unwrap().command else { panic!() };
        let ProgramsCommand::Create(args) = programs.command else { panic!() };
        request_of(&args).map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_same_arguments_make_the_same_request_and_others_another() {
        let one = request("--currency USD --points-per-unit 1 --tiers 0,1000").unwrap();
        assert_eq!(one, request("--currency USD --points-per-unit 1.0 --tiers 0,1000").unwrap());
        let other = request("--currency USD --points-per-unit 1 --tiers 0,1001").unwrap();
        assert_ne!(one.request_id, other.request_id);
        let own =
            request("--currency USD --points-per-unit 1 --request-id 67e55044-10b1-426f-9247-bb680e5fe0c8");
        assert_eq!(own.unwrap().request_id, "67e55044-10b1-426f-9247-bb680e5fe0c8");
    }

    #[test]
    fn points_per_unit_are_exact() {
        for (text, points, units) in [("1", 1, 1), ("0.5", 5, 10), ("1.25", 125, 100), ("10", 10, 1)] {
            let rule = request(&format!("--currency USD --points-per-unit {text}")).unwrap();
            let rule = rule.program.unwrap().earning_rule.unwrap();
            assert_eq!((rule.points, rule.per.unwrap().units), (points, units), "{text}");
        }
        for text in ["0", "-1", "NaN", "1e3", "0.00000000000000000001"] {
            let told = request(&format!("--currency USD --points-per-unit={text}")).unwrap_err();
            assert!(told.starts_with("--points-per-unit "), "{told}");
        }
    }

    #[test]
    fn tiers_are_numbered_unless_named() {
        let tiers = request("--currency USD --points-per-unit 1 --tiers 0,silver=99.50").unwrap();
        let tiers = tiers.program.unwrap().tiers;
        assert_eq!(tiers.iter().map(|tier| &*tier.tier_id).collect::<Vec<_>>(), ["tier-1", "silver"]);
        let threshold = tiers[1].threshold.clone().unwrap();
        assert_eq!((threshold.units, threshold.nanos), (99, 500_000_000));
        assert!(request("--currency USD --points-per-unit 1 --tiers 0,x").is_err());
    }

    #[test]
    fn points_end_on_a_date_or_with_a_period() {
        let expiry = |arguments: &str| {
            let request = request(&format!("--currency USD --points-per-unit 1 {arguments}"))?;
            Ok::<_, String>(request.program.unwrap().expiry_policy.unwrap())
        };
        let date = expiry("--expiry-date 12-31+1").unwrap();
        let annual = pb::AnnualExpiry { month: 12, day: 31, years_later: 1 };
        assert_eq!((date.policy, date.round_to), (Some(Policy::Annual(annual)), 0));
        let rounded = expiry("--expiry-months 6 --expiry-round-to quarter").unwrap();
        assert_eq!(rounded.policy, Some(Policy::RollingMonths(6)));
        assert_eq!(rounded.round_to(), pb::ExpiryPeriod::Quarter);
        for wrong in ["1231", "12-x", "12-31+", "12-31+x"] {
            let told = expiry(&format!("--expiry-date {wrong}")).unwrap_err();
            assert!(told.starts_with(&format!("--expiry-date `{wrong}` is not MM-DD")), "{told}");
        }
        assert!(expiry("--expiry-round-to year").unwrap_err().starts_with("--expiry-round-to needs "));
        assert!(expiry("--expiry-months 18 --expiry-sliding").unwrap().sliding);
        assert!(expiry("--expiry-sliding").unwrap_err().starts_with("--expiry-sliding needs "));
    }

    #[test]
    fn points_may_wait_and_be_taken_back() {
        let program = |arguments: &str| {
            let request = request(&format!("--currency USD --points-per-unit 1 {arguments}")).unwrap();
            request.program.unwrap()
        };
        let waiting = program("--release-days 14 --return-policy unlimited");
        let after = pb::release_policy::Policy::AfterDays(14);
        assert_eq!(waiting.release_policy, Some(pb::ReleasePolicy { policy: Some(after) }));
        assert_eq!(waiting.return_policy(), pb::ReturnPolicy::Unlimited);
        let plain = program("");
        assert_eq!((plain.release_policy, plain.return_policy()), (None, pb::ReturnPolicy::WithinBalance));
    }

    #[test]
    fn names_are_checked_before_anything_is_sent() {
        assert!(request("--currency usd --points-per-unit 1").unwrap_err().contains("--currency `usd`"));
        let zone = request("--currency USD --points-per-unit 1 --time-zone Mars/Olympus").unwrap_err();
        assert!(zone.contains("--time-zone `Mars/Olympus` is not an IANA name"), "{zone}");
    }
}
