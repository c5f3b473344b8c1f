//! What a terminal shows: columns, short digests, sizes, times.

use std::iter;

use crate::identity::ReleaseDigest;

/// The words of absent things.
pub(super) const NOTHING: &str = "-";

/// Rows below their headings, each column as wide as its widest cell.
pub(super) fn table<const COLUMNS: usize>(headings: [&str; COLUMNS], rows: &[[String; COLUMNS]]) -> String {
    let headings = headings.map(str::to_owned);
    let rows: Vec<_> = iter::once(&headings).chain(rows).map(|row| row.each_ref().map(|cell| plain(cell))).collect();
    let widths: [usize; COLUMNS] =
        std::array::from_fn(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default());
    let line = |row: &[String; COLUMNS]| {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        format!("{}\n", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

/// Text on one line, without what a terminal would take for an order: titles and reasons are other people's words.
pub(in crate::cli) fn plain(text: &str) -> String {
    text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect()
}

/// A digest as people compare it.
pub(in crate::cli) fn short(digest: &ReleaseDigest) -> String {
    digest.to_string().chars().take(12).collect()
}

pub(super) fn size(bytes: u64) -> String {
    match bytes.div_ceil(1000) {
        kilobytes @ 0..1000 => format!("{kilobytes} kB"),
        kilobytes => format!("{}.{} MB", kilobytes / 1000, kilobytes % 1000 / 100),
    }
}

/// A time of Unix milliseconds.
pub(super) fn time(at_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(at_ms);
    time.map_or_else(|_| format!("{at_ms} ms"), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["roulette", "é"], ["x", "two\nlines"]].map(|row| row.map(str::to_owned));
        assert_eq!(table(["GAME", "T"], &rows), "GAME      T\nroulette  é\nx         two lines\n");
    }

    #[test]
    fn sizes_and_times_are_for_people() {
        assert_eq!([0, 1, 65_432, 999_001, 1_640_000].map(size), ["0 kB", "1 kB", "66 kB", "1.0 MB", "1.6 MB"]);
        assert_eq!(time(1_767_323_045_006), "2026-01-02 03:04:05 UTC");
        assert_eq!(time(i64::MAX), "9223372036854775807 ms");
        assert_eq!(short(&ReleaseDigest::ZERO), "000000000000");
    }
}
