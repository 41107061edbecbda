"""The plan: addresses never collide, and say what the contract with drills says."""

from __future__ import annotations

from collections import Counter

import pytest

from deploy.playground import plan as places
from deploy.playground.plan import Plan


def test_no_two_processes_listen_on_the_same_address() -> None:
    listens = Counter(address for service in Plan(20).services for address in service.listens)

    assert {address for address, times in listens.items() if times > 1} == set()


def test_two_instances_share_no_address() -> None:
    one, other = ({a for service in Plan(n).services for a in service.listens} for n in (20, 30))

    assert one.isdisjoint(other)


def test_etcd_has_one_member_a_site() -> None:
    sites = [Plan(20).node(name).site for name in places.ETCD_NODES]

    assert sorted(sites) == ["main", "second", "witness"]


def test_each_data_site_has_two_data_nodes_and_one_of_everything_that_clients_need() -> None:
    """With one data node left on a site, strict mode would stop every write after a site loss."""
    plan = Plan(20)
    for site in ("main", "second"):
        kinds = Counter(service.kind for service in plan.services if service.site == site)
        assert kinds == {"patroni": 2, "etcd": 1, "haproxy": 1, "api": 1, "intake": 1, "settle": 1}


def test_every_proxy_ends_at_an_address_where_somebody_listens() -> None:
    plan = Plan(20)
    listened = {f"{host}:{port}" for service in plan.services for host, port in service.listens}

    assert {proxy.upstream for proxy in plan.proxies} <= listened
    assert {proxy.listen for proxy in plan.proxies} <= listened


def test_the_proxies_have_the_names_that_drills_use() -> None:
    names = {proxy.name for proxy in Plan(20).proxies}

    assert names == {
        *(f"line-{line}-{what}" for line in "ab" for what in ("fix", "files")),
        *(f"endpoint-{site}-{what}" for site in ("main", "second") for what in ("http", "write", "read")),
    }


def test_an_sql_endpoint_is_one_complete_address_of_the_drill_role() -> None:
    ends = Plan(20).endpoints("secret")

    assert ends["write"] == [
        "postgresql://drill:secret@127.20.9.11:5000/registry",
        "postgresql://drill:secret@127.20.9.12:5000/registry",
    ]
    assert ends["api"] == ["http://127.20.9.11:8080", "http://127.20.9.12:8080"]


def test_services_inside_know_every_data_node() -> None:
    uri = Plan(21).sql_uri("registry_app", "pw", "registry")

    assert uri == (
        "postgresql://registry_app:pw@127.21.1.1:5432,127.21.1.2:5432,127.21.2.1:5432,127.21.2.2:5432/registry"
    )


def test_a_node_that_is_not_in_the_plan_is_an_error() -> None:
    with pytest.raises(KeyError):
        Plan(20).node("main-9")
