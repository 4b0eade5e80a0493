//! The answers of a real survey, imported from a file, as CSV and again as JSON lines: each is one voice, and
//! the scores are the known ones, in all and by country.

use std::io::Write as _;
use std::path::Path;

use harness::calls::timestamp;
use harness::house::{House, START};
use harness::process::rapport;
use proto::rapport::scoring::v1 as pb;
use proto::rapport::scoring::v1::score_service_client::ScoreServiceClient;
use suite::compose::Role;

in_process! {
    whatever_form_it_comes_in;
}

/// See tests/data/README.md.
const MEANS: [(&str, f64); 6] = [
    ("Benelux", 2.68),
    ("France", 3.285714),
    ("Germany", 3.873874),
    ("Israel", 3.956522),
    ("Italy", 3.615385),
    ("UK", 3.16),
];

/// Imports a file; the JSON summary.
fn import(house: &House, file: &Path) -> serde_json::Value {
    let target = house.target();
    let file = file.to_str().expect("a path");
    let mapping = ["--id-column", "ID", "--csat-column", "Satisfaction", "--branch-column", "country"];
    let fixed =
        ["--source", "survey-abc", "--channel", "survey-web", "--target", &target, "--output", "json"];
    let output = rapport(&[&["import", "feedback", file][..], &mapping, &fixed].concat());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("a summary")
}

/// The same rows as JSON lines.
fn as_json_lines(csv: &Path) -> tempfile::NamedTempFile {
    let text = std::fs::read_to_string(csv).expect("the survey");
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().expect("a header").split(',').collect();
    let mut file = tempfile::Builder::new().suffix(".jsonl").tempfile().expect("a file");
    for line in lines {
        let values = names.iter().copied().zip(line.split(',')).map(|(n, v)| (n.to_owned(), v.into()));
        let object: serde_json::Map<String, serde_json::Value> = values.collect();
        writeln!(file, "{}", serde_json::Value::Object(object)).expect("a line");
    }
    file
}

async fn whatever_form_it_comes_in(house: House) {
    let csv = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/survey_abc.csv");
    let json_lines = as_json_lines(&csv);
    let (first, again) =
        tokio::task::block_in_place(|| (import(&house, &csv), import(&house, json_lines.path())));
    // Four left the question open.
    let counts = |summary: &serde_json::Value| {
        ["read", "accepted", "replayed", "refused", "cases_opened"]
            .map(|name| summary[name].as_i64().expect(name))
    };
    assert_eq!(counts(&first), [266, 262, 0, 4, 36]);
    assert_eq!(counts(&again), [266, 0, 262, 4, 0]);
    house.settle().await;
    let day = 86_400_000_000;
    let request = pb::QueryScoresRequest {
        metric: pb::Metric::Csat.into(),
        start_time: Some(timestamp(START.plus_micros(-day))),
        end_time: Some(timestamp(START.plus_micros(day))),
        dimension: pb::Dimension::Branch.into(),
        ..Default::default()
    };
    let mut scores = ScoreServiceClient::new(house.client_of(Role::Scoring).await);
    let answer = scores.query_scores(request).await.expect("scores").into_inner();
    let total = answer.total.expect("a total");
    let receipt = total.receipt.expect("a receipt");
    assert_eq!(receipt.denominator, 262);
    let near = |value: f64, known: f64| assert!((value - known).abs() < 5e-7, "{value} is not {known}");
    near(total.value.expect("a score"), 0.595_420);
    near(receipt.mean.expect("a mean"), 3.561_069);
    assert_eq!(answer.scores.len(), MEANS.len());
    for (score, (country, mean)) in answer.scores.into_iter().zip(MEANS) {
        assert_eq!(score.segment.expect("a segment").value, country);
        near(score.receipt.and_then(|receipt| receipt.mean).expect("a mean"), mean);
    }
    house.end().await;
}
