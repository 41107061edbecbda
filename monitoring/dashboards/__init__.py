"""Dashboards: what each panel asks is data, how Grafana wants it is generated."""
