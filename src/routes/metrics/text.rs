//! Converts OpenMetrics to Prometheus's text format (version 0.0.4).

/// The same samples in the older format: a counter's family has the name of its samples, an info is a gauge, and there
/// is no end marker.
pub(super) fn for_prometheus(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len() + 1024);
    // The help line, until the type is known.
    let mut help: Option<(&str, &str)> = None;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ');
        } else if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' '))
        {
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                kind => ("", kind),
            };
            if let Some((_, words)) = help.take() {
                text += &format!("# HELP {name}{suffix} {words}\n");
            }
            text += &format!("# TYPE {name}{suffix} {kind}\n");
        } else if !line.starts_with("# ") {
            text += line;
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_have_the_names_of_their_samples() {
        let open_metrics = "# HELP a_b Words of help.\n# TYPE a_b counter\na_b_total{x=\"y\"} 1\n\
                            # HELP c Other words.\n# TYPE c gauge\nc 2.5\n\
                            # HELP d What it is.\n# TYPE d info\nd_info{v=\"# TYPE x\"} 1\n# EOF\n";
        let expected = "# HELP a_b_total Words of help.\n# TYPE a_b_total counter\na_b_total{x=\"y\"} 1\n\
                        # HELP c Other words.\n# TYPE c gauge\nc 2.5\n\
                        # HELP d_info What it is.\n# TYPE d_info gauge\nd_info{v=\"# TYPE x\"} 1\n";
        assert_eq!(for_prometheus(open_metrics), expected);
    }
}
