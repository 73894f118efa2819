//! `/metrics`: the state of the logs and clients, for Prometheus. docs/metrics.md explains each name.

#[cfg(feature = "cluster")]
mod cluster;
mod families;
mod filters;
mod logs;
mod operators;
mod outputs;
mod process;
mod server;
mod text;

use super::answers::no_broker;
#[cfg(feature = "cluster")]
use super::cluster::ClusterFigures;
use super::on_demand::StatusAndBody;
use super::state::AppState;
use crate::actors::broker::ReadFigures;
use crate::log_client::OperatorFigures;
use crate::outputs::OutputFigures;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, error, web};
use families::Families;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;

/// OpenMetrics 1.0, for clients that accept it.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
/// Prometheus's own text format, which every client supports.
const PROMETHEUS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics at one moment.
#[derive(Debug)]
struct Figures {
    logs: Vec<logs::LogFigures>,
    operators: BTreeMap<String, OperatorFigures>,
    server: server::ServerFigures,
    filters: Vec<filters::FilterFigures>,
    outputs: Vec<OutputFigures>,
    process: Option<process::ProcessFigures>,
    #[cfg(feature = "cluster")]
    cluster: Option<ClusterFigures>,
}

impl Collector for Figures {
    fn encode(&self, encoder: DescriptorEncoder) -> Result<(), std::fmt::Error> {
        let mut families = Families(encoder);
        logs::write(&self.logs, &mut families)?;
        operators::write(&self.operators, &mut families)?;
        self.server.write(&mut families)?;
        filters::write(&self.filters, &mut families)?;
        outputs::write(&self.outputs, &mut families)?;
        #[cfg(feature = "cluster")]
        if let Some(figures) = &self.cluster {
            cluster::write(figures, &mut families)?;
        }
        self.process.as_ref().map_or(Ok(()), |process| process.write(&mut families))
    }
}

pub(super) async fn metrics(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    let accept = req.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let as_open_metrics = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
    let [open_metrics, prometheus] = &state.answers.metrics;
    let (answers, content_type) =
        if as_open_metrics { (open_metrics, OPEN_METRICS) } else { (prometheus, PROMETHEUS) };
    let (status, body) = answers.get(text(&state, as_open_metrics)).await?;
    Ok(HttpResponse::build(status).content_type(content_type).body(body))
}

async fn text(state: &AppState, as_open_metrics: bool) -> Result<StatusAndBody, actix_web::Error> {
    let broker = state.broker.send(ReadFigures).await.map_err(no_broker)?;
    let figures = Figures {
        logs: logs::read(state),
        operators: state.operators.figures(),
        server: server::ServerFigures::read(state, broker),
        filters: filters::read(state),
        // Another server has the metrics of those that run there.
        outputs: state.outputs().into_iter().filter(|output| output.runs_here).collect(),
        process: process::ProcessFigures::read(),
        #[cfg(feature = "cluster")]
        cluster: state.cluster.as_ref().map(|cluster| cluster.figures()),
    };
    let mut registry = Registry::default();
    registry.register_collector(Box::new(figures));
    let mut open_metrics = String::new();
    encode(&mut open_metrics, &registry).map_err(error::ErrorInternalServerError)?;
    let text = if as_open_metrics { open_metrics } else { text::for_prometheus(&open_metrics) };
    Ok((StatusCode::OK, text.into()))
}
