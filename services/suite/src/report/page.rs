//! The report as one page: no script, no font, no picture from elsewhere; light or dark as its reader likes.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::chart::Chart;
use super::shown::{Breakage, Currency, Month, Shown};
use crate::Failure;
use crate::output::grouped;

const TEMPLATE: &str = include_str!("../../templates/liability.html.jinja");

#[derive(Serialize)]
struct Page<'a> {
    report: &'a Shown,
    currencies: Vec<Section<'a>>,
}

#[derive(Serialize)]
struct Section<'a> {
    of: &'a Currency,
    chart: Chart,
    /// Columns that say something, and the cells of each month.
    columns: Vec<&'static str>,
    rows: Vec<Row<'a>>,
    ledger_points: String,
    breakage: Option<Estimate>,
}

#[derive(Serialize)]
struct Row<'a> {
    month: &'a str,
    sealed: bool,
    cells: Vec<String>,
}

#[derive(Serialize)]
struct Estimate {
    points: String,
    open_points: String,
    share: String,
    observed: String,
    vintages: i32,
    sample_percent: i32,
    ages: Vec<[String; 4]>,
}

/// A column: its name, its number of a month, and whether it stays although all its numbers are 0.
type Column = (&'static str, fn(&Month) -> i64, bool);

const COLUMNS: [Column; 15] = [
    ("opening", |m| m.opening, true),
    ("issued", |m| m.issued, true),
    ("reversed", |m| m.reversed, false),
    ("redeemed", |m| m.redeemed, true),
    ("refunded", |m| m.refunded, false),
    ("expired", |m| m.expired, true),
    ("reinstated", |m| m.reinstated, false),
    ("adjusted", |m| m.adjusted, false),
    ("waived", |m| m.waived, false),
    ("transferred", |m| m.transferred, false),
    ("closing", |m| m.closing, true),
    ("pending", |m| m.pending, false),
    ("available", |m| m.available, true),
    ("held", |m| m.held, false),
    ("arrears", |m| m.arrears, false),
];

pub(super) fn html(report: &Shown) -> Result<String, Failure> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    let unwritten = |error| Failure::failed(format!("the page cannot be written: {error:#}"));
    let blocks = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(blocks.map_err(unwritten)?);
    let page = Page { report, currencies: report.currencies.iter().map(section).collect() };
    environment.render_str(TEMPLATE, Serde(page)).map_err(unwritten)
}

fn section(of: &Currency) -> Section<'_> {
    let shown = |column: &&Column| column.2 || of.months.iter().any(|month| column.1(month) != 0);
    let columns: Vec<&Column> = COLUMNS.iter().filter(shown).collect();
    let money = of.months.iter().any(|month| !month.cost.is_empty());
    let row = |month| row(month, &columns, money);
    Section {
        of,
        chart: Chart::of(&of.months),
        rows: of.months.iter().rev().map(row).collect(),
        columns: columns.iter().map(|column| column.0).chain(money.then_some("cost")).collect(),
        ledger_points: grouped(of.ledger_points),
        breakage: of.breakage.as_ref().map(estimate),
    }
}

fn row<'a>(month: &'a Month, columns: &[&Column], money: bool) -> Row<'a> {
    let numbers = columns.iter().map(|column| grouped(column.1(month)));
    let cost = money.then(|| format!("{} {}", month.cost, month.money));
    Row { month: &month.month, sealed: month.sealed, cells: numbers.chain(cost).collect() }
}

fn estimate(breakage: &Breakage) -> Estimate {
    let age = |age: &super::shown::Age| {
        [
            age.age_months.to_string(),
            grouped(age.points_observed),
            percent(age.share_basis_points),
            grouped(age.open_points),
        ]
    };
    Estimate {
        points: grouped(breakage.points),
        open_points: grouped(breakage.open_points),
        share: percent(breakage.share_basis_points),
        observed: grouped(breakage.points_observed),
        vintages: breakage.vintages_observed,
        sample_percent: breakage.sample_percent,
        ages: breakage.ages.iter().map(age).collect(),
    }
}

/// Basis points as percent, exactly.
fn percent(basis_points: i32) -> String {
    format!("{}.{:02} %", basis_points / 100, basis_points % 100)
}

#[cfg(test)]
mod tests {
    use super::super::shown::tests::shown;
    use super::*;

    #[test]
    fn the_page_says_the_figures_and_runs_and_fetches_nothing() {
        let page = html(&shown()).unwrap();
        for text in ["1,180", "-0.10 USD", "2024-02", "<svg", "prefers-color-scheme: dark", "redeemed</th>"] {
            assert!(page.contains(text), "{text}: {page}");
        }
        assert!(page.contains("&lt;b&gt;Shop &amp; Co&lt;&#x2f;b&gt;"), "names are escaped");
        for text in ["<script", "http:", "https:", "<b>Shop", "url(", "@import", "reversed</th>"] {
            assert!(!page.contains(text), "{text}");
        }
    }

    #[test]
    fn an_estimate_is_shown_with_what_it_rests_on() {
        let mut shown = shown();
        shown.currencies[0].breakage = Some(Breakage {
            points: 250,
            open_points: 1_000,
            share_basis_points: 2_505,
            points_observed: 9_000,
            points_observed_expired: 2_254,
            vintages_observed: 3,
            sample_percent: 12,
            ages: Vec::new(),
        });
        let page = html(&shown).unwrap();
        assert!(page.contains("25.05 %") && page.contains("9,000"), "{page}");
    }
}
