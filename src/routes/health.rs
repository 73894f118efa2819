//! Health checks: liveness for supervisors that restart the server, readiness for load balancers.

use super::answers::json_answer;
use super::on_demand::StatusAndBody;
use super::state::AppState;
use super::visitors::{json_for, visitor};
use crate::actors::log_watcher::LogSnapshot;
use crate::config::HealthLimits;
use crate::outputs::OutputFigures;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::{Value, json};
use std::time::Duration;

/// The delivery state of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Delivery {
    /// Its visible entries are sent.
    Delivering,
    /// Nothing has been received from it since the program started, but the time limit has not passed yet.
    Starting,
    /// No acceptable head has been received from it for too long.
    Silent,
    /// It has visible entries that have not been sent for too long.
    Behind,
    /// It is no longer watched because of an error.
    Halted,
}

/// `/health`: whether the server is alive.
pub(super) async fn alive(state: web::Data<AppState>) -> Result<HttpResponse, actix_web::Error> {
    let make = async {
        let answers = state.liveness.holds().await;
        let status = if answers { "alive" } else { "stuck" };
        let body = json!({ "status": status, "version": env!("CARGO_PKG_VERSION"),
            "uptime_seconds": state.begin.elapsed().as_secs() });
        Ok::<_, actix_web::Error>(answer(answers, &body))
    };
    Ok(json_answer(state.answers.alive.get(make).await?))
}

/// `/health/ready`: whether enough logs are delivered, and which ones are not.
/// Admins are also told why outputs fail.
pub(super) async fn ready(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, actix_web::Error> {
    let visitor = visitor(&req);
    let [ready, hidden] = &state.answers.ready;
    let answer = if visitor.is_admin { ready } else { hidden };
    let make = async { Ok::<_, actix_web::Error>(readiness(&state, visitor.is_admin)) };
    Ok(json_for(visitor, answer.get(make).await?))
}

fn readiness(state: &AppState, all: bool) -> StatusAndBody {
    let (up, limits) = (state.begin.elapsed(), state.live.settings().health);
    let logs: Vec<_> =
        state.logs.all().iter().map(|log| (log.source().url().to_string(), log.snapshot())).collect();
    let judged = logs.iter().map(|(url, log)| (delivery(log, limits, up), url, log));
    let (delivering, others): (Vec<_>, Vec<_>) = judged.partition(|(is, ..)| *is == Delivery::Delivering);
    let ready = is_ready(delivering.len(), logs.len(), limits);
    let others: Vec<Value> = others.iter().map(|(is, url, log)| describe(*is, url, log)).collect();
    let body = json!({ "ready": ready, "logs": logs.len(), "delivering": delivering.len(),
        "not_delivering": others, "outputs": outputs(state, all), "state_error": state.positions.error() });
    in_cluster(state, ready, body)
}

/// How far the outputs that run here are behind. It does not decide whether the server is ready: clients get their messages also while the
/// target of an output fails.
fn outputs(state: &AppState, all: bool) -> Vec<Value> {
    let describe = |output: OutputFigures| {
        json!({ "name": output.name, "failing": output.error.is_some(), "behind": output.behind,
            "behind_seconds": output.behind_seconds, "error": output.error.filter(|_| all) })
    };
    state.outputs().into_iter().filter(|output| output.runs_here).map(describe).collect()
}

/// The answer, with what the cluster looks like, if this server is a part of one.
#[cfg(feature = "cluster")]
fn in_cluster(state: &AppState, mut ready: bool, mut body: Value) -> StatusAndBody {
    if let Some(cluster) = &state.cluster {
        let figures = cluster.figures();
        ready = figures.is_ready(ready, state.logs.all().len(), state.live.settings().health.log_patience);
        body["ready"] = ready.into();
        body["cluster"] = figures.describe();
    }
    answer(ready, &body)
}

#[cfg(not(feature = "cluster"))]
fn in_cluster(_: &AppState, ready: bool, body: Value) -> StatusAndBody {
    answer(ready, &body)
}

/// The delivery state of a log, if the program has been running for `up`.
pub(super) fn delivery(log: &LogSnapshot, limits: HealthLimits, up: Duration) -> Delivery {
    let patience = limits.log_patience.as_secs();
    match log.heard_seconds {
        _ if log.halted.is_some() => Delivery::Halted,
        None if up < limits.log_patience => Delivery::Starting,
        None => Delivery::Silent,
        Some(_) if log.behind_seconds >= patience => Delivery::Behind,
        Some(ago) if ago >= patience => Delivery::Silent,
        Some(_) => Delivery::Delivering,
    }
}

/// Without logs the server is not ready.
fn is_ready(delivering: usize, logs: usize, limits: HealthLimits) -> bool {
    delivering > 0 && delivering * 100 >= logs * limits.ready_percent as usize
}

fn describe(is: Delivery, url: &str, log: &LogSnapshot) -> Value {
    json!({ "url": url, "name": log.name, "state": is, "pending": log.pending, "behind_seconds": log.behind_seconds,
        "heard_seconds": log.heard_seconds, "last_error": log.last_error, "halted": log.halted })
}

fn answer(well: bool, body: &Value) -> StatusAndBody {
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, body.to_string().into_bytes().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::log_watcher::LogStatus;
    use crate::config::Verification;
    use crate::ct::source::{Protocol, Source};

    const LIMITS: HealthLimits = HealthLimits { log_patience: Duration::from_secs(600), ready_percent: 50 };

    fn log() -> LogSnapshot {
        let source = Source::new("https://log.example/", "Example", "", None, Protocol::Rfc6962);
        LogStatus::new(source.into(), Verification::Signed).snapshot()
    }

    #[test]
    fn a_log_that_delivers_nothing_is_never_healthy() {
        let hour = Duration::from_secs(3600);
        let heard = |heard, behind| LogSnapshot { heard_seconds: heard, behind_seconds: behind, ..log() };
        for (log, expected) in [
            (heard(None, 0), Delivery::Silent),
            (heard(Some(600), 0), Delivery::Silent),
            (heard(Some(599), 599), Delivery::Delivering),
            (heard(Some(0), 600), Delivery::Behind),
            (heard(Some(600), 600), Delivery::Behind),
            (LogSnapshot { halted: Some("why".into()), ..heard(Some(0), 0) }, Delivery::Halted),
        ] {
            assert_eq!(delivery(&log, LIMITS, hour), expected);
        }
        assert_eq!(delivery(&log(), LIMITS, Duration::from_secs(5)), Delivery::Starting);
    }

    #[test]
    fn it_is_ready_when_enough_logs_deliver() {
        for (delivering, logs, ready) in
            [(0, 0, false), (0, 1, false), (1, 2, true), (1, 3, false), (3, 3, true)]
        {
            assert_eq!(is_ready(delivering, logs, LIMITS), ready, "{delivering} of {logs}");
        }
    }
}
