//! Which promise an anomaly breaks.

use judge::verdict::Anomaly;

/// Each promise by its feature's short name, and what breaks it.
pub const PROMISES: [(&str, &[Anomaly]); 6] = [
    (
        "completeness",
        &[
            Anomaly::Lost,
            Anomaly::Stalled,
            Anomaly::CommitAhead,
            Anomaly::CommitBehind,
            Anomaly::LostAtSource,
            Anomaly::Expired,
        ],
    ),
    ("duplicates", &[Anomaly::Duplicated, Anomaly::Rewound]),
    ("ordering", &[Anomaly::Reordered, Anomaly::Stale, Anomaly::Misplaced]),
    ("fidelity", &[Anomaly::Corrupted]),
    ("topics", &[Anomaly::Phantom, Anomaly::Leaked, Anomaly::Looped, Anomaly::ConfigDrift]),
    (
        "offsets",
        &[
            Anomaly::OffsetsMispredicted,
            Anomaly::OffsetsCoincide,
            Anomaly::TranslationSkips,
            Anomaly::TranslationRewinds,
        ],
    ),
];

/// The short name of the feature whose promise an anomaly breaks.
pub fn broken_by(anomaly: Anomaly) -> &'static str {
    let promise = PROMISES.iter().find(|(_, anomalies)| anomalies.contains(&anomaly));
    promise.map_or("none", |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_breaks_one_promise() {
        for anomaly in Anomaly::ALL {
            let promises = PROMISES.iter().filter(|(_, broken)| broken.contains(&anomaly)).count();
            assert_eq!(promises, 1, "{anomaly}");
        }
    }
}
