//! How hard the producer compresses: Java has a level for each codec (KIP-390), librdkafka one for the codec in use.
//!
//! Pure. It knows no codec but by name and range.

use super::{
    setting::{Origin, Setting, Settings},
    translate::Refusal,
};

/// A codec, and the least and most of Java's range (`CompressionType` of Kafka 3.9).
const CODECS: [(&str, i64, i64); 3] = [("gzip", 1, 9), ("lz4", 1, 17), ("zstd", -131_072, 22)];
/// Java's default for gzip, which is librdkafka's for all.
const DEFAULT: i64 = -1;
/// The most that librdkafka takes. LZ4 itself has no higher one.
const MOST: i64 = 12;

/// Gives librdkafka the level of the codec in use, and takes the others' effect. Java judges all of them, too.
pub(super) fn resolve(producer: &mut Settings) -> Result<(), Refusal> {
    let codec_in_use = producer.get("compression.type").unwrap_or("none").to_owned();
    for (codec, least, most) in CODECS {
        let name = format!("compression.{codec}.level");
        let Some(setting) = producer.take(&name) else { continue };
        let level = level(codec, &setting.value, least, most);
        let level = level.map_err(|reason| Refusal::Value { name: name.clone(), reason })?;
        let one = if codec == codec_in_use {
            let reason = match level.to_string() {
                same if same == setting.value => format!("you wrote {name}"),
                _ => format!(
                    "you wrote {name}={}; it is the nearest that librdkafka takes",
                    setting.value
                ),
            };
            let level = level.to_string();
            if let Some(other) = producer.take("compression.level") {
                let reason = format!("{name} is given");
                producer.set(Setting { origin: Origin::Ignored, reason, ..other });
            }
            Setting::new("compression.level", &level, Origin::Mapped, reason).written_as(&name)
        } else {
            let reason = format!("compression.type is {codec_in_use}");
            Setting { origin: Origin::Ignored, reason, ..setting }
        };
        producer.set(one);
    }
    Ok(())
}

/// The nearest level that librdkafka takes.
fn level(codec: &str, value: &str, least: i64, most: i64) -> Result<i64, String> {
    let is_gzip = codec == "gzip";
    match value.parse::<i64>() {
        Ok(DEFAULT) if is_gzip => Ok(DEFAULT),
        // To librdkafka -1 is its default, and Java's negative levels of zstd are faster than 1.
        Ok(level) if (least..0).contains(&level) => Ok(1),
        Ok(level) if (least..=most).contains(&level) => Ok(level.min(MOST)),
        _ => {
            let default = if is_gzip { " (or -1, the default)" } else { "" };
            Err(format!(
                "is {value:?}; write a whole number from {least} to {most}{default}, or remove it"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &[(&str, &str)], expected: &str) {
        let mut settings = Settings::default();
        for (name, value) in lines {
            settings.set(Setting::new(name, value, Origin::User, ""));
        }
        let outcome = match resolve(&mut settings) {
            Ok(()) => {
                let shown = settings.all().iter().map(|one| format!("{} {one}", one.origin));
                shown.collect::<Vec<_>>().join("\n")
            }
            Err(refusal) => format!("!{refusal}"),
        };
        assert!(outcome.contains(expected), "{expected:?} is not in\n{outcome}");
    }

    #[test]
    fn the_level_of_the_codec_in_use_has_effect_and_the_others_none() {
        let gzip = ("compression.type", "gzip");
        let zstd = ("compression.type", "zstd");
        let (of_gzip, of_zstd) = (("compression.gzip.level", "9"), ("compression.zstd.level", "3"));
        check(&[gzip, of_gzip], "mapped compression.level=9 (you wrote compression.gzip.level)");
        // The order in the file does not matter.
        for lines in [[of_gzip, of_zstd, zstd], [zstd, of_zstd, of_gzip]] {
            check(&lines, "mapped compression.level=3 (you wrote compression.zstd.level)");
            check(&lines, "ignored compression.gzip.level=9 (compression.type is zstd)");
        }
        check(&[of_zstd], "ignored compression.zstd.level=3 (compression.type is none)");
        // Java does not know librdkafka's name.
        let own = ("compression.level", "9");
        for lines in [[zstd, own, of_zstd], [zstd, of_zstd, own]] {
            check(&lines, "ignored compression.level=9 (compression.zstd.level is given)");
            check(&lines, "mapped compression.level=3 (you wrote compression.zstd.level)");
        }
    }

    #[test]
    fn levels_of_java_that_librdkafka_lacks_become_the_nearest() {
        for (codec, level, expected) in [
            ("gzip", "-1", "-1 (you wrote compression.gzip.level)"),
            ("lz4", "17", "12 (you wrote compression.lz4.level=17; it is the nearest"),
            ("zstd", "22", "12 (you wrote compression.zstd.level=22; it is the nearest"),
            ("zstd", "-5", "1 (you wrote compression.zstd.level=-5; it is the nearest"),
            ("zstd", "0", "0 (you wrote compression.zstd.level)"),
        ] {
            let name = format!("compression.{codec}.level");
            let lines = [("compression.type", codec), (name.as_str(), level)];
            check(&lines, &format!("mapped compression.level={expected}"));
        }
    }

    #[test]
    fn a_level_that_java_refuses_is_refused_whatever_the_codec() {
        for (codec, level, range) in [
            ("gzip", "0", "from 1 to 9 (or -1, the default)"),
            ("gzip", "10", "from 1 to 9"),
            ("gzip", "best", "from 1 to 9"),
            ("lz4", "18", "from 1 to 17"),
            ("lz4", "-1", "from 1 to 17"),
            ("zstd", "23", "from -131072 to 22"),
        ] {
            let name = format!("compression.{codec}.level");
            for codec in ["none", codec] {
                let lines = [("compression.type", codec), (name.as_str(), level)];
                check(&lines, &format!("!{name} is {level:?}; write a whole number {range}"));
            }
        }
    }
}
