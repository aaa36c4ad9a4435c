//! Medians and spreads of a few rounds.

/// What one contestant showed in the rounds of one case.
#[derive(Debug, Default)]
pub(super) struct Samples {
    pub rate: Series,
    pub cpu_us: Series,
}

/// Numbers in the order they were measured.
#[derive(Debug, Default)]
pub(super) struct Series(Vec<f64>);

impl Series {
    pub(super) fn push(&mut self, value: f64) {
        self.0.push(value);
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }

    /// The middle one, the upper of two. NaN without any.
    pub(super) fn median(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// `median (least-most)`.
    pub(super) fn summary(&self) -> String {
        let sorted = self.sorted();
        let end = |value: Option<&f64>| value.copied().unwrap_or(f64::NAN);
        format!("{:.0} ({:.0}-{:.0})", self.median(), end(sorted.first()), end(sorted.last()))
    }
}

/// The value below which this share of the sorted values lies.
pub(super) fn percentile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index between 0 and last")]
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
