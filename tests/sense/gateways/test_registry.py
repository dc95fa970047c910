"""The registry against real tables: what devices mean, who they are, and that changes arrive."""

import asyncio
import hashlib

import numpy as np

from fengsui.people.orgs.models import Org
from fengsui.sense.devices.models import Datastream, Device, Site
from fengsui.sense.gateways.registry import Registry, Snapshot, load
from fengsui.stores.changes import in_thread

from .conftest import SECRET


def test_codes_become_ids_and_unknown_codes_minus_one(plant):
    snapshot = load()
    layout = snapshot.streams(plant.pk).layout(("TT-101", "nobody", "PT-101"))
    ids = dict(Datastream.objects.values_list("code", "id"))
    assert layout.ids.tolist() == [ids["TT-101"], -1, ids["PT-101"]]
    assert not layout.all_known
    assert snapshot.streams(plant.pk).layout(("TT-101", "nobody", "PT-101")) is layout


def test_a_device_is_known_by_its_own_secret_only(plant):
    registry = Registry(load())
    assert registry.authenticate("dev-1", SECRET).site == plant.pk
    assert registry.authenticate("dev-1", "wrong") is None
    assert registry.authenticate("nobody", SECRET) is None
    assert registry.authenticate("nobody", "") is None
    assert registry.authenticate("dev-1", "\udcff") is None
    Device.objects.update(is_active=False)
    assert Registry(load()).authenticate("dev-1", SECRET) is None


def test_every_change_to_the_registry_moves_its_counter(plant):
    number = load().number
    for change in (
        lambda: Datastream.objects.filter(code="PT-101").update(unit="MPa"),
        lambda: Device.objects.update(secret_sha256=hashlib.sha256(b"new").hexdigest()),
        lambda: Site.objects.filter(pk=plant.pk).update(name="renamed"),
        lambda: Datastream.objects.filter(code="TT-101").delete(),
    ):
        change()
        assert load().number > number
        number = load().number


def test_a_site_follows_its_organisation(plant):
    assert Site.objects.get(pk=plant.pk).org_path == "/1/"
    Org.objects.update(path="/9/1/")
    assert Site.objects.get(pk=plant.pk).org_path == "/9/1/"
    assert load().site_by_id[plant.pk].org_path == "/9/1/"


async def test_a_change_is_seen_within_seconds(plant):
    registry = Registry()
    await registry.start()
    first = registry.streams(plant.pk)
    await asyncio.to_thread(in_thread, lambda: Datastream.objects.filter(code="PT-101").update(unit="MPa"))
    assert await registry.refresh()
    assert registry.streams(plant.pk).units[registry.streams(plant.pk).row["PT-101"]] == "MPa"
    assert registry.streams(plant.pk) is not first
    assert not await registry.refresh()
    await registry.close()


def test_an_unchanged_site_keeps_its_layouts():
    before = Snapshot(1, streams=[(1, '[[7,"a","kPa",null,null,true]]'), (2, "[]")])
    kept = before.streams(1)
    assert Snapshot(2, streams=[(1, '[[7,"a","kPa",null,null,true]]')], before=before).streams(1) is kept
    assert Snapshot(2, streams=[(1, "[]")], before=before).streams(1) is not kept
    assert kept.range_max.tolist() == [np.inf]


def test_a_snapshot_of_many_sites_decodes_only_what_is_heard():
    text = "[" + ",".join(f'[{i},"T{i}","kPa",0,1,true]' for i in range(500)) + "]"
    snapshot = Snapshot(1, streams=[(site, text) for site in range(50_000)])
    assert snapshot.counts["sites_heard"] == 0
    assert snapshot.streams(3).layout(("T499",)).ids.tolist() == [499]
    assert snapshot.counts["sites_heard"] == 1
