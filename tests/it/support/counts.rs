//! Reads `/metrics`.

use std::collections::BTreeMap;

use countersign::app::Running;

/// Series by name and labels, as they are written.
#[derive(Clone, Debug)]
pub(crate) struct Counts(BTreeMap<String, f64>);

impl Counts {
    pub(crate) fn of(running: &Running) -> Self {
        Self::read(&String::from_utf8(running.metrics.text().unwrap()).unwrap())
    }

    pub(crate) fn read(text: &str) -> Self {
        let series = text
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| line.rsplit_once(' '))
            .map(|(series, value)| (series.to_owned(), value.parse().unwrap()));
        Self(series.collect())
    }

    /// The whole number of a series, 0 where there is none.
    #[expect(clippy::cast_possible_truncation, reason = "counts of tests are small")]
    pub(crate) fn whole(&self, series: &str) -> i64 {
        self.0.get(series).map_or(0, |value| *value as i64)
    }

    pub(crate) fn has(&self, series: &str) -> bool {
        self.0.contains_key(series)
    }

    /// How many callbacks ended so, by the labels in the order gateway, outcome, reason, route.
    pub(crate) fn ended(&self, labels: [&str; 4]) -> i64 {
        self.whole(&ended(labels))
    }

    /// What has been counted of the callbacks since `before`, without what has not changed.
    pub(crate) fn callbacks_since(&self, before: &Self) -> Vec<(String, i64)> {
        self.0
            .keys()
            .filter(|series| series.starts_with("countersign_callbacks_total{"))
            .map(|series| (series.clone(), self.whole(series) - before.whole(series)))
            .filter(|(_, more)| *more != 0)
            .collect()
    }
}

/// The series of callbacks that ended so.
pub(crate) fn ended([gateway, outcome, reason, route]: [&str; 4]) -> String {
    format!(
        "countersign_callbacks_total{{gateway=\"{gateway}\",outcome=\"{outcome}\",\
         reason=\"{reason}\",route=\"{route}\"}}"
    )
}
