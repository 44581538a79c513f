//! `--memory`: one budget for what all streams hold, split over the queues of their clients.
//!
//! Pure. librdkafka counts the bytes of keys and values alone; what it keeps beside each record weighs more than
//! a small record itself. The shares are estimates for records of 100 bytes, so that larger ones take less.

use super::{
    ConfigError,
    setting::{Origin, Setting, Settings},
};

/// What the program takes before it has read anything.
const BASE_MB: u64 = 24;
/// Below this, a stream's batches and fetches get so small that it copies slowly.
const LEAST_PER_STREAM_MB: u64 = 16;
const MB: u64 = 1 << 20;

/// Sets the queues of one stream, so that all streams stay within the budget.
pub(super) fn split(
    consumer: &mut Settings,
    producer: &mut Settings,
    megabytes: u64,
    streams: u16,
) -> Result<(), ConfigError> {
    let streams = u64::from(streams);
    let least = BASE_MB + LEAST_PER_STREAM_MB * streams;
    if megabytes < least {
        return Err(ConfigError::TooLittleMemory { megabytes, streams, least });
    }
    let share = (megabytes - BASE_MB) * MB / streams;
    let reason = format!("--memory {megabytes} over {streams} streams");
    let set = |settings: &mut Settings, name: &str, bytes: u64, unit: u64| {
        if let Some(yours) = settings.get(name) {
            tracing::warn!(
                "--memory {megabytes} does not bound {name}: your properties set it to {yours}"
            );
        }
        let value = (bytes / unit).to_string();
        settings.set_default(Setting::new(name, &value, Origin::Default, reason.as_str()));
    };
    // An answer that is just read is kept within it, too (fetch.max.bytes follows it).
    set(consumer, "queued.max.messages.kbytes", share / 16, 1024);
    set(consumer, "max.partition.fetch.bytes", MB.min(share / 16), 1);
    set(producer, "queue.buffering.max.kbytes", share / 6, 1024);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split_to(megabytes: u64, streams: u16) -> Result<[u64; 3], String> {
        let (mut consumer, mut producer) = (Settings::default(), Settings::default());
        split(&mut consumer, &mut producer, megabytes, streams)
            .map_err(|error| error.to_string())?;
        let number = |settings: &Settings, name| settings.get(name).unwrap().parse().unwrap();
        Ok([
            number(&consumer, "queued.max.messages.kbytes"),
            number(&consumer, "max.partition.fetch.bytes") / 1024,
            number(&producer, "queue.buffering.max.kbytes"),
        ])
    }

    #[test]
    fn the_streams_share_the_budget() {
        for (megabytes, streams) in [(40, 1), (150, 1), (150, 4), (1000, 10), (100_000, 1)] {
            let [ahead, partition, sent] = split_to(megabytes, streams).unwrap();
            let each = 2 * ahead + sent;
            assert!(each * u64::from(streams) < megabytes * 1024 / 2, "{megabytes} {streams}");
            assert!(ahead >= 1024 && partition >= 1024 && sent >= 2048, "{megabytes} {streams}");
        }
    }

    #[test]
    fn too_little_is_refused_with_what_is_needed() {
        let text = split_to(40, 2).unwrap_err();
        assert!(text.contains("--memory 40") && text.contains("at least 56"), "{text}");
        assert!(split_to(56, 2).is_ok());
    }

    #[test]
    fn the_user_s_value_stays() {
        let (mut consumer, mut producer) = (Settings::default(), Settings::default());
        let name = "queue.buffering.max.kbytes";
        producer.set(Setting::new(name, "9999", Origin::User, ""));
        split(&mut consumer, &mut producer, 100, 1).unwrap();
        assert_eq!(producer.get(name), Some("9999"));
    }
}
