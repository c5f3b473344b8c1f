//! What `/metrics` says.

/// The numbers of one look at one process, or at several.
pub(crate) struct Numbers(String);

impl Numbers {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// The sum of all of a name, with labels that hold this text.
    pub(crate) fn sum(&self, name: &str, labels: &str) -> f64 {
        self.rows(name, labels).map(|(_, value)| value).sum()
    }

    /// The least bound of a histogram, in its unit, that so many of all observations are within; none where there are
    /// no observations, or they are beyond all bounds.
    pub(crate) fn quantile(&self, name: &str, labels: &str, quantile: f64) -> Option<f64> {
        let all = self.sum(&format!("{name}_count"), labels);
        let bucket = format!("{name}_bucket");
        let bounds = self.rows(&bucket, labels).filter_map(|(labels, _)| bound(labels));
        let within = |text| -> f64 {
            let rows = self.rows(&bucket, labels).filter(|(labels, _)| bound(labels) == Some(text));
            rows.map(|(_, count)| count).sum()
        };
        let mut enough = bounds.filter(|bound| all > 0.0 && within(bound) >= all * quantile);
        enough.next()?.parse().ok().filter(|bound: &f64| bound.is_finite())
    }

    fn rows<'a>(&'a self, name: &'a str, labels: &'a str) -> impl Iterator<Item = (&'a str, f64)> {
        self.0.lines().filter_map(move |line| {
            let (of, value) = line.strip_prefix("croupier_notifications_")?.rsplit_once(' ')?;
            let (its_name, its_labels) = of.split_once('{').unwrap_or((of, ""));
            (its_name == name && its_labels.contains(labels)).then_some((its_labels, value.parse().ok()?))
        })
    }
}

/// The bound of a bucket.
fn bound(labels: &str) -> Option<&str> {
    labels.split_once("le=\"")?.1.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_name_and_label() {
        let text = "# HELP croupier_notifications_failed Attempts.\n\
            croupier_notifications_failed_total{channel=\"email\",kind=\"throttled\"} 3\n\
            croupier_notifications_failed_total{channel=\"social\",kind=\"throttled\"} 4\n\
            croupier_notifications_call_seconds_sum{channel=\"email\"} 1.5\n\
            croupier_notifications_call_seconds_count{channel=\"email\"} 10\n\
            croupier_notifications_call_seconds_bucket{le=\"0.1\",channel=\"email\"} 5\n\
            croupier_notifications_call_seconds_bucket{le=\"0.2\",channel=\"email\"} 9\n\
            croupier_notifications_call_seconds_bucket{le=\"+Inf\",channel=\"email\"} 10\n";
        let numbers = Numbers::new(text.to_owned());
        let near = |one: f64, other: f64| (one - other).abs() < 1e-9;
        assert!(near(numbers.sum("failed_total", ""), 7.0));
        assert!(near(numbers.sum("failed_total", "channel=\"email\""), 3.0));
        assert!(near(numbers.sum("call_seconds_sum", "email"), 1.5));
        assert_eq!(numbers.quantile("call_seconds", "email", 0.5), Some(0.1));
        assert_eq!(numbers.quantile("call_seconds", "email", 0.9), Some(0.2));
        assert_eq!(numbers.quantile("call_seconds", "email", 0.99), None);
        assert_eq!(numbers.quantile("call_seconds", "social", 0.5), None);
        let two = Numbers::new(text.repeat(2));
        assert_eq!(two.quantile("call_seconds", "email", 0.9), Some(0.2));
    }
}
