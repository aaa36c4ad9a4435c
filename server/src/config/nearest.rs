//! Finds the known name that a mistyped one was probably meant to be.
//!
//! Pure. Distance is Damerau-Levenshtein with adjacent transpositions (optimal string alignment).

/// The known name nearest to `written`, if it is near enough to be a slip: at most a third of its letters, and at
/// least two, away.
pub(super) fn nearest<'a>(written: &str, known: &[&'a str]) -> Option<&'a str> {
    let limit = (written.chars().count() / 3).max(2);
    let distances = known.iter().map(|name| (distance(written, name), *name));
    distances.filter(|(distance, _)| *distance <= limit).min().map(|(_, name)| name)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // rows[i][j]: edits between the first i letters of `a` and the first j of `b`.
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    rows[0] = (0..=b.len()).collect();
    for i in 1..=a.len() {
        rows[i][0] = i;
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_key_and_nonsense_finds_none() {
        let known = ["path", "schema_paths", "subscriptions_path", "cache_size_kib"];
        assert_eq!(nearest("pth", &known), Some("path"));
        assert_eq!(nearest("ptah", &known), Some("path"));
        assert_eq!(nearest("schema_path", &known), Some("schema_paths"));
        assert_eq!(nearest("colour", &known), None);
    }
}
