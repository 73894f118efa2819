"""Asks a Prometheus for every expression of a dashboard's panels: metrics_panels.py DASHBOARD.json PROMETHEUS_URL

Fails if one has no data, or if an alert is pending or firing.
"""

import json
import re
import sys
import urllib.parse
import urllib.request

dashboard, base = sys.argv[1], sys.argv[2]


def ask(path, **query):
    with urllib.request.urlopen(f"{base}/api/v1/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return json.load(answer)["data"]


# Long ranges are longer than the server has been running.
def for_now(expression):
    return re.sub(r"\[\d+[smhd]\]", "[15s]", expression.replace("$instance", ".*"))


wrong, asked = [], 0
for panel in json.load(open(dashboard))["panels"]:
    for target in panel.get("targets", []):
        asked += 1
        result = ask("query", query=for_now(target["expr"]))["result"]
        if not [sample for sample in result if sample["value"][1] != "NaN"]:
            wrong.append(f"{panel['title']}: no data for {target['expr']}")
for alert in ask("alerts")["alerts"]:
    wrong.append(f"alert {alert['labels']['alertname']} is {alert['state']}: {alert['annotations']['summary']}")
print(f"{asked} expressions of {dashboard} asked for")
if wrong:
    sys.exit("\n".join(wrong))
