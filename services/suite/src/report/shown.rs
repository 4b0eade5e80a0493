//! A liability report as it is shown: numbers as they are, amounts of money as exact texts.

use ambient::Time;
use proto::google::r#type::Money;
use proto::rapport::loyalty::v1 as pb;
use serde::Serialize;

use crate::Failure;
use crate::money::text_of;

/// A report.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    pub(super) program_id: String,
    pub(super) display_name: String,
    pub(super) as_of: String,
    pub(super) time_zone: String,
    pub(super) sealed_month: String,
    pub(super) currencies: Vec<Currency>,
}

/// What is owed in one currency.
#[derive(Debug, Serialize)]
pub(super) struct Currency {
    pub(super) currency: String,
    pub(super) months: Vec<Month>,
    pub(super) ledger_points: i64,
    pub(super) difference: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) breakage: Option<Breakage>,
}

/// One month; the fields are the columns of the table.
#[derive(Clone, Debug, Default, Serialize)]
pub(super) struct Month {
    pub(super) month: String,
    pub(super) opening: i64,
    pub(super) issued: i64,
    pub(super) reversed: i64,
    pub(super) redeemed: i64,
    pub(super) refunded: i64,
    pub(super) expired: i64,
    pub(super) reinstated: i64,
    pub(super) adjusted: i64,
    pub(super) waived: i64,
    pub(super) transferred: i64,
    pub(super) closing: i64,
    pub(super) pending: i64,
    pub(super) available: i64,
    pub(super) held: i64,
    pub(super) arrears: i64,
    /// Empty if nobody says what a point costs.
    pub(super) unit_cost: String,
    pub(super) cost: String,
    pub(super) money: String,
    pub(super) sealed: bool,
}

/// The estimate of what will never be redeemed.
#[derive(Debug, Serialize)]
pub(super) struct Breakage {
    pub(super) points: i64,
    pub(super) open_points: i64,
    pub(super) share_basis_points: i32,
    pub(super) points_observed: i64,
    pub(super) points_observed_expired: i64,
    pub(super) vintages_observed: i32,
    pub(super) sample_percent: i32,
    pub(super) ages: Vec<Age>,
}

/// What is known of an age.
#[derive(Debug, Serialize)]
pub(super) struct Age {
    pub(super) age_months: i32,
    pub(super) open_points: i64,
    pub(super) points_observed: i64,
    pub(super) points_observed_expired: i64,
    pub(super) share_basis_points: i32,
}

impl Shown {
    pub(super) fn of(program: &pb::Program, answer: &pb::GetLiabilityReportResponse) -> Shown {
        let as_of = answer.as_of_time.and_then(|at| Time::from_parts(at.seconds, at.nanos));
        Shown {
            program_id: program.program_id.clone(),
            display_name: program.display_name.clone(),
            as_of: as_of.map(|at| at.to_string()).unwrap_or_default(),
            time_zone: answer.time_zone.clone(),
            sealed_month: answer.sealed_month.clone(),
            currencies: answer.currencies.iter().map(Currency::of).collect(),
        }
    }

    pub(super) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string_pretty(self).map(|text| text + "\n").map_err(|error| unwritten(&error))
    }

    pub(super) fn csv(&self) -> Result<String, Failure> {
        #[derive(Serialize)]
        struct Row<'a>(&'a str, &'a Month);
        let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
        let header =
            ["currency", "month", "opening", "issued", "reversed", "redeemed", "refunded", "expired"];
        let more = ["reinstated", "adjusted", "waived", "transferred", "closing", "pending", "available"];
        let last = ["held", "arrears", "unit_cost", "cost", "money", "sealed"];
        let header = header.iter().chain(&more).chain(&last);
        writer.write_record(header).map_err(|error| unwritten(&error))?;
        for currency in &self.currencies {
            for month in &currency.months {
                writer.serialize(Row(&currency.currency, month)).map_err(|error| unwritten(&error))?;
            }
        }
        let bytes = writer.into_inner().map_err(|error| unwritten(&error))?;
        String::from_utf8(bytes).map_err(|error| unwritten(&error))
    }

    /// An error if the months do not agree with the wallets.
    pub(super) fn verdict(&self) -> Result<(), Failure> {
        match self.currencies.iter().find(|currency| currency.difference != 0) {
            None => Ok(()),
            Some(broken) => Err(Failure::failed(format!(
                "the months of {} and the ledger differ by {} point(s): run `rapport audit`",
                broken.currency, broken.difference
            ))),
        }
    }
}

fn unwritten(error: &dyn std::error::Error) -> Failure {
    Failure::failed(format!("the report cannot be written: {error}"))
}

impl Currency {
    fn of(owed: &pb::CurrencyLiability) -> Currency {
        Currency {
            currency: owed.currency_code.clone(),
            months: owed.months.iter().map(Month::of).collect(),
            ledger_points: owed.ledger_points,
            difference: owed.difference,
            breakage: owed.breakage.as_ref().map(Breakage::of),
        }
    }
}

impl Month {
    fn of(month: &pb::LiabilityMonth) -> Month {
        let text = |money: &Option<Money>| money.as_ref().map(text_of).unwrap_or_default();
        Month {
            month: month.month.clone(),
            opening: month.opening,
            issued: month.issued,
            reversed: month.reversed,
            redeemed: month.redeemed,
            refunded: month.refunded,
            expired: month.expired,
            reinstated: month.reinstated,
            adjusted: month.adjusted,
            waived: month.waived,
            transferred: month.transferred,
            closing: month.closing,
            pending: month.pending,
            available: month.available,
            held: month.held,
            arrears: month.arrears,
            unit_cost: text(&month.unit_cost),
            cost: text(&month.cost),
            money: month.cost.as_ref().map(|money| money.currency_code.clone()).unwrap_or_default(),
            sealed: month.sealed,
        }
    }
}

impl Breakage {
    fn of(breakage: &pb::BreakageEstimate) -> Breakage {
        let age = |age: &pb::BreakageAge| Age {
            age_months: age.age_months,
            open_points: age.open_points,
            points_observed: age.points_observed,
            points_observed_expired: age.points_observed_expired,
            share_basis_points: age.share_basis_points,
        };
        Breakage {
            points: breakage.points,
            open_points: breakage.open_points,
            share_basis_points: breakage.share_basis_points,
            points_observed: breakage.points_observed,
            points_observed_expired: breakage.points_observed_expired,
            vintages_observed: breakage.vintages_observed,
            sample_percent: breakage.sample_percent,
            ages: breakage.ages.iter().map(age).collect(),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::report) fn shown() -> Shown {
        let money = |units, nanos| Some(Money { currency_code: "USD".into(), units, nanos });
        let january = pb::LiabilityMonth {
            month: "2024-01".into(),
            issued: 1_500,
            redeemed: 300,
            adjusted: -20,
            closing: 1_180,
            available: 1_180,
            unit_cost: money(0, 5_000_000),
            cost: money(5, 900_000_000),
            sealed: true,
            ..Default::default()
        };
        let february = pb::LiabilityMonth {
            month: "2024-02".into(),
            opening: 1_180,
            expired: 1_200,
            closing: -20,
            arrears: 20,
            unit_cost: money(0, 5_000_000),
            cost: money(0, -100_000_000),
            ..Default::default()
        };
        let points = pb::CurrencyLiability {
            currency_code: "points".into(),
            months: vec![january, february],
            ledger_points: -20,
            difference: 0,
            breakage: None,
        };
        let program = pb::Program {
            program_id: "shop".into(),
            display_name: "<b>Shop & Co</b>".into(),
            ..Default::default()
        };
        let answer = pb::GetLiabilityReportResponse {
            time_zone: "UTC".into(),
            sealed_month: "2024-01".into(),
            currencies: vec![points],
            ..Default::default()
        };
        Shown::of(&program, &answer)
    }

    #[test]
    fn a_row_of_the_table_has_every_column() {
        let text = shown().csv().unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let expected = [
            "points,2024-01,0,1500,0,300,0,0,0,-20,0,0,1180,0,1180,0,0,0.005,5.90,USD,true",
            "points,2024-02,1180,0,0,0,0,1200,0,0,0,0,-20,0,0,0,20,0.005,-0.10,USD,false",
        ];
        assert_eq!(&lines[1..], expected);
        assert_eq!(lines[0].split(',').count(), expected[0].split(',').count());
    }

    #[test]
    fn a_difference_fails() {
        let mut shown = shown();
        assert!(shown.verdict().is_ok());
        shown.currencies[0].difference = 3;
        assert!(shown.verdict().unwrap_err().to_string().contains("differ by 3 point(s)"));
    }
}
