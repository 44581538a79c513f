//! The meters in Prometheus' text format.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric, prometheus_text},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use crate::meters::{Meters, Snapshot};

/// What to send as the type of [`text`].
pub(super) const CONTENT_TYPE: &str = prometheus_text::CONTENT_TYPE;

/// What is registered once and encoded at each scrape.
pub(super) fn registry(meters: Meters) -> Registry {
    let mut registry = Registry::with_prefix("mirror");
    registry.register_collector(Box::new(meters));
    registry
}

/// All metrics, now.
pub(super) fn text(registry: &Registry) -> Result<String, fmt::Error> {
    let mut text = String::new();
    prometheus_text::encode(&mut text, registry)?;
    Ok(text)
}

impl Collector for Meters {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let now = self.snapshot();
        for (name, help, value) in counters(&now) {
            let counter = ConstCounter::new(value);
            counter.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                counter.metric_type(),
            )?)?;
        }
        let (name, help) =
            ("records_in_flight", "Records sent that the destination has not acknowledged");
        let gauge = ConstGauge::new(now.in_flight);
        gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        let (name, help) =
            ("lag_records", "Offsets between what is copied and the end of the source's partition");
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for ((topic, partition), lag) in &now.lags {
            let labels = [("topic", topic.clone()), ("partition", partition.to_string())];
            ConstGauge::new(*lag).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

/// Names are completed to `mirror_…_total`.
fn counters(now: &Snapshot) -> [(&'static str, &'static str, u64); 10] {
    [
        ("records_copied", "Records that the destination acknowledged", now.copied),
        ("bytes_copied", "Bytes of keys and values that the destination acknowledged", now.bytes),
        ("records_dropped", "Records that could not be sent and were passed over", now.dropped),
        (
            "send_errors",
            "Failed attempts to send a record, be it sent again or not",
            now.send_errors,
        ),
        (
            "records_restamped",
            "Records sent with another timestamp, since theirs cannot be written",
            now.restamped,
        ),
        ("records_read_again", "Records read that this process had read before", now.read_again),
        ("commits", "Commits that the source took", now.commits),
        ("commits_failed", "Commits that the source did not take", now.failed_commits),
        ("lost_ranges", "Ranges gone from the source before they were copied", now.lost_ranges),
        ("rebalances", "Assignments received from the group, of all streams", now.rebalances),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_has_a_name_a_type_and_a_help() {
        let meters = Meters::new(1);
        let stream = meters.stream(0);
        stream.copied.add(3);
        stream.sent.add(5);
        stream.lags().insert(("a \"b\"".to_owned(), 2), 7);
        let text = text(&registry(meters)).unwrap();
        for line in [
            "# HELP mirror_records_copied_total Records that the destination acknowledged",
            "# TYPE mirror_records_copied_total counter",
            "mirror_records_copied_total 3",
            "mirror_bytes_copied_total 0",
            "mirror_records_dropped_total 0",
            "mirror_send_errors_total 0",
            "mirror_records_restamped_total 0",
            "mirror_records_read_again_total 0",
            "mirror_commits_total 0",
            "mirror_commits_failed_total 0",
            "mirror_lost_ranges_total 0",
            "mirror_rebalances_total 0",
            "# TYPE mirror_records_in_flight gauge",
            "mirror_records_in_flight 5",
            "# TYPE mirror_lag_records gauge",
            "mirror_lag_records{topic=\"a \\\"b\\\"\",partition=\"2\"} 7",
        ] {
            assert!(text.lines().any(|found| found == line), "no {line:?} in\n{text}");
        }
    }
}
