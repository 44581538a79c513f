//! The bad mirrors, one defect a file. To add one: a file, and a line in each list here.

use super::Fault;

mod commits_before_delivery;
mod commits_highest;
mod copies_elsewhere;
mod copies_raw_offsets;
mod cuts_large_values;
mod delays_one;
mod drops_headers;
mod drops_when_full;
mod empties_null_header;
mod empties_null_value;
mod ends_silently;
mod flips_a_bit;
mod forgets_settings;
mod forwards_aborted;
mod forwards_excluded_topic;
mod hangs;
mod hashes_crc32;
mod ignores_refusals;
mod invents_one;
mod jumps_over_a_gap;
mod keeps_old_count;
mod loops;
mod loses_first;
mod loses_last;
mod loses_one;
mod loses_one_repeats_one;
mod loses_partition;
mod merges_headers;
mod never_commits;
mod nulls_empty_key;
mod nulls_empty_value;
mod re_encodes_text;
mod repeats_one;
mod repeats_one_later;
mod restamps;
mod rewinds;
mod sorts_headers;
mod starts_at_latest;
mod swaps_keys;
mod swaps_two;
mod task_per_record;
mod translates_past_unread;
mod translates_to_the_start;
mod trims_values;
mod truncates_timestamps;
mod writes_late;
mod zeroes_timestamps;

/// All of them.
pub(super) const ALL: [Fault; 47] = [
    loses_one::FAULT,
    loses_first::FAULT,
    loses_last::FAULT,
    loses_partition::FAULT,
    loses_one_repeats_one::FAULT,
    repeats_one::FAULT,
    repeats_one_later::FAULT,
    rewinds::FAULT,
    writes_late::FAULT,
    swaps_two::FAULT,
    delays_one::FAULT,
    task_per_record::FAULT,
    commits_before_delivery::FAULT,
    commits_highest::FAULT,
    never_commits::FAULT,
    drops_when_full::FAULT,
    starts_at_latest::FAULT,
    hashes_crc32::FAULT,
    keeps_old_count::FAULT,
    empties_null_value::FAULT,
    nulls_empty_value::FAULT,
    nulls_empty_key::FAULT,
    drops_headers::FAULT,
    merges_headers::FAULT,
    sorts_headers::FAULT,
    empties_null_header::FAULT,
    restamps::FAULT,
    truncates_timestamps::FAULT,
    zeroes_timestamps::FAULT,
    flips_a_bit::FAULT,
    swaps_keys::FAULT,
    cuts_large_values::FAULT,
    trims_values::FAULT,
    re_encodes_text::FAULT,
    invents_one::FAULT,
    copies_elsewhere::FAULT,
    forwards_excluded_topic::FAULT,
    forwards_aborted::FAULT,
    loops::FAULT,
    ends_silently::FAULT,
    hangs::FAULT,
    copies_raw_offsets::FAULT,
    translates_past_unread::FAULT,
    translates_to_the_start::FAULT,
    ignores_refusals::FAULT,
    jumps_over_a_gap::FAULT,
    forgets_settings::FAULT,
];
