//! Writes families of metrics.

use crate::actors::log_watcher::latency::Latency;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt::Error;

/// Names and values of labels.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The only sample of its family.
pub(super) fn one(value: f64) -> [(Labels, f64); 1] {
    [(Labels::new(), value)]
}

/// Writes one family after another.
pub(super) struct Families<'a>(pub(super) DescriptorEncoder<'a>);

impl Families<'_> {
    /// Writes values that can decrease.
    pub(super) fn gauge(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, f64)>,
    ) -> Result<(), Error> {
        self.write(name, help, MetricType::Gauge, samples, ConstGauge::new)
    }

    /// Writes values that only increase; the suffix `_total` is added to their names.
    pub(super) fn counter(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, u64)>,
    ) -> Result<(), Error> {
        self.write(name, help, MetricType::Counter, samples, ConstCounter::new)
    }

    /// Writes a duration that only increases.
    pub(super) fn counter_of_seconds(&mut self, name: &str, help: &str, seconds: f64) -> Result<(), Error> {
        self.write(name, help, MetricType::Counter, [(Labels::new(), seconds)], ConstCounter::new)
    }

    /// Writes facts as labels.
    pub(super) fn info(&mut self, name: &str, help: &str, facts: Labels) -> Result<(), Error> {
        self.0.encode_descriptor(name, help, None, MetricType::Info)?.encode_info(&facts)
    }

    /// Writes histograms of durations.
    pub(super) fn histogram(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = (Labels, Latency)>,
    ) -> Result<(), Error> {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, latency) in samples {
            let steps: Vec<_> = latency.steps().collect();
            let mut one = family.encode_family(&labels)?;
            one.encode_histogram::<NoLabelSet>(latency.sum(), latency.count(), &steps, None)?;
        }
        Ok(())
    }

    fn write<V, M: EncodeMetric>(
        &mut self,
        name: &str,
        help: &str,
        kind: MetricType,
        samples: impl IntoIterator<Item = (Labels, V)>,
        metric: impl Fn(V) -> M,
    ) -> Result<(), Error> {
        let mut samples = samples.into_iter().peekable();
        // Prometheus does not need families without samples.
        if samples.peek().is_none() {
            return Ok(());
        }
        let mut family = self.0.encode_descriptor(name, help, None, kind)?;
        for (labels, value) in samples {
            if labels.is_empty() {
                // A family without labels has only one sample.
                return metric(value).encode(family);
            }
            metric(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
