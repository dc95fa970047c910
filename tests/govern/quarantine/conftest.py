import pytest


@pytest.fixture
def plant(db):
    """Province "p" over enterprises "e" and "o"; each has a site with datastreams "level" (m) and "heat" (°C)."""
    from types import SimpleNamespace

    from fengsui.people.orgs.models import Membership, Org
    from fengsui.sense.devices.models import Datastream, ObservedProperty, Site, Thing

    def user(name, org, role):
        from fengsui.people.accounts.models import User

        made = User.objects.create(username=name)
        Membership.objects.create(user=made, org=org, role=role)
        return made

    root = Org.objects.create(path="/1/", kind="province", code="p", name="p")
    observed = ObservedProperty.objects.create(code="level", name="Level")
    out = SimpleNamespace(root=root)
    for i, code in enumerate(("e", "o")):
        org = Org.objects.create(
            path=f"/1/{i + 2}/", parent=root, depth=1, kind="enterprise", code=code, name=code
        )
        org.refresh_from_db()
        site = Site.objects.create(
            code=f"s-{code}", name=code, org=org, org_path=org.path, longitude=111, latitude=30
        )
        site.refresh_from_db()
        thing = Thing.objects.create(site=site, code="tank", name="tank")
        for name, unit in (("level", "m"), ("heat", "°C")):
            stream = Datastream.objects.create(
                site=site, thing=thing, observed_property=observed, code=name, name=name, unit=unit
            )
            setattr(out, f"{name}_{code}", stream)
        setattr(out, f"org_{code}", org)
        setattr(out, f"site_{code}", site)
        setattr(out, f"steward_{code}", user(f"steward-{code}", org, "data_steward"))
    out.officer_e = user("officer", out.org_e, "safety_officer")
    return out
