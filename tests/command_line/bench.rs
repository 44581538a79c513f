//! Mirrors side by side: what `bench` refuses, and how it ends without an engine.

use super::place::{PROGRAM, Place, SMALL, Said};
use std::process::Command;

fn bench(place: &Place, words: &[&str]) -> Said {
    let mut command = Command::new(PROGRAM);
    // Nothing that is refused may have asked for it.
    command.arg("bench").args(words).env("DOCKER_HOST", "unix:///nonexistent.sock");
    place.run(command)
}

#[test]
fn what_cannot_be_compared_is_refused_with_what_can() {
    let place = Place::with(SMALL);
    let check = |words: &[&str], said: &[&str]| {
        bench(&place, &[words, &["--report", "report"]].concat()).refused(said);
        assert!(!place.path("report").exists(), "nothing was started, so nothing is left");
        assert!(!place.path("runs").exists(), "nor elsewhere");
    };
    let mirrors = "mirror, mirrormaker1 or mirrormaker2";
    check(&["--subject", "mirrormaker9"], &["\"mirrormaker9\"", "--subject", mirrors]);
    check(&["--subject", "command"], &["\"command\"", "--subject", mirrors]);
    check(&["--subject", "mirror", "--subject", "mirror"], &["--subject mirror", "twice"]);
    check(&["--records", "0"], &["'0'", "--records", "1.."]);
    check(&["--records", "many"], &["'many'", "--records"]);
    check(&["--size", "7"], &["'7'", "--size", "8..=1000000"]);
    check(&["--size", "1000001"], &["'1000001'", "--size", "8..=1000000"]);
    check(&["--rounds", "0"], &["'0'", "--rounds", "1.."]);
    check(&["--topics", "0"], &["'0'", "--topics", "1..=1000"]);
    check(&["--source-partitions", "0"], &["'0'", "--source-partitions", "1..=1000"]);
    check(&["--destination-partitions", "1001"], &["--destination-partitions", "1..=1000"]);
    check(&["--compression", "brotli"], &["'brotli'", "--compression", "zstd"]);
    check(&["--topics", "50", "--records", "49"], &["50 topics", "49 records", "--records"]);
    check(&["--topics", "1000"], &["8000 partitions", "4000 at most", "fewer --topics"]);
    check(&["--records", "100000000"], &["100000000 records of 100 bytes", "fewer or smaller"]);
    check(&["--outage", "soon"], &["'soon'", "--outage", "10m"]);
    check(&["--outage-of", "source"], &["--outage"]);
    check(&["--outage", "30s", "--outage-of", "both"], &["'both'", "--outage-of", "source"]);
    check(&["--bogus"], &["--bogus"]);
}

#[test]
fn a_report_that_has_no_place_is_refused() {
    let place = Place::with(SMALL);
    place.file("report", "a file is in the way");
    bench(&place, &["--report", "report"]).refused(&["report", "File exists", "--report DIR"]);
}

#[test]
fn without_an_engine_nothing_is_compared_and_it_is_4() {
    let place = Place::with(SMALL);
    let said = bench(&place, &["--report", "report"]);
    said.ended(4, &["/nonexistent.sock"]);
    assert_eq!(said.stdout, "", "there is nothing to show: {said:#?}");
    assert!(!place.path("report/bench.json").exists(), "nothing was measured");
}
