"""Turns the panels of the overview into the JSON that Grafana provisions; the same input gives the same bytes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

with warnings.catch_warnings():
    # The library prefers Grafana's second schema. We emit the classic one on purpose: every Grafana in use reads it.
    warnings.simplefilter("ignore", DeprecationWarning)
    from grafana_foundation_sdk.builders import common as common_builders
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.builders import prometheus, stat, statetimeline, timeseries
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.models import common as common_models
    from grafana_foundation_sdk.models import dashboard as models

from monitoring.dashboards.panels import Panel, Query, panels
from monitoring.objectives import load

FILE = Path(__file__).with_name("registry-overview.json")
UID = "registry-overview"
_SOURCE = "${datasource}"

_Built = builders.Panel | stat.Panel | timeseries.Panel | statetimeline.Panel


def document() -> str:
    """Return the dashboard file."""
    return json.dumps(_dashboard(), cls=JSONEncoder, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def _dashboard() -> models.Dashboard:
    board = (
        builders.Dashboard("Registry overview")
        .uid(UID)
        .description("Whether the registry takes writes, keeps its promise and settles the day, on one page.")
        .tags(["registry", "generated"])
        .timezone("Asia/Shanghai")
        .refresh("5s")
        .time("now-15m", "now")
        .tooltip(models.DashboardCursorSync.CROSSHAIR)
        .readonly()
        .with_variable(builders.DatasourceVariable("datasource").label("Prometheus").type("prometheus"))
        .annotation(_new_primary())
        .annotation(_drill_window())
    )
    for number, panel in enumerate(panels(load()), start=1):
        board.with_panel(_panel(panel, number))
    return board.build()


def _new_primary() -> builders.AnnotationQuery:
    """A mark on every graph where another node became primary."""
    now_primary = "max by (node) (patroni_primary) == 1"
    return (
        builders.AnnotationQuery()
        .name("New primary")
        .datasource(_source())
        .enable(enable=True)
        .icon_color("purple")
        .expr(f"({now_primary}) unless on (node) (max by (node) (patroni_primary offset 10s) == 1)")
        .step("5s")
        .title_format("{{node}} is primary")
    )


def _drill_window() -> builders.AnnotationQuery:
    """A mark on every graph while a drill has a fault on, so that nobody takes it for the real thing."""
    return (
        builders.AnnotationQuery()
        .name("Drill")
        .datasource(_source())
        .enable(enable=True)
        .icon_color("orange")
        .expr("max by (fault) (registry_drill_fault_active) == 1")
        .step("5s")
        .title_format("drill: {{fault}}")
    )


def _panel(panel: Panel, number: int) -> _Built:
    built: _Built
    match panel.kind:
        case "alerts":
            built = builders.Panel().type("alertlist").options(_ALERT_LIST)
        case "stat":
            built = _stat(panel)
        case "graph":
            built = _graph()
        case "timeline":
            built = _timeline()
    built.id(number).title(panel.title).description(panel.description).unit(panel.unit)
    built.datasource(_source()).span(panel.width).height(panel.height).thresholds(_thresholds(panel))
    if panel.words:
        built.mappings([_words(panel)])
    if panel.decimals is not None:
        built.decimals(panel.decimals)
    for index, query in enumerate(panel.queries):
        built.with_target(_target(query, "ABCDEFGH"[index], instant=panel.kind == "stat"))
    return built


_ALERT_LIST = {
    "alertInstanceLabelFilter": "",
    "datasource": "Prometheus",
    "groupMode": "default",
    "maxItems": 20,
    "sortOrder": 3,  # by importance
    "stateFilter": {"error": True, "firing": True, "noData": False, "normal": False, "pending": True},
    "viewMode": "list",
}


def _stat(panel: Panel) -> stat.Panel:
    # A bare yes needs no graph; a number is read faster with its recent past.
    graph = common_models.BigValueGraphMode.NONE if panel.words else common_models.BigValueGraphMode.AREA
    return (
        stat.Panel()
        .reduce_options(common_builders.ReduceDataOptions().calcs(["lastNotNull"]).values(values=False))
        .color_mode(common_models.BigValueColorMode.BACKGROUND)
        .graph_mode(graph)
    )


def _graph() -> timeseries.Panel:
    return timeseries.Panel().line_width(1).fill_opacity(10).show_points(common_models.VisibilityMode.NEVER)


def _timeline() -> statetimeline.Panel:
    return statetimeline.Panel().merge_values(merge_values=True).row_height(0.8).fill_opacity(80).line_width(0)


def _thresholds(panel: Panel) -> builders.ThresholdsConfig:
    steps = [models.Threshold(value=value, color=colour) for value, colour in panel.steps]
    return builders.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _words(panel: Panel) -> models.ValueMap:
    return models.ValueMap(
        {
            str(value): models.ValueMappingResult(text=text, color=colour, index=index)
            for index, (value, text, colour) in enumerate(panel.words)
        }
    )


def _target(query: Query, name: str, *, instant: bool) -> prometheus.Dataquery:
    target = prometheus.Dataquery().expr(query.expression).legend_format(query.legend).ref_id(name)
    target.datasource(_source())
    return target.instant() if instant else target.range()


def _source() -> common_models.DataSourceRef:
    return common_models.DataSourceRef(type_val="prometheus", uid=_SOURCE)
